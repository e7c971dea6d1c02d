"""One account's handle on a ledger in memory."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError, Rejected
from rayfed.ledger.memory.calls import carry_out, signed
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.commands import Command, Deposit, Join, Statement, value_of
from rayfed.protocol.judgement import Account, Books, Case, Record
from rayfed.protocol.messages import Outcome, Receipt, Signed, Terms, View


class MemoryLedger:
    """One account's handle on a ``MemoryChain``; follows the ``rayfed.ledger.Ledger`` protocol."""

    def __init__(self, chain: MemoryChain, address: Address, proof: Sequence[bytes] = ()) -> None:
        self.chain = chain
        self._address = address
        self._proof = proof
        self._receipts: list[Receipt] = []

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return self._address

    # -- what can be read -------------------------------------------------------------------------------------------

    def terms(self) -> Terms:
        """See ``Ledger``."""
        return self.chain.terms

    def view(self) -> View:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.view()

    def outcome(self, round: int) -> Outcome | None:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.outcome(round)

    def record(self, round: int) -> Record | None:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.record(round)

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """See ``Ledger``."""
        with self.chain.lock:
            if round not in self.chain.evidence:
                raise LedgerError(f"the chain knows of no merge in round {round}")
            return tuple(self.chain.included_roots(round))

    def account(self, address: Address) -> Account:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.court.account(address)

    def books(self) -> Books:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.court.books()

    def case(self, id: int) -> Case | None:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.court.cases.get(id)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``Ledger``."""
        with self.chain.lock:
            return self.chain.court.open_cases()

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world, time passes only when the test says so."""

    # -- what is said -----------------------------------------------------------------------------------------------

    @property
    def is_sending(self) -> bool:
        """See ``Ledger``: here everything is mined at once."""
        return False

    def submit(self, command: Command) -> None:
        """See ``Ledger``."""
        with self.chain.lock:
            if isinstance(command, Join):
                missing = self.chain.terms.stake - self.chain.court.account(self._address).stake
                if missing > 0:
                    self._send(Deposit(self._address, missing))
            self._send(command)

    def sign(self, statement: Statement) -> Signed:
        """See ``Ledger``."""
        return signed(self._address, value_of(statement))

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        with self.chain.lock:
            done, self._receipts = self._receipts, []
            return done

    def handle(self) -> MemoryLedger:
        """See ``Ledger``."""
        return MemoryLedger(self.chain, self._address, self._proof)

    def close(self) -> None:
        """Nothing to let go of."""

    def _send(self, command: Command) -> None:
        error = None
        try:
            carry_out(self.chain, self._address, command, self._proof)
        except Rejected as rejected:
            error = rejected.name
        verb, round, number = command.verb, command.round, len(self.chain.log)
        tx_hash = "0x" + sha256(f"{self._address}{verb}{round}{number}".encode()).hexdigest()
        self._receipts.append(Receipt(verb, round, tx_hash, 0, number, error, command))
