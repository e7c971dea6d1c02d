"""The ledger: the only thing besides the store that parties share. What chains are like is known here alone."""

from __future__ import annotations

from typing import Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.judgement import Account, Books, Case, Record
from rayfed.protocol.messages import Outcome, Receipt, Signed, Terms, View


class FederationState(Protocol):
    """What anybody can read of a federation. All methods raise ``LedgerUnreachable`` when nothing answers."""

    def terms(self) -> Terms:
        """Return the federation's immutable terms."""

    def view(self) -> View:
        """Return the federation as of now (chain time)."""

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, or None if it has not closed."""

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed."""

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """Return the roots of a final round's included updates, in the order of their members' indices.

        Raises:
            LedgerError: the round is not final and never was, or the ledger's node has forgotten them.
        """

    def account(self, address: Address) -> Account:
        """Return what an address has in the court."""

    def books(self) -> Books:
        """Return where all the money is, and how far it is settled."""

    def case(self, id: int) -> Case | None:
        """Return a case, or None if there is none of this number."""

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase differs from ``seen``, its deadline has passed, or ``timeout`` seconds are over."""


class Ledger(FederationState, Protocol):
    """One account's handle on one federation: what can be read, and what the account says. Safe to use from any thread.

    Several handles of one account share its transactions' order, and nothing else: each gets the receipts of what was
    submitted through it, so that each of a host's threads can have one.
    """

    @property
    def address(self) -> Address:
        """The account that this handle signs for."""

    @property
    def is_sending(self) -> bool:
        """Whether something submitted here may be on its way: its receipt has not been given out."""

    def submit(self, command: Command) -> None:
        """Sign and send a command, and return at once; ``receipts`` tells what became of it.

        Raises:
            LedgerError: it cannot be sent: the account lacks what it costs, say.
            LedgerUnreachable: nothing answers.
        """

    def receipts(self) -> list[Receipt]:
        """Return, once each, what was mined (or given up) since the last call. Does not wait for anything to be."""

    def sign(self, statement: Statement) -> Signed:
        """Sign a statement for anybody to post (``commands.Relay``)."""

    def handle(self) -> Ledger:
        """Return another handle of the same account, which posts all that is submitted there by itself."""

    def close(self) -> None:
        """Let go of the connection."""
