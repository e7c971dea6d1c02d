"""What all handles on a federation have in common: their questions go to what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.judgement import Account, Books, Case, Record
from rayfed.protocol.messages import Outcome, Terms, View

if TYPE_CHECKING:
    from rayfed.ledger import FederationState


class SharedReads:
    """The half of a ``Ledger`` that is read.

    Args:
        state: what is asked.
    """

    def __init__(self, state: FederationState) -> None:
        self._state = state

    def terms(self) -> Terms:
        """See ``FederationState``."""
        return self._state.terms()

    def view(self) -> View:
        """See ``FederationState``."""
        return self._state.view()

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``."""
        return self._state.outcome(round)

    def record(self, round: int) -> Record | None:
        """See ``FederationState``."""
        return self._state.record(round)

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """See ``FederationState``."""
        return self._state.included_roots(round)

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return self._state.account(address)

    def books(self) -> Books:
        """See ``FederationState``."""
        return self._state.books()

    def case(self, id: int) -> Case | None:
        """See ``FederationState``."""
        return self._state.case(id)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``FederationState``."""
        return self._state.open_cases()

    def wait(self, seen: View, timeout: float) -> None:
        """See ``FederationState``."""
        self._state.wait(seen, timeout)
