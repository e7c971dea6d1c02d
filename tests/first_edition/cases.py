"""What all cases of the court in memory have in common: how they are opened for a bond, and how they end."""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import Address
from rayfed.errors import Rejected
from tests.first_edition.docket import VALUES, Docket
from tests.first_edition.judgement import Case, Kind, Reason, State
from tests.first_edition.transactions import verb

__all__ = ["VALUES", "Cases"]


class Cases(Docket):
    """A court's docket; which cases there are, and what they prove, is ``MemoryCourt``'s."""

    @verb
    def close(self, id: int) -> None:
        """End a case whose round was undone by another one."""
        case = self.cases.get(id)
        if case is None:
            raise Rejected("NoSuchCase")
        if case.state is not State.OPEN:
            raise Rejected("NotOpen")
        record = self._closed(case.round)
        if not record.undone:
            raise Rejected("NotUndone")
        self._end(case, State.CLOSED)
        self._emit("Closed", id=id)
        self._credit(case.challenger, self.chain.terms.bond, id)

    # -- how cases go on; an auditor who has no proofs calls these --------------------------------------------------

    @verb
    def believe(self, id: int, proven: int, merged_proven: bool) -> None:
        """Take it from another ledger that these leaves of a challenge were proved."""
        case = self._case(id, Kind.CHALLENGE)
        self._in_time(case)
        if proven >> case.inputs or proven & case.proven != case.proven or (case.merged_proven and not merged_proven):
            raise Rejected("NoSuchInput")
        if (proven, merged_proven) == (case.proven, case.merged_proven):
            raise Rejected("AlreadyProven")
        self.cases[id] = replace(case, proven=proven, merged_proven=merged_proven)
        self._emit("Proved", id=id, proven=proven, mergedProven=merged_proven)

    def open_case(self, id: int, kind: Kind, proven: bool | None = None) -> Case:
        """Return a case that can end now.

        Args:
            proven: of a challenge: whether all is proved, or the time for that is over. None: a demand in time.

        Raises:
            Rejected: it cannot.
        """
        case = self._case(id, kind)
        if proven is None:
            self._in_time(case)
        elif proven != self._all_proven(case):
            raise Rejected("AllProven" if not proven else "NotProven")
        elif not proven:
            self._over(case)
        return case

    def uphold(self, case: Case, merged: bytes, expected: bytes) -> None:
        """The merge was wrong."""
        record = self._closed(case.round)
        self._end(case, State.UPHELD)
        self._emit("Upheld", id=case.id, merged=merged, expected=expected)
        self._undo(case, record.attesters, Reason.WRONG_MERGE)

    def fail(self, case: Case, expired: bool) -> None:
        """It was right, or was not shown to be wrong in time."""
        self._end(case, State.EXPIRED if expired else State.FAILED)
        self.pool += self.chain.terms.bond
        self._emit("Failed", id=case.id, expired=expired)

    def answered(self, case: Case, answerer: Address) -> None:
        """A demanded leaf was shown."""
        self._end(case, State.ANSWERED)
        self._emit("Answered", id=case.id, answerer=answerer)
        self._credit(answerer, self.chain.terms.bond, case.id)

    def _undo(self, case: Case, guilty: int, reason: Reason) -> None:
        """The challenger was right: the guilty lose stake and seat, it is paid, and the round is rolled back."""
        self._punish(guilty, reason, case.round, case.challenger, case.id)
        self._credit(case.challenger, self.chain.terms.bond, case.id)
        self.chain.undo(case.round)
