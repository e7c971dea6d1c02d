"""The seam for ledgers: one more kind is a folder and a line, and a whole federation lives on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfed.config.groups.machines import LedgerSettings
from rayfed.errors import CharterMismatch, ConfigError, LedgerUnreachable, NotAFederation
from rayfed.ledger import registry
from rayfed.ledger.backend import Locator
from rayfed.ledger.memory.backend import MemoryBackend
from tests.federation_on_any_ledger import NODES, REWARD, ROUNDS, lived
from tests.toys.noticeboard.backend import BoardBackend
from tests.unit.node.test_edge_node import charter


@pytest.fixture
def noticeboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.KINDS, "noticeboard", "tests.toys.noticeboard.backend:NoticeboardKind")


def read_out(backend: Any) -> None:
    assert isinstance(backend, BoardBackend)
    backend.board.read_out()


def later_on_the_board(backend: Any, seconds: int) -> None:
    backend.board.clock.advance(seconds)


def later_in_memory(backend: Any, seconds: int) -> None:
    assert isinstance(backend, MemoryBackend)
    backend.world.clock.advance(seconds)


def test_a_federation_lives_on_any_kind_of_ledger(tmp_path: Path, noticeboard: None) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "board").mkdir()
    in_memory = lived("memory", tmp_path / "memory", lambda backend: None, later_in_memory)
    on_a_board = lived("noticeboard", tmp_path / "board", read_out, later_on_the_board)
    assert in_memory.final == on_a_board.final, "the merge does not depend on the ledger"
    assert set(in_memory.members).isdisjoint(on_a_board.members)
    for life in (in_memory, on_a_board):
        assert sum(life.claimed.values()) == NODES * ROUNDS * (REWARD // NODES)


def test_a_ledger_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ledger\.kind: there is no ledger 'abacus' \(devchain, rpc, memory\)"):
        registry.kind("abacus")
    elsewhere = Locator("memory", 31337, {"name": "elsewhere"})
    with pytest.raises(LedgerUnreachable, match="is not in this process"):
        registry.at(elsewhere, LedgerSettings())


def test_a_federation_in_memory_is_checked_like_any(tmp_path: Path) -> None:
    with registry.open(LedgerSettings(kind="memory"), tmp_path) as backend:
        payer = backend.purse()
        assert payer is not None
        there = backend.found(payer, charter())
        with pytest.raises(CharterMismatch):
            backend.connect(there.federation, bytes(32))
        with pytest.raises(NotAFederation):
            backend.connect("0x" + "00" * 20)
