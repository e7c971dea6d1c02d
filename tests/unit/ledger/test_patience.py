"""A chain that is away for a moment ends nobody who starts just then."""

from __future__ import annotations

import math

import pytest

from rayfed.errors import LedgerUnreachable, WrongChain
from rayfed.ledger import patience
from rayfed.ledger.patience import patiently


class Chain:
    """Answers after so many questions."""

    def __init__(self, outages: int) -> None:
        self.outages = outages

    def ask(self) -> int:
        self.outages -= 1
        if self.outages >= 0:
            raise LedgerUnreachable("ledger.rpc_url: nothing answers")
        return 7


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def test_it_waits() -> None:
    assert patiently(Chain(3).ask) == 7
    assert patiently(Chain(100_000).ask, math.inf) == 7


def test_it_does_not_wait_for_ever() -> None:
    chain = Chain(1_000)
    with pytest.raises(LedgerUnreachable):
        patiently(chain.ask, 10)
    assert chain.outages == 1_000 - 11


def test_what_will_not_get_better_is_said_at_once() -> None:
    def ask() -> int:
        raise WrongChain("ledger.chain_id: another one")

    with pytest.raises(WrongChain):
        patiently(ask)
