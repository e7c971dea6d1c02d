"""What a round has included, who has it, and the own merges of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rayfed.errors import LedgerError
from rayfed.node.included import IncludedReader
from rayfed.node.merges import KEPT, OwnMerges
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Phase
from tests.unit.protocol.test_policy import GENESIS, INCLUDED, MADE, MADE_BY, MEMBERS, ROOTS, at

EVIDENCE = MergeEvidence(4, 0b1011, (ROOTS[0], ROOTS[1], ROOTS[3]), b"v" * 32, MADE_BY, 3, GENESIS)


class Told:
    """A ledger that is asked for one thing."""

    def __init__(self, evidence: MergeEvidence | None) -> None:
        self.evidence = evidence
        self.asked = 0

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        self.asked += 1
        if self.evidence is None:
            raise LedgerError("the node has forgotten it")
        return self.evidence


def reader(evidence: MergeEvidence | None = EVIDENCE, me: int = 0) -> tuple[IncludedReader, Told]:
    told: Any = Told(evidence)
    return IncludedReader(told, MEMBERS[me]), told


def test_in_the_open_round_who_votes_and_does_not_miss_it_has_it() -> None:
    view = at(Phase.ATTEST, included=0b1010, voted=0b0111, misses=(0b1000, 0, 0b0010, 0))
    found = reader()[0].read(5, INCLUDED, view)
    assert found is not None
    assert (found.base, found.roots) == (MADE, (ROOTS[1], ROOTS[3]))
    assert found.holders == {
        ROOTS[1]: [MEMBERS[1]],  # its author; 0 is who asks, 2 misses it, 3 has not voted
        ROOTS[3]: [MEMBERS[3], MEMBERS[1], MEMBERS[2]],
    }


def test_two_members_that_committed_to_one_root_are_both_asked() -> None:
    roots = (ROOTS[0], ROOTS[1], ROOTS[1], ROOTS[3])
    view = at(Phase.ATTEST, included=0b0110, voted=0, roots=roots)
    found = reader()[0].read(5, INCLUDED, view)
    assert found is not None
    assert found.roots == (ROOTS[1], ROOTS[1])
    assert found.holders == {ROOTS[1]: [MEMBERS[1], MEMBERS[2]]}


def test_of_a_closed_round_the_ledger_tells_once_and_anybody_may_have_it() -> None:
    asks, told = reader(me=1)
    view = at(Phase.COMMIT, members=(*MEMBERS[:3], "", MEMBERS[3]))
    for _ in range(3):
        found = asks.read(4, MADE_BY, view)
        assert found is not None
        assert (found.base, found.roots) == (GENESIS, EVIDENCE.roots)
        assert list(found.holders[ROOTS[0]]) == [MEMBERS[0], MEMBERS[2], MEMBERS[3]]
    assert told.asked == 1


def test_what_the_ledger_tells_of_another_branch_or_not_any_more_is_nothing() -> None:
    assert reader(replace(EVIDENCE, context=b"x" * 32))[0].read(4, MADE_BY, at(Phase.COMMIT)) is None
    assert reader(None)[0].read(4, MADE_BY, at(Phase.COMMIT)) is None


def test_own_merges_are_kept_by_what_they_rest_on() -> None:
    merges = OwnMerges()
    for number in range(KEPT + 3):
        merges.note(bytes([number]) * 32, bytes([number + 1]) * 32)
    assert len(merges) == KEPT
    assert bytes(32) not in merges, "the oldest go"
    assert merges[bytes([5]) * 32] == bytes([6]) * 32
    merges.note(bytes([5]) * 32, MADE)
    assert list(merges)[-1] == bytes([5]) * 32
