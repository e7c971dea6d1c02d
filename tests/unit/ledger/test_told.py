"""What follows from a federation's events."""

from __future__ import annotations

from typing import Any

import pytest

from rayfed.encoding.primitives import NO_ROOT
from rayfed.ledger.backend import Event
from rayfed.ledger.ethereum.told import Past
from rayfed.protocol.contexts import opening, resting
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Outcome, Phase, Status

MEMBERS = ("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x5FbDB2315678afecb367f032d93F642f64180aa3")
GENESIS, CHARTER = b"\x0a" * 32, b"\x0b" * 32
ROOTS = (b"\1" * 32, b"\2" * 32)


def tell(told: Past, name: str, **values: Any) -> None:
    told.hear(Event(name, values, 1, 0, "0x"))


def play(told: Past, round: int, base_round: int, base: bytes, base_context: bytes, merged: bytes) -> MergeEvidence:
    """Tell of a final round of two members, one of whom posts for both."""
    start = opening(round, base_round, base, base_context, 3, MEMBERS)
    voting = resting(start, 3, ROOTS)
    included = resting(voting, 2, ROOTS[1:])
    for phase, context in ((1, start), (2, voting), (3, included)):
        if phase == 2:
            tell(told, "Committed", place=256 * round, root=ROOTS[0])
            tell(told, "Relayed", round=round, phase=1, members=2, values=ROOTS[1:], misses=())
        tell(told, "PhaseOpened", round=round, phase=phase, deadline=9, context=context)
    tell(told, "Attested", place=256 * round, root=merged)
    tell(told, "RoundClosed", round=round, root=merged, included=2, attesters=1)
    return MergeEvidence(round, 2, ROOTS[1:], voting, included, base_round, base)


@pytest.fixture
def told() -> Past:
    told = Past()
    for index, member in enumerate(MEMBERS):
        tell(told, "Joined", member=member.lower(), index=index)
    return told


def test_a_rounds_merge_and_what_it_rests_on(told: Past) -> None:
    expected = play(told, 1, 0, GENESIS, CHARTER, b"\3" * 32)
    assert told.evidence(1, 2, GENESIS) == expected
    assert told.evidence(1, 3, GENESIS) is None  # other updates do not make this context
    assert told.evidence(2, 2, GENESIS) is None
    again = play(told, 2, 1, b"\3" * 32, expected.context, b"\4" * 32)
    assert told.evidence(2, 2, GENESIS) == again


def test_a_later_round_rests_on_what_stands(told: Past) -> None:
    first = play(told, 1, 0, GENESIS, CHARTER, b"\3" * 32)
    play(told, 2, 1, b"\3" * 32, first.context, b"\4" * 32)
    play(told, 3, 2, b"\4" * 32, b"", b"\5" * 32)
    tell(told, "Undone", round=2, last=3)
    again = play(told, 4, 1, b"\3" * 32, first.context, b"\6" * 32)
    assert told.evidence(4, 2, GENESIS) == again
    assert [told.outcome(n) for n in (2, 3)] == [
        Outcome(2, Status.VOID, NO_ROOT, 2, 0),
        Outcome(3, Status.OVER, NO_ROOT, 2, 0),
    ]


def test_an_outcome_counts_who_attests_late(told: Past) -> None:
    assert told.outcome(1) is None
    play(told, 1, 0, GENESIS, CHARTER, b"\3" * 32)
    tell(told, "Relayed", round=1, phase=3, members=2, values=(b"\3" * 32,), misses=())
    assert told.outcome(1) == Outcome(1, Status.FINAL, b"\3" * 32, 2, 3)
    tell(told, "Settled", round=1, share=0, earners=3, right=0, rightful=0)
    assert told.outcome(1) == Outcome(1, Status.SETTLED, b"\3" * 32, 2, 3)


def test_a_void_round_can_be_judged_if_somebody_attested(told: Past) -> None:
    tell(told, "PhaseOpened", round=1, phase=1, deadline=9, context=CHARTER)
    tell(told, "RoundClosed", round=1, root=NO_ROOT, included=0, attesters=0)
    assert told.outcome(1) == Outcome(1, Status.OVER, NO_ROOT, 0, 0)
    tell(told, "PhaseOpened", round=2, phase=1, deadline=9, context=CHARTER)
    tell(told, "Attested", place=512, root=ROOTS[0])
    tell(told, "RoundClosed", round=2, root=NO_ROOT, included=3, attesters=0)
    assert told.outcome(2) == Outcome(2, Status.VOID, NO_ROOT, 3, 0)
    tell(told, "Settled", round=2, share=0, earners=0, right=5, rightful=1)
    assert told.outcome(2) == Outcome(2, Status.OVER, NO_ROOT, 3, 0)


def test_money_lies_under_the_address_that_had_the_seat(told: Past) -> None:
    tell(told, "Settled", round=1, share=5, earners=3, right=2, rightful=2)
    tell(told, "Slashed", member=MEMBERS[0].lower(), round=2, stake=7, bond=1)
    tell(told, "Joined", member="0x" + "11" * 20, index=0)
    tell(told, "Settled", round=3, share=10, earners=1, right=0, rightful=0)
    assert told.earned == {MEMBERS[0]: 5, MEMBERS[1]: 7, "0x" + "11" * 20: 10}
    assert told.slashed == {MEMBERS[0]: 7}


def test_the_latest_card_counts(told: Past) -> None:
    tell(told, "Announced", member=MEMBERS[0].lower(), sequence=1, card=b"one")
    tell(told, "Announced", member=MEMBERS[0].lower(), sequence=2, card=b"two")
    assert told.cards == {MEMBERS[0]: b"two"}


def test_a_phase_of_no_round_has_no_context(told: Past) -> None:
    tell(told, "PhaseOpened", round=0, phase=int(Phase.FORMING), deadline=9, context=bytes(32))
    assert told.rounds == {}
