"""The honest policy, state by state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.messages import Phase, Round, Status, Verb, View
from rayfed.protocol.policy import (
    TURN_SECONDS,
    Abstain,
    Action,
    Adopt,
    Check,
    Enter,
    Finish,
    FreeSeat,
    Judge,
    Me,
    Merge,
    MoveOn,
    Standing,
    Train,
    Wait,
    next_action,
    standing,
    turn,
    turn_seconds,
)

MEMBERS = tuple(f"0x{i:040x}" for i in range(1, 5))
ROOTS = tuple(bytes([i]) * 32 for i in range(1, 5))
GENESIS, MADE, OTHER = b"g" * 32, b"m" * 32, b"o" * 32
OPENING, VOTING, INCLUDED, MADE_BY = b"1" * 32, b"2" * 32, b"3" * 32, b"0" * 32

CLOSED = Round(
    round=4,
    status=Status.FINAL,
    deadline=1_050,
    base_round=3,
    base=GENESIS,
    context=MADE_BY,
    roster=0b1111,
    committed=0b1111,
    voted=0b1111,
    attested=0b1110,
    included=0b1111,
    root=MADE,
    attesters=0b1110,
)

VIEW = View(
    time=1_000,
    round=5,
    phase=Phase.COMMIT,
    deadline=1_060,
    due=False,
    base=MADE,
    base_round=4,
    base_context=MADE_BY,
    base_settled=False,
    context=OPENING,
    roster=0b1111,
    active=0b1111,
    committed=0,
    abstained=0,
    voted=0,
    attested=0,
    included=0,
    excused=0,
    finals=4,
    voids=0,
    unsettled=1,
    since=900,
    members=MEMBERS,
    roots=(NO_ROOT,) * 4,
    accepts=(0,) * 4,
    misses=(0,) * 4,
    previous=replace(CLOSED, attested=0b1111),
)

ME = Me(MEMBERS[0], model=MADE, merges={MADE_BY: MADE}, took_part=True, hurry=15)


def at(phase: Phase, **changes: Any) -> View:
    later: dict[Phase, dict[str, Any]] = {
        Phase.FORMING: {"roster": 0, "context": bytes(32)},
        Phase.COMMIT: {},
        Phase.VOTE: {"context": VOTING, "committed": 0b1111, "roots": ROOTS},
        Phase.ATTEST: {"context": INCLUDED, "committed": 0b1111, "roots": ROOTS, "voted": 0b1111, "included": 0b0111},
        Phase.WAITING: {"roster": 0, "context": bytes(32), "deadline": 0},
        Phase.DONE: {"roster": 0, "context": bytes(32), "deadline": 0},
    }
    return replace(VIEW, phase=phase, **{**later[phase], **changes})


def does(view: View, me: Me = ME) -> list[Action]:
    """Return all that the policy names in turn, each tried in vain, without what ends it."""
    done: list[Action] = []
    while not isinstance(action := next_action(view, replace(me, stuck=frozenset(done))), Wait | Finish):
        done.append(action)
    return done


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (at(Phase.COMMIT), Train(5, MADE)),
        (at(Phase.COMMIT, committed=0b0001), Wait(1_045)),
        (at(Phase.COMMIT, abstained=0b0001), Wait(1_045)),
        (at(Phase.COMMIT, roster=0b1110), Wait(1_045)),
        (at(Phase.VOTE), Judge(5, MADE, 0b1111)),
        (at(Phase.VOTE, voted=0b0001), Wait(1_060)),
        (at(Phase.ATTEST), Merge(5, INCLUDED)),
        (at(Phase.ATTEST, attested=0b0001), Wait(1_060)),
        (at(Phase.WAITING), Wait(0)),
        (at(Phase.FORMING), Wait(1_060)),
        (at(Phase.DONE), Finish()),
        (at(Phase.DONE, base=OTHER), Finish(f"round 4: its model {OTHER.hex()[:12]}")),
    ],
)
def test_what_a_member_does_where_all_is_well(view: View, expected: Action) -> None:
    action = next_action(view, ME)
    if isinstance(expected, Finish) and expected.reason:  # the base is another than the own merge, and not settled
        assert isinstance(action, Wait)
        assert action.reason.startswith(expected.reason)
    else:
        assert action == expected


def test_what_is_in_flight_is_not_said_again() -> None:
    assert next_action(at(Phase.VOTE), replace(ME, in_flight=frozenset({(Verb.VOTE, 5)}))) == Wait(1_060)
    assert isinstance(next_action(at(Phase.VOTE), replace(ME, in_flight=frozenset({(Verb.VOTE, 4)}))), Judge)


def test_after_the_deadline_nothing_is_said() -> None:
    for phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
        assert does(at(phase, time=1_060)) == []


# -- members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.FORMING, Phase.COMMIT, Phase.VOTE, Phase.ATTEST, Phase.WAITING])
def test_who_is_no_member_joins(phase: Phase) -> None:
    stranger = replace(ME, address="0x" + "99" * 20)
    assert next_action(at(phase), stranger) == Enter()
    assert Enter() not in does(at(phase), replace(stranger, leaving=True))
    assert Enter() not in does(at(Phase.DONE), stranger)
    assert Enter() not in does(at(phase), replace(stranger, in_flight=frozenset({(Verb.JOIN, 0)})))


def test_who_was_dropped_joins_when_its_pause_is_over() -> None:
    view = at(Phase.VOTE, active=0b1110, roster=0b1110)
    assert next_action(view, replace(ME, paused_until=1_001)) == Wait(1_001)
    assert next_action(view, replace(ME, paused_until=1_000)) == Enter()


def test_who_is_on_the_roster_finishes_the_round_first() -> None:
    assert does(at(Phase.VOTE, active=0b1110)) == [Judge(5, MADE, 0b1111)]


# -- steps -----------------------------------------------------------------------------------------------------------


def test_the_order_of_turns_changes_with_the_round() -> None:
    assert [turn(VIEW, member) for member in MEMBERS] == [1, 2, 3, 0]
    assert [turn(replace(VIEW, round=6), member) for member in MEMBERS] == [2, 3, 0, 1]
    assert turn(VIEW, "0x" + "99" * 20) == 4, "who is no member comes last"
    assert turn(at(Phase.FORMING, active=0b0101, round=0), MEMBERS[2]) == 1


def test_turns_are_longer_where_phases_are() -> None:
    assert [turn_seconds(seconds) for seconds in (1, 60, 320, 3_600)] == [2, 2, 10, 30]
    view = at(Phase.WAITING, due=True, time=1_009)
    second = replace(ME, address=next(member for member in MEMBERS if turn(view, member) == 1), due_since=1_000)
    assert MoveOn() in does(view, second)
    assert MoveOn() not in does(view, replace(second, turn=10))


@pytest.mark.parametrize("phase", [Phase.FORMING, Phase.COMMIT, Phase.VOTE, Phase.ATTEST, Phase.WAITING])
def test_a_step_is_taken_by_the_first_and_by_the_next_if_that_does_not(phase: Phase) -> None:
    view = at(phase, due=True)
    order = sorted(MEMBERS, key=lambda member: turn(view, member))
    for place, member in enumerate(order):
        me = replace(ME, address=member, due_since=1_000)
        waited = replace(view, time=1_000 + TURN_SECONDS * place, previous=None)
        assert MoveOn() in does(waited, me)
        if place:
            early = replace(waited, time=waited.time - 1)
            assert MoveOn() not in does(early, me)
            assert isinstance(wait := next_action(replace(early, phase=Phase.FORMING), me), Wait)
            assert wait.until == waited.time
    assert MoveOn() not in does(replace(view, due=False), replace(ME, address=order[0]))


# -- the base --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "of_view", "expected"),
    [
        ({}, {}, Standing.GOOD),
        ({"merges": {}}, {"base_round": 0}, Standing.GOOD),
        ({"merges": {}}, {}, Standing.UNCHECKED),
        ({"merges": {OTHER: MADE}}, {}, Standing.UNCHECKED),
        ({"merges": {MADE_BY: OTHER}}, {}, Standing.WRONG),
        ({"distrusts": True}, {}, Standing.WRONG),
        ({"distrusts": True}, {"base_settled": True}, Standing.GOOD),
        ({"merges": {MADE_BY: OTHER}}, {"base_settled": True}, Standing.WRONG),
        ({"merges": {}}, {"base_settled": True}, Standing.UNCHECKED),
        ({"merges": {}, "took_part": False}, {"base_settled": True}, Standing.GOOD),
        ({"merges": {}, "took_part": False}, {}, Standing.UNCHECKED),
    ],
)
def test_what_a_node_knows_of_a_base(changes: dict[str, Any], of_view: dict[str, Any], expected: Standing) -> None:
    assert standing(replace(VIEW, **of_view), replace(ME, **changes)) is expected


def test_a_model_is_adopted_before_it_is_trained_from_unless_it_is_wrong() -> None:
    assert does(VIEW, replace(ME, model=NO_ROOT)) == [Adopt(MADE)]
    assert does(VIEW, replace(ME, model=NO_ROOT, merges={MADE_BY: OTHER})) == []


def test_what_is_unchecked_is_checked_and_trained_from_meanwhile_and_abstained_from_in_the_end() -> None:
    blind = replace(ME, merges={})
    assert does(VIEW, blind) == [Check(4, MADE_BY), Train(5, MADE, commits=False)]
    late = replace(VIEW, time=1_045)
    assert does(late, blind) == [Check(4, MADE_BY), Abstain(5), Train(5, MADE, commits=False)]
    assert next_action(VIEW, replace(blind, stuck=frozenset(does(VIEW, blind)))) == Wait(1_045)


def test_a_wrong_base_is_abstained_from_as_long_as_it_can_be_undone() -> None:
    sure = replace(ME, model=NO_ROOT, merges={MADE_BY: OTHER})
    assert does(VIEW, sure) == []
    assert does(replace(VIEW, time=1_045), sure) == [Abstain(5)]
    settled = replace(VIEW, time=1_045, base_settled=True)
    assert does(settled, sure) == []
    assert "not the merge of what was included, and settled" in next_action(settled, sure).reason  # type: ignore[union-attr]


def test_what_was_withheld_and_is_settled_is_not_built_on() -> None:
    denied, view = replace(ME, merges={}), replace(VIEW, time=1_045, base_settled=True)
    assert does(view, denied) == [Check(4, MADE_BY), Train(5, MADE, commits=False)]
    action = next_action(view, replace(denied, stuck=frozenset(does(view, denied))))
    assert isinstance(action, Wait)
    assert "withheld: not built on here" in action.reason


def test_who_abstained_votes_and_attests() -> None:
    blind = replace(ME, merges={}, stuck=frozenset({Check(4, MADE_BY)}))
    assert Judge(5, MADE, 0b1111) in does(at(Phase.VOTE), blind)
    assert Merge(5, INCLUDED) in does(at(Phase.ATTEST), blind)


def test_at_the_end_a_wrong_model_is_not_adopted_and_finishes_with_the_reason() -> None:
    sure = replace(ME, model=NO_ROOT, merges={MADE_BY: OTHER})
    assert isinstance(next_action(at(Phase.DONE), sure), Wait), "it may be undone yet"
    done = next_action(at(Phase.DONE, base_settled=True), sure)
    assert isinstance(done, Finish)
    assert "not the merge" in done.reason


# -- late attestations -----------------------------------------------------------------------------------------------


def test_a_round_that_is_final_is_attested_until_its_deadline() -> None:
    view = replace(VIEW, previous=CLOSED)
    assert does(view) == [Merge(4, MADE_BY), Train(5, MADE)], "and whatever else is due, if that has to wait"
    assert does(replace(view, time=1_050)) == [Train(5, MADE)]
    assert does(view, replace(ME, address=MEMBERS[1])) == [Train(5, MADE)]
    flying = replace(ME, in_flight=frozenset({(Verb.ATTEST, 4)}))
    assert does(view, flying) == [Train(5, MADE)]
    for closed in (replace(CLOSED, status=Status.VOID), replace(CLOSED, roster=0b1110)):
        assert does(replace(view, previous=closed)) == [Train(5, MADE)]


def test_so_is_every_earlier_round_that_still_takes_it() -> None:
    earlier = replace(CLOSED, round=3, context=bytes(31) + b"\3")
    late = replace(ME, late=(earlier,))
    view = replace(VIEW, previous=replace(CLOSED, attested=0b1111))
    assert does(view, late) == [Merge(3, earlier.context), Train(5, MADE)]
    assert does(replace(VIEW, previous=CLOSED), late)[:2] == [Merge(3, earlier.context), Merge(4, MADE_BY)]
    assert does(replace(view, time=1_050), late) == [Train(5, MADE)]
    assert isinstance(next_action(at(Phase.DONE, previous=None), replace(late, model=MADE)), Merge)
    stuck = replace(late, stuck=frozenset({Merge(3, earlier.context)}))
    assert next_action(at(Phase.DONE, previous=None), stuck) == Wait(1_050)


def test_where_all_seats_are_taken_one_that_is_not_needed_is_freed() -> None:
    spare = replace(ME, spare=9)
    stranger = replace(spare, address="0x" + "77" * 20)
    view = at(Phase.FORMING, previous=None)
    assert does(view, stranger) == [FreeSeat(9)]
    assert does(view, replace(stranger, spare=None)) == [Enter()]
    whose = [member for member in MEMBERS if does(view, replace(spare, address=member)) == [FreeSeat(9)]]
    assert len(whose) == 1, "of the members, the one whose turn it is"


def test_checking_waits_for_the_late_merge_which_is_the_same() -> None:
    view, blind = replace(VIEW, previous=CLOSED), replace(ME, merges={})
    assert does(view, blind) == [Merge(4, MADE_BY), Train(5, MADE, commits=False)]


@pytest.mark.parametrize("phase", [Phase.VOTE, Phase.ATTEST, Phase.FORMING, Phase.WAITING, Phase.DONE])
def test_a_late_attestation_is_due_in_every_phase(phase: Phase) -> None:
    assert does(at(phase, previous=CLOSED))[0] == Merge(4, MADE_BY)


def test_a_node_does_not_finish_while_it_can_still_attest() -> None:
    view = at(Phase.DONE, previous=CLOSED)
    waits = next_action(view, replace(ME, stuck=frozenset({Merge(4, MADE_BY)})))
    assert waits == Wait(1_050)
    assert next_action(replace(view, time=1_050), ME) == Finish()
