"""The watchtower alone: what it says of a federation in memory, and what it does about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.node.watchtower import LOOK_SECONDS, WatchReport
from rayfed.protocol.commands import Advance, Settle
from rayfed.protocol.messages import Phase, Status, View
from rayfed.runtime.watching import Watcher
from tests.unit.node.test_edge_node import FEDERATION
from tests.unit.node.test_watchtower import BOND, GENESIS, OUTSIDER, Table

ALONE = "0x" + "77" * 20


class Passing(MemoryFederation):
    """A federation in which time passes when somebody waits."""

    def wait(self, seen: View, timeout: float) -> None:
        self.chain.clock.advance(LOOK_SECONDS)
        if self.chain.view().due:
            self.chain.act(OUTSIDER, Advance())


def watched(table: Table, balance: int = 10 * BOND) -> tuple[WatchReport, list[str], Watcher]:
    lines: list[str] = []
    connection = Passing(table.chain, FEDERATION, {ALONE: balance})
    ledger = connection.ledger(_Signer(ALONE))
    watcher = Watcher(connection, ledger, table.tools("alone"), lines.append)
    watcher.introduce()
    return watcher.run(), lines, watcher


class _Signer:
    def __init__(self, address: str) -> None:
        self.address = address


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def test_it_says_of_every_round_whether_it_is_right_until_all_is_settled(table: Table) -> None:
    right, _ = table.play()
    wrong, _ = table.play(twist=5_000)
    report, lines, watcher = watched(table)
    view = table.chain.view()
    assert (view.phase, view.unsettled) == (Phase.DONE, 0)
    assert f"round {right}: right" in lines
    assert any(line.startswith(f"round {wrong}:") and "is entered against" in line for line in lines)
    assert table.status(right) is Status.SETTLED
    assert table.status(wrong) is Status.OVER
    assert report.settled_wrong == frozenset()
    assert lines[-1] == "no wrong root was seen to stand"
    assert table.chain.account(ALONE).native_claimable == BOND
    watcher.collect(ALONE)
    assert table.chain.account(ALONE).native_claimable == 0


def test_it_says_what_it_cannot_judge(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    table.store.blobs.pop(table.roots(round)[1])
    report, lines, _ = watched(table)
    assert any("cannot be judged" in line for line in lines)
    assert f"round {round}: not judged, for lack of what it included" in lines
    assert report.settled_wrong == frozenset(), "nobody knows"


@pytest.mark.parametrize("void", [False, True])
def test_a_round_is_right_once_what_it_included_is_there_but_for_a_void_one(table: Table, void: bool) -> None:
    round, _ = table.play(twist=5_000, forgers=(0, 1)) if void else table.play()
    root = table.roots(round)[1]
    late = table.store.blobs.pop(root)

    class Later(Passing):
        def wait(self, seen: View, timeout: float) -> None:
            table.store.blobs[root] = late
            super().wait(seen, timeout)

    lines: list[str] = []
    connection = Later(table.chain, FEDERATION, {ALONE: 10 * BOND})
    Watcher(connection, connection.ledger(_Signer(ALONE)), table.tools("alone"), lines.append).run()
    assert any(line.startswith(f"round {round} cannot be judged here") for line in lines)
    assert lines.count(f"round {round}: right") == (not void)
    assert (f"round {round}: void" in lines) is void


def test_it_tells_of_what_stands_and_is_wrong(tmp_path: Path) -> None:
    table = Table(tmp_path, "norm_clipping")
    founder = table.tools("table")
    founder.models.build_genesis(table.charter.genesis, GENESIS)
    assert founder.blobs.publish(table.charter.genesis).is_done
    round, _ = table.play(twist=5_000)
    report, lines, _ = watched(table, balance=0)
    assert report.settled_wrong == {round}
    assert "cannot recompute" in lines[1]
    assert lines[-1] == f"a wrong root stands in round {round}"


def test_it_says_that_it_cannot_pay_for_a_bond(table: Table) -> None:
    table.play()
    _, lines, _ = watched(table, balance=BOND)
    assert "cannot enter a root" in lines[1]


def test_a_round_that_settled_before_it_came_is_judged_all_the_same(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    table.clock.advance(10_000)
    table.chain.act(OUTSIDER, Settle(round))
    report, lines, _ = watched(table)
    assert report.settled_wrong == {round}
    assert any("is not the merge of its updates, and is settled" in line for line in lines)


def test_it_takes_a_step_that_nobody_takes(table: Table) -> None:
    """All members have gone: the federation still comes to its end."""
    table.play()

    class Deserted(Passing):
        def wait(self, seen: View, timeout: float) -> None:
            self.chain.clock.advance(60 * LOOK_SECONDS)

    connection = Deserted(table.chain, FEDERATION, {ALONE: 10 * BOND})
    watcher = Watcher(connection, connection.ledger(_Signer(ALONE)), table.tools("alone"), lambda line: None)
    watcher.run()
    assert table.chain.view().phase is Phase.DONE
