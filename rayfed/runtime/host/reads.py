"""What the watchtowers of one process read of the ledger in one look: once, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from rayfed.encoding.primitives import Address, Root
from rayfed.ledger import FederationState, Ledger
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.judgement import Account, Books, Case, Record
from rayfed.protocol.messages import Receipt, Signed

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

    def record(self, round: int) -> Record | None:
        """See ``FederationState``."""
        return self._once(("record", round), lambda: self._state.record(round))

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """See ``FederationState``."""
        return self._once(("included", round), lambda: self._state.included_roots(round))

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return self._once(("account", address), lambda: self._state.account(address))

    def books(self) -> Books:
        """See ``FederationState``."""
        return self._once("books", self._state.books)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``FederationState``."""
        return self._once("cases", self._state.open_cases)

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
