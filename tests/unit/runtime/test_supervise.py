"""When a run has ended well, by what its nodes say of themselves."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rayfed.errors import RayfedError, Rejected
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.commands import EnterRoot, Settle, Undo
from rayfed.protocol.messages import NodeStatus, Phase, View
from rayfed.reporting.live_table import LiveDisplay
from rayfed.runtime import supervise
from rayfed.runtime.recorder import Snapshot
from rayfed.runtime.supervise import without_model
from tests.unit.cli.test_owner import FEDERATION, STRANGER, TERMS, World

DONE = NodeStatus(0, "0x" + "11" * 20, 0, 3, "finished")


def test_nodes_that_failed_for_good_are_told_apart() -> None:
    failed = replace(DONE, slot=1, doing="failed", error="its host is gone")
    assert without_model(Snapshot(None, (DONE, failed))) == (failed,)
    assert without_model(Snapshot(None, (DONE, replace(DONE, slot=1)))) == ()


def test_a_node_that_another_party_brought_is_that_party_s_affair() -> None:
    guest = replace(DONE, slot=-1, doing="failed", error="its host is gone")
    assert without_model(Snapshot(None, (DONE, guest))) == ()


class Watched(MemoryFederation):
    """A federation in which somebody settles a round after each look."""

    def view(self) -> View:
        seen = super().view()
        self.chain.clock.advance(200)
        for round in range(1, seen.round + 1):
            found = self.chain.round_of(round)
            if found is not None and found.status.is_unsettled:
                self.chain.act(STRANGER, Settle(round))
                break
        return seen


def told_while(connection: MemoryFederation, seconds: float) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    with LiveDisplay(2, Path("x"), console=console) as display:
        supervise.until_settled(connection, display, seconds)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_nodes_are_kept_until_all_that_they_attested_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SETTLED_SECONDS", 0.0)
    world = World().gather().train().train()
    assert world.chain.view().unsettled == 2
    lines = told_while(Watched(world.chain, FEDERATION, {}), 3600)
    said = "the nodes stay until all is settled: "
    assert lines == [f"{said}2 rounds can still be contested", f"{said}1 round can still be contested"]
    assert world.chain.view().unsettled == 0


def test_nodes_are_kept_no_longer_than_they_linger() -> None:
    world = World().gather().train()
    assert told_while(world.federation, 0) == []
    assert world.chain.view().unsettled == 1


class Disputed(MemoryFederation):
    """A federation whose only round is before the court, where nobody moves."""

    def view(self) -> View:
        self.chain.clock.advance(20)
        for act in (Undo(1), Settle(1)):
            with suppress(Rejected):
                self.chain.act(STRANGER, act)
        return super().view()


def test_nodes_are_kept_while_what_they_attested_is_before_the_court(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SETTLED_SECONDS", 0.0)
    world = World().gather().train()
    held = world.chain.round_of(1)
    assert held is not None
    world.chain.act(STRANGER, EnterRoot(1, held.context, b"s" * 32))
    assert told_while(Disputed(world.chain, FEDERATION, {}), 0)
    assert world.chain.view().unsettled == 0


def test_what_is_settled_is_not_waited_for() -> None:
    assert told_while(World().gather().federation, 3600) == []


class GoingOn(MemoryFederation):
    """A federation whose members do what is left to do after the first look."""

    def __init__(self, world: World) -> None:
        super().__init__(world.chain, FEDERATION, {})
        self.world = world

    def view(self) -> View:
        seen = super().view()
        if seen.phase is not Phase.DONE:
            self.world.train()
        return seen


def test_a_run_goes_on_where_the_chain_has_gone_back_behind_its_end() -> None:
    """Also where all rounds before it are settled, so that nothing else keeps the nodes."""
    world = World(replace(TERMS, rounds=1)).gather()
    console = Console(file=io.StringIO(), width=200)
    with LiveDisplay(2, Path("x"), console=console) as display:
        assert not world.chain.view().unsettled
        assert supervise.until_done_again((), GoingOn(world), display)
        assert world.chain.view().phase is Phase.DONE
        assert not supervise.until_done_again((), GoingOn(world), display)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == ["the last round is open again: the nodes go on"]


def failing(connection: MemoryFederation, addresses: list[str], seconds: float) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    refused = "ledger.max_gas: commit of round 3 was refused"
    with (
        LiveDisplay(2, Path("x"), console=console) as display,
        pytest.raises(RayfedError, match=refused),
        supervise.defending(connection, display, addresses, seconds),
    ):
        raise RayfedError(refused)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_members_that_fail_defend_what_they_attested_and_fail_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "SETTLED_SECONDS", 0.0)
    world = World().gather().train().train()  # the first look settles one
    member = world.chain.view().members[0]
    lines = failing(Watched(world.chain, FEDERATION, {}), [member], 3600)
    assert lines[0] == "failed: ledger.max_gas: commit of round 3 was refused"
    assert lines[1] == "the nodes stay until all is settled: 1 round can still be contested"
    assert world.chain.view().unsettled == 0


def test_who_is_no_member_has_nothing_to_defend() -> None:
    world = World().gather().train()
    assert failing(world.federation, [STRANGER], 3600) == []
    assert world.chain.view().unsettled == 1
