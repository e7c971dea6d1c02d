"""The phases of a round as data: the honest policy, the ledger in memory and the documents' drawings follow this table.

The contract is the same machine in Solidity; a test holds the ledger in memory against it on random histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tests.first_edition.messages import Phase, Status, Verb


class Early(Enum):
    """When a phase ends before its deadline."""

    GATHERED = "as soon as start_members have joined"
    ALL = "as soon as every member of the roster has spoken"
    QUORUM = "as soon as one root has the quorum"
    NEVER = "never"


class Need(Enum):
    """What there has to be when a phase ends, for the federation to go on."""

    MEMBERS = "min_members have joined"
    SPEAKERS = "min_members have spoken"
    INCLUDED = "an update is included"
    QUORUM = "one root has the quorum"


class Tally(Enum):
    """Which updates are included when a phase ends."""

    MAJORITY = "those that more than half of the roster accept"
    COMMITTED = "all that were committed"


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One row of the phase table.

    Attributes:
        verb: what a member of the roster says in this phase; None where there is nothing to say.
        done: name of the bitmap in ``View`` of those who have said it.
        seconds: name of the term that says how long it lasts; empty: for ever.
        ends: when it ends before its deadline.
        tally: which updates are included when it ends; None: that is decided in another phase.
        need: what there has to be when it ends; None: it does not end.
        then: where that leads: to a phase of the same round, or to the round's close.
        otherwise: how the round closes if it is not there; None: the phase goes on until it is.
    """

    verb: Verb | None
    done: str
    seconds: str = ""
    ends: Early = Early.NEVER
    tally: Tally | None = None
    need: Need | None = None
    then: Phase | Status | None = None
    otherwise: Status | None = None

    @property
    def early(self) -> str:
        """When it ends before its deadline, in words."""
        close = f": {self.then.name}" if isinstance(self.then, Status) else ""
        return _EARLY[self.ends].format(done=self.done) + close

    @property
    def late(self) -> str:
        """What its deadline does, in words."""
        return "" if self.need is None else _LATE[self.need].format(otherwise=self.otherwise and self.otherwise.name)


_EARLY = {
    Early.GATHERED: "start_members have joined",
    Early.ALL: "every node of the roster {done}",
    Early.QUORUM: "one root has the quorum",
    Early.NEVER: "",
}
_LATE = {
    Need.MEMBERS: "round 1 opens as soon as min_members have joined",
    Need.SPEAKERS: "goes on with those that did; fewer than min_members: {otherwise}",
    Need.INCLUDED: "goes on with the ballots that are there; nothing accepted: {otherwise}",
    Need.QUORUM: "{otherwise}: the base stays, the next round opens",
}

PhaseTable = Mapping[Phase, PhaseRow]

PHASES: PhaseTable = {
    Phase.FORMING: PhaseRow(
        verb=None,
        done="active",
        seconds="join_seconds",
        ends=Early.GATHERED,
        need=Need.MEMBERS,
        then=Phase.COMMIT,
    ),
    Phase.COMMIT: PhaseRow(
        verb=Verb.COMMIT,
        done="committed",
        seconds="commit_seconds",
        ends=Early.ALL,
        need=Need.SPEAKERS,
        then=Phase.VOTE,
        otherwise=Status.VOID,
    ),
    Phase.VOTE: PhaseRow(
        verb=Verb.VOTE,
        done="voted",
        seconds="vote_seconds",
        ends=Early.ALL,
        tally=Tally.MAJORITY,
        need=Need.INCLUDED,
        then=Phase.ATTEST,
        otherwise=Status.VOID,
    ),
    Phase.ATTEST: PhaseRow(
        verb=Verb.ATTEST,
        done="attested",
        seconds="attest_seconds",
        ends=Early.QUORUM,
        need=Need.QUORUM,
        then=Status.FINAL,
        otherwise=Status.VOID,
    ),
    Phase.DONE: PhaseRow(verb=None, done="active"),
}
"""The whole protocol in one table."""


def spoken_in(table: PhaseTable) -> dict[Verb, Phase]:
    """Return what can be signed for others to post, and in which phase it is said."""
    return {row.verb: phase for phase, row in table.items() if row.verb is not None}


SPOKEN_IN = spoken_in(PHASES)
