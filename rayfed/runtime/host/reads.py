"""What the watchtowers of one process read of the ledger in one look: once, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from rayfed.encoding.primitives import Address, Root
from rayfed.ledger import FederationState, Ledger
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.court import Entry, Match, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import Outcome, Receipt, Round, Signed

T = TypeVar("T")


class OneLook(SharedReads):
    """Remembers what was read until ``forget``; one thread at a time.

    Args:
        state: what is asked.
    """

    def __init__(self, state: FederationState) -> None:
        super().__init__(state)
        self._known: dict[Hashable, Any] = {}

    def forget(self) -> None:
        """Read everything anew from now on."""
        self._known.clear()

    def round_of(self, round: int) -> Round | None:
        """See ``FederationState``."""
        return self._once(("round", round), lambda: self._state.round_of(round))

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``."""
        return self._once(("outcome", round), lambda: self._state.outcome(round))

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return self._once(("account", address), lambda: self._state.account(address))

    def books(self) -> Books:
        """See ``FederationState``."""
        return self._once("books", self._state.books)

    def tournament(self, round: int) -> Tournament | None:
        """See ``CourtState``."""
        return self._once(("tournament", round), lambda: self._state.tournament(round))

    def entry(self, round: int, number: int) -> Entry | None:
        """See ``CourtState``."""
        return self._once(("entry", round, number), lambda: self._state.entry(round, number))

    def number_of(self, round: int, root: Root) -> int | None:
        """See ``CourtState``."""
        return self._once(("number", round, root), lambda: self._state.number_of(round, root))

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]:
        """See ``CourtState``."""
        return self._once(("survivor", round, level, block), lambda: self._state.survivor(round, level, block))

    def match(self, round: int, stage: int, block: int) -> Match | None:
        """See ``CourtState``."""
        return self._once(("match", round, stage, block), lambda: self._state.match(round, stage, block))

    def shown(self, point: Point) -> Shown:
        """See ``CourtState``."""
        return self._once(("shown", point), lambda: self._state.shown(point))

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int:
        """See ``CourtState``."""
        return self._once(("owed", round, stage, block, mover), lambda: self._state.owed(round, stage, block, mover))

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        """See ``CourtState``."""
        return self._once(("evidence", round), lambda: self._state.merge_evidence(round))

    def _once(self, key: Hashable, read: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = read()
        found: T = self._known[key]
        return found


class WatchLedger(SharedReads):
    """A handle that reads what others read, too, and says everything itself. Follows ``Ledger``.

    Args:
        look: shared with the other watchtowers of the process.
        own: the account's handle, which nobody else uses.
    """

    def __init__(self, look: OneLook, own: Ledger) -> None:
        super().__init__(look)
        self._all = look
        self._own = own

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return self._own.address

    @property
    def is_sending(self) -> bool:
        """See ``Ledger``."""
        return self._own.is_sending

    def submit(self, command: Command) -> None:
        """See ``Ledger``; what was read before may not be so any more."""
        self._all.forget()
        self._own.submit(command)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        return self._own.receipts()

    def sign(self, statement: Statement) -> Signed:
        """See ``Ledger``."""
        return self._own.sign(statement)

    def handle(self) -> Ledger:
        """See ``Ledger``."""
        return self._own.handle()

    def close(self) -> None:
        """See ``Ledger``."""
        self._own.close()
