"""A node's door to a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from rayfed.errors import Rejected
from rayfed.ledger.memory import MemoryChain
from rayfed.messages import Address, Outcome, Receipt, Root, Terms, Verb, View


class MemoryLedger:
    """One account's door to a ``MemoryChain``; follows the ``rayfed.ledger.Ledger`` protocol."""

    def __init__(self, chain: MemoryChain, address: Address) -> None:
        self.chain = chain
        self._address = address
        self._receipts: list[Receipt] = []

    @property
    def address(self) -> Address:
        """The account that this door signs for."""
        return self._address

    def terms(self) -> Terms:
        """Return the federation's terms."""
        return self.chain.terms

    def view(self) -> View:
        """Return the federation as of now."""
        return self.chain.view()

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round."""
        return self.chain.outcome(round)

    def join(self, charter: bytes) -> None:
        """See ``Ledger``."""
        self._send(Verb.JOIN, 0, lambda: self.chain.join(self._address, charter))

    def leave(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.LEAVE, 0, lambda: self.chain.leave(self._address))

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.COMMIT, round, lambda: self.chain.commit(self._address, round, root))

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._send(Verb.VOTE, round, lambda: self.chain.vote(self._address, round, ballot))

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._send(Verb.ATTEST, round, lambda: self.chain.attest(self._address, round, root))

    def _send(self, verb: Verb, round: int, call: Callable[[], None]) -> None:
        error = None
        try:
            call()
        except Rejected as rejected:
            error = rejected.name
        number = len(self.chain.log)
        tx_hash = "0x" + sha256(f"{self._address}{verb}{round}{number}".encode()).hexdigest()
        self._receipts.append(Receipt(verb, round, tx_hash, 0, number, error))

    def poke(self) -> None:
        """See ``Ledger``."""
        self._send(Verb.POKE, 0, self.chain.poke)

    def receipts(self) -> list[Receipt]:
        """Return, once each, what became of the transactions."""
        done, self._receipts = self._receipts, []
        return done

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world, time passes only when the test says so."""

    def close(self) -> None:
        """Nothing to let go of."""
