"""The ledger: the only thing besides the store that parties share. Ethereum's door is in this package alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.judgement import Account, Books, Case, Proof, Record
from rayfed.protocol.messages import Outcome, Receipt, Signed, Terms, Verb, View


class Ledger(Protocol):
    """One account's door to one federation.

    The verbs return at once: they sign and send. What became of them comes out of ``receipts``. All methods raise
    ``LedgerUnreachable`` when nothing answers (after their own retries).
    """

    @property
    def address(self) -> Address:
        """The account that this door signs for."""

    def terms(self) -> Terms:
        """Return the federation's immutable terms."""

    def view(self) -> View:
        """Return the federation as of now (chain time)."""

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, or None if it has not closed."""

    def join(self, charter: bytes) -> None:
        """Become a member, or come back after having been dropped; what is missing of the stake is put down first."""

    def leave(self) -> None:
        """Announce that the next rounds are not to count on this node."""

    def commit(self, round: int, root: Root) -> None:
        """Commit to this node's update."""

    def vote(self, round: int, ballot: int) -> None:
        """Say which of the committed updates this node accepts."""

    def attest(self, round: int, root: Root) -> None:
        """State that the merge of the included updates has this root."""

    def poke(self) -> None:
        """Move the phase on if its deadline has passed: for when nobody has anything else to say."""

    def account(self, address: Address) -> Account:
        """Return what an address has in the court."""

    # -- what became of it ------------------------------------------------------------------------------------------

    def receipts(self) -> list[Receipt]:
        """Return, once each, the transactions that were mined (or given up) since the last call. Does not block."""

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase differs from ``seen``, its deadline has passed, or ``timeout`` seconds are over."""

    def close(self) -> None:
        """Let go of the connection."""


class FullLedger(Ledger, Protocol):
    """The same, with all else that an account can say: for others to post, of money, and to the court."""

    # -- signed for others to post ----------------------------------------------------------------------------------

    def sign(self, verb: Verb, round: int, value: bytes) -> Signed:
        """Sign a commit, a vote or an attestation for anybody to post; a ballot is given as 32 bytes."""

    def relay(self, verb: Verb, round: int, messages: Mapping[int, Signed], members: Sequence[Address]) -> None:
        """Post signed messages by their members' indices; ``members``: all by index, which makes it cheaper."""

    # -- money ------------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """Return where all the money is."""

    def deposit(self, member: Address, amount: int) -> None:
        """Put stake down for a member; this and all that costs money raises LedgerError where the account lacks it."""

    def fund(self, amount: int) -> None:
        """Add to the pool."""

    def exit(self) -> None:
        """Ask to have the stake back."""

    def withdraw(self, to: Address) -> None:
        """Have the stake paid out."""

    def settle(self, most: int = 64) -> None:
        """Settle the next rounds, at most so many."""

    def claim(self, to: Address, most: int = 1_000) -> None:
        """Have paid what was earned, in at most so many settled rounds, to any address."""

    # -- judgement --------------------------------------------------------------------------------------------------

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed."""

    def case(self, id: int) -> Case | None:
        """Return a case, or None if there is none of this number."""

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""

    def challenge(self, round: int, leaf: int, coordinate: int, roots: Sequence[Root]) -> None:
        """Say that a round's merge is wrong at a coordinate; the bond goes along."""

    def prove(self, id: int, roots: Sequence[Root], proofs: Sequence[Proof]) -> None:
        """Prove leaves of a challenge, some or all."""

    def conclude(self, id: int) -> None:
        """Have a challenge judged."""

    def expire(self, id: int) -> None:
        """End a challenge that was not proved in time."""

    def demand(self, round: int, which: int, leaf: int, roots: Sequence[Root]) -> None:
        """Demand to be shown a leaf; the bond goes along."""

    def answer(self, id: int, roots: Sequence[Root], data: bytes, path: Sequence[bytes]) -> None:
        """Show a demanded leaf."""

    def forfeit(self, id: int) -> None:
        """Have judged that a demanded leaf was not shown in time."""

    def close_case(self, id: int) -> None:
        """End a case whose round was undone by another one."""

    def equivocation(self, member: Address, verb: Verb, round: int, one: Signed, other: Signed) -> None:
        """Show two messages of one member that contradict each other."""
