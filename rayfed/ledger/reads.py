"""What all handles on a federation have in common: their questions go to what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.court import Entry, Match, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import Outcome, Round, Terms, View

if TYPE_CHECKING:
    from rayfed.ledger import FederationState


class CourtReads:
    """The part of a ``Ledger`` that is read of the court.

    Args:
        state: what is asked.
    """

    def __init__(self, state: FederationState) -> None:
        self._state = state

    def tournament(self, round: int) -> Tournament | None:
        """See ``CourtState``."""
        return self._state.tournament(round)

    def entry(self, round: int, number: int) -> Entry | None:
        """See ``CourtState``."""
        return self._state.entry(round, number)

    def number_of(self, round: int, root: Root) -> int | None:
        """See ``CourtState``."""
        return self._state.number_of(round, root)

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]:
        """See ``CourtState``."""
        return self._state.survivor(round, level, block)

    def match(self, round: int, stage: int, block: int) -> Match | None:
        """See ``CourtState``."""
        return self._state.match(round, stage, block)

    def shown(self, point: Point) -> Shown:
        """See ``CourtState``."""
        return self._state.shown(point)

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int:
        """See ``CourtState``."""
        return self._state.owed(round, stage, block, mover)

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        """See ``CourtState``."""
        return self._state.merge_evidence(round)


class SharedReads(CourtReads):
    """The half of a ``Ledger`` that is read."""

    def terms(self) -> Terms:
        """See ``FederationState``."""
        return self._state.terms()

    def view(self) -> View:
        """See ``FederationState``."""
        return self._state.view()

    def round_of(self, round: int) -> Round | None:
        """See ``FederationState``."""
        return self._state.round_of(round)

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``."""
        return self._state.outcome(round)

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return self._state.account(address)

    def books(self) -> Books:
        """See ``FederationState``."""
        return self._state.books()

    def cards(self) -> dict[Address, bytes]:
        """See ``FederationState``."""
        return self._state.cards()

    def wait(self, seen: View, timeout: float) -> None:
        """See ``FederationState``."""
        self._state.wait(seen, timeout)
