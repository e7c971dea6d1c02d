"""Which cases the court in memory has, and how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import Rejected
from tests.first_edition import merkle
from tests.first_edition.judgement import Case, Kind, Record, State
from tests.first_edition.messages import Status
from tests.first_edition.treasury import Treasury

VALUES = merkle.LEAF // 4
"""Values in a leaf."""


class Docket(Treasury):
    """The cases of a court, opened for a bond."""

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""
        return tuple(case for case in self.cases.values() if case.state is State.OPEN)

    @property
    def _leaves(self) -> int:
        return 1 + -(-self.chain.terms.values // VALUES)

    def _check_case(self, round: int, leaf: int, roots: Sequence[Root], value: int | None) -> None:
        """Check that a case on this leaf of this round can be opened, for the bond."""
        record = self.chain.record(round)
        if record is None or record.status is not Status.FINAL:
            raise Rejected("NotFinal")
        if self.chain.clock.now > record.open_until + self.chain.terms.challenge_seconds:
            raise Rejected("WindowClosed")
        if leaf >= self._leaves:
            raise Rejected("NoSuchLeaf")
        self._check_roots(round, roots)
        self._take(self.chain.terms.bond, value)

    def _check_roots(self, round: int, roots: Sequence[Root]) -> Record:
        record = self._closed(round)
        if list(roots) != self.chain.included_roots(round):
            raise Rejected("WrongRoots")
        return record

    def _open(self, kind: Kind, round: int, challenger: Address, **said: Any) -> Case:
        id, deadline = len(self.cases) + 1, self.chain.clock.now + self.chain.terms.proof_seconds
        self.cases[id] = Case(id, kind, State.OPEN, round, challenger, deadline, **said)
        return self.cases[id]

    def _case(self, id: int, kind: Kind) -> Case:
        case = self.cases.get(id)
        if case is None:
            raise Rejected("NoSuchCase")
        if case.kind is not kind:
            raise Rejected("WrongKind")
        if case.state is not State.OPEN:
            raise Rejected("NotOpen")
        record = self._closed(case.round)
        if record.undone:
            raise Rejected("AlreadyUndone")
        return case

    def _in_time(self, case: Case) -> None:
        if self.chain.clock.now > case.deadline:
            raise Rejected("TooLate")

    def _over(self, case: Case) -> None:
        if self.chain.clock.now <= case.deadline:
            raise Rejected("TooEarly")

    def _all_proven(self, case: Case) -> bool:
        return case.merged_proven and case.proven.bit_count() == case.inputs

    def _end(self, case: Case, state: State) -> None:
        self.cases[case.id] = replace(case, state=state)
