"""The ledger: the only thing besides the store that parties share. What chains are like is known here alone."""

from __future__ import annotations

from typing import Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.court import Entry, Match, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import Outcome, Receipt, Round, Signed, Terms, View


class CourtState(Protocol):
    """What anybody can read of the court. All methods raise ``LedgerUnreachable`` when nothing answers."""

    def tournament(self, round: int) -> Tournament | None:
        """Return a round's tournament, or None if fewer than two roots stand for it."""

    def entry(self, round: int, number: int) -> Entry | None:
        """Return an entry of a round that has a tournament, or None if there is none of this number."""

    def number_of(self, round: int, root: Root) -> int | None:
        """Return the number of the entry with this root, of a final or void round in its slot; None if it is none."""

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]:
        """Return who is left of a block's entries after so many stages: whether that is decided, and the entry.

        The block's entries are ``block * 2**level`` and following, ``2**level`` of them. (True, None): nobody is left.
        (False, None) too while the tournament has not begun.
        """

    def match(self, round: int, stage: int, block: int) -> Match | None:
        """Return a match in which somebody has moved, or None."""

    def shown(self, point: Point) -> Shown:
        """Return what has been shown of a point; nothing where nobody has."""

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int:
        """Return what ``Reimburse`` would credit now for moves in a match."""

    def merge_evidence(self, round: int) -> MergeEvidence | None:
        """Return what the merge of a round rests on that has come to ATTEST; None if it has not, or if an undoing has
        cut it short.

        Raises:
            LedgerError: the ledger's node has forgotten what was said in the round.
        """


class FederationState(CourtState, Protocol):
    """What anybody can read of a federation. All methods raise ``LedgerUnreachable`` when nothing answers."""

    def terms(self) -> Terms:
        """Return the federation's immutable terms."""

    def view(self) -> View:
        """Return the federation as it stands now (chain time)."""

    def round_of(self, round: int) -> Round | None:
        """Return a round as long as its slot holds it: the one opened last, and at most fifteen before it."""

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, however long ago, or None if it has not closed."""

    def account(self, address: Address) -> Account:
        """Return what an address has in the federation."""

    def books(self) -> Books:
        """Return the pool, and what is burned."""

    def cards(self) -> dict[Address, bytes]:
        """Return the latest card of each member that has announced one."""

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase, or whether a step is due, differs from ``seen``, the phase's deadline has passed, or
        ``timeout`` seconds are over."""


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
