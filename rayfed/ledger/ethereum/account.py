"""One account's handle on a federation on Ethereum."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi, eip712
from rayfed.ledger.ethereum.calls import contract_call
from rayfed.ledger.ethereum.sender import Sender
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.commands import Command, Deposit, DepositBonds, Join, Statement
from rayfed.protocol.messages import COIN, Receipt, Signed, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.ethereum.connection import EthereumFederation
    from rayfed.ledger.relay import RelayPool


class EthereumLedger(SharedReads):
    """One account's handle on a federation; follows the ``rayfed.ledger.Ledger`` protocol.

    Args:
        federation: the process's connection.
        account: whose handle it is.
        sender: the account's transactions, shared by all handles of the account.
        proof: that the allow-list names the account.
        pool: posts the account's statements together with others'; None: they are posted like all else.
    """

    def __init__(
        self,
        federation: EthereumFederation,
        account: LocalAccount,
        sender: Sender,
        proof: Sequence[bytes] = (),
        pool: RelayPool | None = None,
    ) -> None:
        super().__init__(federation)
        self._federation = federation
        self._account = account
        self._sender = sender
        self._proof = proof
        self._pool = pool
        self._domain = eip712.Domain(federation.rpc.chain_id, federation.address, federation.terms().charter)

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return str(self._account.address)

    @property
    def is_sending(self) -> bool:
        """See ``Ledger``."""
        return self._sender.is_waiting(self)

    def submit(self, command: Command) -> None:
        """See ``Ledger``; a coin's approval goes before what it pays for, where it is needed. What is said late, of
        a round before the last closed one, shares its transaction with nobody's.

        Raises:
            LedgerError: the account does not hold what the command costs.
            LedgerUnreachable: nothing answers.
        """
        if self._pool is not None and isinstance(command, Statement) and command.round >= self._federation.last_closed:
            self._pool.offer(self.address, command, self.sign(command))
            return
        if isinstance(command, Join):
            terms, there = self._federation.terms(), self._federation.account(self.address)
            if there.stake < terms.stake:
                self._send(Deposit(self.address, terms.stake - there.stake))
            if there.bonds < terms.bonds:
                self._send(DepositBonds(self.address, terms.bonds - there.bonds))
        self._send(command)

    def sign(self, statement: Statement) -> Signed:
        """See ``Ledger``."""
        return eip712.sign(self._account, self._domain, statement)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        own = self._sender.receipts(self)  # may raise, so the pool's, which are given out once, come after
        return own if self._pool is None else own + self._pool.receipts(self.address)

    def handle(self) -> EthereumLedger:
        """See ``Ledger``."""
        return EthereumLedger(self._federation, self._account, self._sender, self._proof)

    def close(self) -> None:
        """The connection belongs to the process: ``EthereumFederation.close`` lets go of it."""

    def _send(self, command: Command) -> None:
        federation = self._federation
        call = contract_call(command, federation.terms(), self._proof)
        with self._sender.paying if call.coins else nullcontext():
            if call.coins:
                self._provide(command.verb, call.coins)
            self._sender.send(self, command.verb, command.round, call.data, value=call.value, command=command)
        federation.hurry()

    def _provide(self, verb: Verb, amount: int) -> None:
        """See to it that the federation can take so many coins from this account."""
        federation = self._federation
        held = federation.coins(self.address)
        if held < amount:
            has, takes = f"{held / COIN:g}", f"{amount / COIN:g} of the coin at {federation.terms().coin}"
            raise LedgerError(f"stake.amount: {self.address} has {has}, and {verb} takes {takes}")
        if federation.allowance(self.address) < amount:
            data = abi.call("approve", federation.address, amount)
            self._sender.send(self, Verb.APPROVE, 0, data, to=federation.terms().coin)
