"""The phases of a federation as data: the honest policy, the relay and the documents follow this table.

The contract is the same machine in Solidity (``contracts/src/Phases.sol``). A step is taken by
``commands.Advance`` alone, which anybody may send once it is due; no statement takes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from rayfed.protocol.messages import Phase, Status, Verb


class Early(Enum):
    """What makes the step out of a phase due before the phase's deadline."""

    GATHERED = "start_members are active"
    ALL = "everybody on the roster has spoken"
    QUORUM = "one root has the quorum"
    ROOM = "the next round's slot is free, and fewer than max_unsettled rounds are unsettled"


class Need(Enum):
    """What there has to be when the step is taken, for the federation to go on."""

    MEMBERS = "min_members are active"
    COMMITTED = "min_members updates are committed"
    INCLUDED = "min_members updates are included"
    QUORUM = "one root has the quorum"
    ROOM = "there is room for a round"


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One row of the phase table.

    Attributes:
        verb: what a member of the roster says in this phase; None where there is nothing to say.
        seconds: name of the term that says how long it lasts; empty: until its step is due otherwise.
        ends: what makes the step due before the deadline.
        need: what there has to be then; None: there is no step.
        then: where that leads: to a phase, or to the round's close.
        otherwise: how the round closes if it is not there; None: the phase goes on until it is.
    """

    verb: Verb | None = None
    seconds: str = ""
    ends: tuple[Early, ...] = ()
    need: Need | None = None
    then: Phase | Status | None = None
    otherwise: Status | None = None

    @property
    def due(self) -> str:
        """When the step is due, in words; empty: never."""
        reasons = [early.value for early in self.ends]
        return " or ".join([*reasons, "the deadline has passed"] if self.seconds else reasons)

    @property
    def step(self) -> str:
        """What the step does, in words; empty where there is none."""
        if self.need is None or self.then is None:
            return ""
        otherwise = f"otherwise {self.otherwise.name}" if self.otherwise is not None else "otherwise it goes on"
        return f"{self.then.name} if {self.need.value}, {otherwise}"


PhaseTable = Mapping[Phase, PhaseRow]

PHASES: PhaseTable = {
    Phase.FORMING: PhaseRow(
        seconds="join_seconds",
        ends=(Early.GATHERED,),
        need=Need.MEMBERS,
        then=Phase.COMMIT,
    ),
    Phase.COMMIT: PhaseRow(
        verb=Verb.COMMIT,
        seconds="commit_seconds",
        ends=(Early.ALL,),
        need=Need.COMMITTED,
        then=Phase.VOTE,
        otherwise=Status.VOID,
    ),
    Phase.VOTE: PhaseRow(
        verb=Verb.VOTE,
        seconds="vote_seconds",
        ends=(Early.ALL,),
        need=Need.INCLUDED,
        then=Phase.ATTEST,
        otherwise=Status.VOID,
    ),
    Phase.ATTEST: PhaseRow(
        verb=Verb.ATTEST,
        seconds="attest_seconds",
        ends=(Early.QUORUM, Early.ALL),
        need=Need.QUORUM,
        then=Status.FINAL,
        otherwise=Status.VOID,
    ),
    Phase.WAITING: PhaseRow(ends=(Early.ROOM,), need=Need.ROOM, then=Phase.COMMIT),
    Phase.DONE: PhaseRow(),
}
"""The whole protocol in one table. A closed round leads to DONE if a limit is reached, to FORMING if fewer than
``min_members`` are active, to WAITING if there is no room, else to the next round's COMMIT; so does the end of WAITING,
and FORMING leads to DONE once ``limit_seconds`` are over."""


def spoken_in(table: PhaseTable) -> dict[Verb, Phase]:
    """Return what can be signed for others to post, and in which phase it is said."""
    return {row.verb: phase for phase, row in table.items() if row.verb is not None}


SPOKEN_IN = spoken_in(PHASES)


def quorum(roster: int) -> int:
    """Return how many must attest one root: more than two thirds of a roster of so many."""
    return 2 * roster // 3 + 1
