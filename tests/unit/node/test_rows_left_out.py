"""Who was left out of the last rounds in a row, by what the ledger holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.node.left_out import LOOK, left_out
from rayfed.protocol.messages import Phase, Round, Status
from tests.unit.node.test_edge_node import World
from tests.unit.protocol.test_policy import CLOSED, at


def past(*rounds: tuple[int, int] | None, first: int = 1) -> dict[int, Round]:
    """Return rounds by number: (committed, included) of each; None: void."""
    return {
        number: replace(CLOSED, round=number, status=Status.VOID, committed=0b1111, included=0)
        if one is None
        else replace(CLOSED, round=number, committed=one[0], included=one[1])
        for number, one in enumerate(rounds, first)
    }


def found(rounds: dict[int, Round], row: int, committed: int = 0b1111, told: bool = True) -> frozenset[int]:
    """Ask in the round after the last of these, of which the view tells or does not."""
    last = max(rounds)
    view = at(Phase.VOTE, round=last + 1, committed=committed, previous=rounds[last] if told else None)
    return left_out(view, {n: one for n, one in rounds.items() if not told or n != last}.get, row)


ALL = 0b1111


def test_a_row_is_of_the_last_rounds() -> None:
    rounds = past((ALL, 0b0111), (ALL, 0b0011), (ALL, 0b0011))
    assert [found(rounds, row) for row in (1, 2, 3, 4)] == [{2, 3}, {2, 3}, {3}, set()]
    assert found(past((ALL, 0b0111), (ALL, 0b0111), (ALL, ALL)), 1) == set()
    assert found(past((ALL, 0b0111), (ALL, ALL), (ALL, 0b0111)), 2) == set()


def test_who_had_no_update_in_a_round_or_has_none_now_has_no_row() -> None:
    rounds = past((ALL, 0b0011), (0b0111, 0b0011))
    assert found(rounds, 1) == {2}
    assert found(rounds, 1, committed=0b1011) == set()


def test_void_rounds_do_not_count() -> None:
    rounds = past((ALL, 0b0111), None, (ALL, 0b0111), None)
    assert found(rounds, 2) == {3}
    assert found(rounds, 3) == set()


def test_rounds_are_asked_for_only_while_a_row_goes_on() -> None:
    asked: list[int] = []

    def round_of(number: int) -> Round | None:
        asked.append(number)
        return replace(CLOSED, round=number, included=0b0111)

    view = at(Phase.VOTE, round=100, previous=replace(CLOSED, round=99))
    assert left_out(view, round_of, 5) == set()
    assert asked == [], "nobody was left out of the last one"
    assert left_out(replace(view, previous=replace(CLOSED, round=99, included=0b0111)), round_of, 3) == {3}
    assert asked == [98, 97]


def test_what_the_ledger_holds_no_more_is_no_row() -> None:
    rounds = past(*[(ALL, 0b0111)] * 2, first=9)
    assert found(rounds, 2) == {3}
    assert found(rounds, 3) == set()
    void = past((ALL, 0b0111), *[None] * LOOK)
    assert found(void, 1) == set()


@pytest.mark.parametrize("view_tells", [True, False])
def test_the_last_round_is_asked_for_where_the_view_does_not_tell(view_tells: bool) -> None:
    rounds = past((ALL, 0b0111), (ALL, 0b0111))
    view = at(Phase.VOTE, round=3, previous=rounds[2] if view_tells else None)
    assert left_out(view, rounds.get, 2) == {3}


class Against:
    """Refuses one member's updates, until they have been left out of two rounds in a row."""

    name = "against"

    def __init__(self, member: int) -> None:
        self._member = member

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        refused = {self._member}.difference(evidence.left_out(2))
        return [Verdict(self.name, i, i not in refused, 0.0, "for no reason") for i in evidence.indices]


def test_nodes_screens_see_it(tmp_path: Path) -> None:
    class Unfair(World):
        def start(self, slot: int, **changes: Any) -> Any:
            return super().start(slot, **({"screens": [Against(3)]} | changes))

    world = Unfair(tmp_path, rounds=6)
    world.run()
    assert world.included() == [0b0111, 0b0111, ALL] * 2
