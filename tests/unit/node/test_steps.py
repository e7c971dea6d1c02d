"""Since when a step is due, and what keeps a node from its seat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rayfed.node.seat import ASK_SECONDS, Access, Admission
from rayfed.node.steps import DueStep
from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import Phase, Terms
from rayfed.protocol.policy import turn
from tests.unit.protocol.test_phases import TERMS
from tests.unit.protocol.test_policy import MEMBERS, VIEW, at


def test_a_step_is_due_since_it_was_first_seen_to_be() -> None:
    step = DueStep()
    assert step.due_since(VIEW) == 0
    assert step.is_at(VIEW)
    due = replace(VIEW, due=True, time=1_010)
    assert step.due_since(due) == 1_010
    assert step.due_since(replace(due, time=1_020)) == 1_010
    assert step.due_since(replace(due, time=1_020, due=False)) == 0, "a reorganisation took a statement back"
    assert step.due_since(replace(due, time=1_030)) == 1_030
    following = replace(due, phase=Phase.VOTE, time=1_031)
    assert not step.is_at(following)
    assert step.due_since(following) == 1_031


def test_who_is_first_looks_again_soon_and_the_others_when_they_are_told() -> None:
    step = DueStep()
    near = {turn(VIEW, member): step.is_near(VIEW, member) for member in MEMBERS}
    assert near == {0: True, 1: False, 2: False, 3: False}
    assert all(step.is_near(replace(VIEW, due=True), member) for member in MEMBERS)
    assert all(step.is_near(at(Phase.WAITING), member) for member in MEMBERS), "settling changes no phase"
    assert not any(step.is_near(at(Phase.DONE), member) for member in MEMBERS)


class Door:
    """A ledger that tells of one account."""

    address = MEMBERS[0]

    def __init__(self) -> None:
        self.account_now = Account(stake=10)
        self.asked = 0

    def terms(self) -> Terms:
        return replace(TERMS, stake=10)

    def account(self, address: str) -> Account:
        self.asked += 1
        return self.account_now


def test_what_keeps_a_node_out() -> None:
    door: Any = Door()
    lines: list[str] = []
    admission = Admission(door, lines.append)
    assert admission.access(VIEW, 0) == Access()
    assert door.asked == 0, "an active member is not asked for"
    out = replace(VIEW, active=0b1110)
    assert admission.access(out, 0) == Access(), "it left: it may join again"
    door.account_now = Account(stake=0, slashed=10)
    assert admission.access(out, 0) == Access(), "it is asked no more often"
    later = replace(out, time=out.time + ASK_SECONDS)
    assert admission.access(later, None) == Access(lost=True)
    door.account_now = Account(stake=10, slashed=10, drops=1, paused_until=2_000)
    assert admission.access(replace(later, round=6), None) == Access(paused_until=2_000)
    assert [line.split(":")[0] for line in lines] == ["out", "out"]
    assert "stake was slashed" in lines[0]
    assert "dropped 1 times" in lines[1]
    assert admission.access(at(Phase.DONE, active=0), None) == Access()
