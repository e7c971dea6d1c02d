"""Chain time between blocks."""

from __future__ import annotations

import pytest

from rayfed.ledger.ethereum import clock as module
from rayfed.ledger.ethereum.clock import DRIFT, ChainClock


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [50.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_time_goes_on_after_the_last_block(steady: list[float]) -> None:
    clock = ChainClock()
    clock.saw(1_000)
    steady[0] += 10
    assert clock.now() == pytest.approx(1_010, abs=11 * DRIFT)


def test_a_block_seen_late_does_not_set_the_clock_back(steady: list[float]) -> None:
    clock = ChainClock()
    clock.saw(1_000)
    steady[0] += 10
    clock.saw(1_004)
    assert clock.now() == pytest.approx(1_010, abs=11 * DRIFT)


def test_a_block_from_further_ahead_moves_the_clock(steady: list[float]) -> None:
    clock = ChainClock()
    clock.saw(1_000)
    clock.saw(5_000)
    steady[0] += 1
    assert clock.now() == pytest.approx(5_001, abs=2 * DRIFT)


def test_a_machine_whose_clock_runs_fast_is_corrected(steady: list[float]) -> None:
    """A clock 50 millionths fast, a block every 12 seconds for a day: never a second ahead of the chain."""
    clock = ChainClock()
    chain = 1_000
    for _ in range(86_400 // 12):
        clock.saw(chain)
        assert clock.now() < chain + 1
        steady[0] += 12 * (1 + 50e-6)
        chain += 12


def test_after_waiting_until_a_time_it_has_come(steady: list[float]) -> None:
    clock = ChainClock()
    clock.saw(1_000)
    for seconds in (1, 60, 100_000):
        then = clock.now() + seconds
        steady[0] += clock.until(then)
        assert then <= clock.now() < then + 1
