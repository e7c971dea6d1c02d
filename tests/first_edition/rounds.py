"""How a federation's rounds move on, in memory, and what is kept of them: the twin of the contract's ``Rounds``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Root
from tests.first_edition.court import MemoryCourt
from tests.first_edition.evidence import evidence_of
from tests.first_edition.judgement import Record
from tests.first_edition.machine import PhaseMachine
from tests.first_edition.messages import Outcome, Phase, Status
from tests.first_edition.storage import ManualClock, Said
from tests.first_edition.transactions import copied

__all__ = ["ManualClock", "MemoryRounds", "Said"]


@dataclass
class MemoryRounds(PhaseMachine):
    """What a federation's contract keeps, and its court. ``MemoryChain`` adds what members can say."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.court = MemoryCourt(self)

    # -- what the court may do ----------------------------------------------------------------------------------------

    def undo(self, round: int) -> None:
        """Roll back a final round and all after it; the one in progress closes void, and the next one opens."""
        self._advance(self.clock.now)
        self.base_round = self.bases[round]
        self.base = self.outcomes[self.base_round].root if self.base_round else self.terms.genesis
        last = self.round
        if self.phase is not Phase.DONE:
            self.outcomes[last] = Outcome(last, Status.VOID, NO_ROOT, self.included, 0, 0)
        for number in range(round, last + 1):
            before = self.outcomes[number]
            self.undone.setdefault(number, before)
            self.outcomes[number] = Outcome(number, Status.VOID, NO_ROOT, before.included, 0, 0)
        self._say(f"== rounds {round} to {last} are rolled back")
        self.emit("Undone", round=round, last=last, baseRound=self.base_round)
        if self.phase is Phase.DONE:
            return
        self.emit("RoundClosed", round=last, status=int(Status.VOID), root=NO_ROOT, included=self.included, attesters=0)
        if last == self.terms.rounds:
            self._enter(Phase.DONE, 0)
        else:
            self._open(self.clock.now)

    def unseat(self, members: int) -> None:
        """Take members off the next rosters. Whom a round that is due counts on was decided by its deadline."""
        self._advance(self.clock.now)
        members &= self.active
        if members:
            self.active &= ~members
            self._say(f"{self.names(members)} lose their seats")
            self.emit("Unseated", members=members)

    # -- what is kept -------------------------------------------------------------------------------------------------

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed; nobody has moved the phase on for this answer."""
        outcome = self.outcomes.get(round)
        if outcome is None:
            return None
        was, undone = self.undone.get(round, outcome), round in self.undone
        final = was.status is Status.FINAL
        return Record(
            status=outcome.status,
            undone=undone,
            base_round=self.bases[round] if final else 0,
            open_until=was.open_until,
            root=was.root,
            evidence=evidence_of(self.evidence[round]) if final else bytes(32),
            included=was.included,
            attesters=was.attesters,
            astray=self.astray[round] if final else 0,
            refused=self.refused.get(round, 0),
        )

    def included_roots(self, round: int) -> list[Root]:
        """Return the roots of a final round's included updates, by index."""
        return self.evidence[round]

    def saved(self) -> Any:
        """See ``transactions.Transacting``: this ledger's state and its court's."""
        return copied(self.__dict__), copied(self.court.__dict__)

    def restore(self, saved: Any) -> None:
        """See ``transactions.Transacting``."""
        mine, courts = saved
        self.__dict__.update(mine)
        self.court.__dict__.update(courts)
