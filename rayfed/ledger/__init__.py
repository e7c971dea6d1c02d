"""The ledger: the only thing besides the store that parties share. Ethereum's door is in this package alone."""

from __future__ import annotations

from typing import Protocol

from rayfed.messages import Address, Outcome, Receipt, Root, Terms, View


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
        """Become a member, or come back after having been dropped."""

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

    def receipts(self) -> list[Receipt]:
        """Return, once each, the transactions that were mined (or given up) since the last call. Does not block."""

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase differs from ``seen``, its deadline has passed, or ``timeout`` seconds are over."""

    def close(self) -> None:
        """Let go of the connection."""
