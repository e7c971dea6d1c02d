"""The copy of a development chain's state."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rayfed.ledger.ethereum.chain_state import SUFFIX, ChainState, is_whole

STATE = b'{"block": {"number": "0x2"}, "accounts": {"0x1": {"balance": "0x3"}}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.json"


def copy_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def test_no_part_of_a_state_is_whole() -> None:
    assert is_whole(STATE)
    assert not any(is_whole(STATE[:length]) for length in range(len(STATE)))


def test_what_was_cut_off_is_replaced_by_the_copy(path: Path) -> None:
    state = ChainState(path, 600)
    path.write_bytes(STATE)
    state.copy()
    path.write_bytes(STATE[: len(STATE) // 2])
    state.copy()
    again = ChainState(path, 600)
    again.start()
    assert path.read_bytes() == STATE
    again.stop()
    assert list(path.parent.iterdir()) == [path]


def test_a_whole_state_stays_whatever_the_copy_is(path: Path) -> None:
    path.write_bytes(STATE)
    copy_of(path).write_bytes(b"{}")
    state = ChainState(path, 600)
    state.start()
    state.stop()
    assert path.read_bytes() == STATE
    assert not copy_of(path).exists()


def test_who_has_removed_the_state_gets_a_new_chain(path: Path) -> None:
    copy_of(path).write_bytes(STATE)
    state = ChainState(path, 600)
    state.start()
    state.stop()
    assert list(path.parent.iterdir()) == []


def test_it_copies_by_itself(path: Path) -> None:
    state = ChainState(path, 0.01)
    state.start()
    path.write_bytes(STATE)
    while not copy_of(path).exists():
        time.sleep(0.01)
    state.stop()
