"""One account's handle on a ledger in memory."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.ledger.memory.relays import signed
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.commands import Command, Deposit, DepositBonds, Join, Statement
from rayfed.protocol.messages import Receipt, Signed

if TYPE_CHECKING:
    from rayfed.ledger.relay import RelayPool


class MemoryLedger(SharedReads):
    """One account's handle on a ``MemoryChain``; follows the ``rayfed.ledger.Ledger`` protocol.

    Args:
        chain: the federation.
        address: the account.
        proof: that the allow-list names it.
        pool: posts its statements together with others'; None: they are posted like all else.
    """

    def __init__(
        self, chain: MemoryChain, address: Address, proof: Sequence[bytes] = (), pool: RelayPool | None = None
    ) -> None:
        super().__init__(chain)
        self.chain = chain
        self._address = address
        self._proof = proof
        self._pool = pool
        self._receipts: list[Receipt] = []

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return self._address

    @property
    def is_sending(self) -> bool:
        """See ``Ledger``: here everything is mined at once."""
        return False

    def submit(self, command: Command) -> None:
        """See ``Ledger``."""
        if self._pool is not None and isinstance(command, Statement) and not self._is_late(command):
            self._pool.offer(self.address, command, self.sign(command))
            return
        with self.chain.lock:
            if isinstance(command, Join):
                terms, account = self.chain.terms(), self.chain.account(self._address)
                if account.stake < terms.stake:
                    self._send(Deposit(self._address, terms.stake - account.stake))
                if account.bonds < terms.bonds:
                    self._send(DepositBonds(self._address, terms.bonds - account.bonds))
            self._send(command)

    def sign(self, statement: Statement) -> Signed:
        """See ``Ledger``."""
        return signed(self._address, statement)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        relayed = [] if self._pool is None else self._pool.receipts(self.address)
        with self.chain.lock:
            done, self._receipts = self._receipts, []
        return done + relayed

    def handle(self) -> MemoryLedger:
        """See ``Ledger``."""
        return MemoryLedger(self.chain, self._address, self._proof)

    def close(self) -> None:
        """Nothing to let go of."""

    def _is_late(self, command: Statement) -> bool:
        """Whether it is of a round before the last closed one: it shares its transaction with nobody's."""
        view = self.chain.view()
        return command.round < view.round - view.is_open

    def _send(self, command: Command) -> None:
        error = None
        try:
            self.chain.act(self._address, command, proof=self._proof)
        except Rejected as rejected:
            error = rejected.name
        verb, round, number = command.verb, command.round, len(self.chain.events)
        tx_hash = "0x" + sha256(f"{self._address}{verb}{round}{number}".encode()).hexdigest()
        self._receipts.append(Receipt(verb, round, tx_hash, 0, number, error, command))
