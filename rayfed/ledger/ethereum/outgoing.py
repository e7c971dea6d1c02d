"""How one account's transactions leave: with a nonce from one place, gas as the chain reckons it and fees of today,
again with higher ones if need be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.calls import COURT
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.gas import Gas
from rayfed.ledger.ethereum.opcodes import lacking
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Receipt, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

log = logging.getLogger(__name__)

LOOK_SECONDS = (0.02, 2.0)
"""First and longest pause between two looks for a receipt."""

REVERTED = "Reverted"
"""Error of a receipt: the contract refused, and did not say why."""

INVALID_OPCODE = "InvalidOpcode"
"""Error of a receipt: the chain lacks an instruction that the contracts need."""


@dataclass(eq=False)
class Flight:
    """A transaction on its way. ``hashes`` are all under which it was sent: fees or nonce may have changed."""

    owner: object  # who is told what becomes of it
    verb: Verb
    round: int
    command: Command | None
    fields: dict[str, Any]
    began: float
    sent: float = 0.0
    look_at: float = 0.0
    pause: float = LOOK_SECONDS[0]
    hashes: list[str] = field(default_factory=list)
    overtaken: bool = False
    again: bool = False  # to be sent again unless it is in a block: it was in one, or what it follows was in one
    looked_after: bool = False  # some thread is about to find out what became of it
    held: bool = False  # not sent: it waits for what was sent before it

    def receipt(self, tx_hash: str, gas: int, block: int, error: str | None) -> Receipt:
        """Return what became of it."""
        return Receipt(self.verb, self.round, tx_hash, gas, block, error, self.command)


class Outgoing:
    """Gives transactions their gas and nonces, signs them and sends them. Safe to use from any thread, one transaction
    at a time.

    Attributes:
        last: hash of the last transaction that was mined, to be set by whoever has seen it; empty: it is not known.
    """

    def __init__(self, rpc: Rpc, fees: Fees, gas: Gas, account: LocalAccount) -> None:
        self._rpc = rpc
        self._fees = fees
        self._gas = gas
        self._account = account
        self._lock = threading.Lock()
        self._nonce: int | None = None
        self.last = ""

    def send(self, flight: Flight, is_alone: bool = False) -> str | None:
        """Give a transaction its gas and its nonce and send it; return the name of the error if the contract would
        refuse it now, and it was not sent.

        Args:
            is_alone: nothing else of the account is on its way, so that the chain knows the next nonce.

        Raises:
            LedgerError: the node does not take it (no funds, say).
            LedgerUnreachable: nothing answers.
        """
        with self._lock:
            try:
                flight.fields["gas"] = self._gas.limit(
                    flight.verb, self._account.address, flight.fields, capped=flight.verb not in COURT
                )
            except RpcError as error:
                refused = refusal(self._rpc, error)
                if refused is None:
                    raise LedgerError(self._complaint(flight.verb, error)) from error
                return refused
            if is_alone and self._has_gone_back():
                self._nonce = None
            return self._send(flight)

    def _send(self, flight: Flight) -> str | None:
        for last in (False, False, True):
            if self._nonce is None:
                self._nonce = self._count("pending")
            flight.fields["nonce"] = self._nonce
            flight.fields["maxFeePerGas"], flight.fields["maxPriorityFeePerGas"] = self._fees.now()
            try:
                self._broadcast(flight)
            except RpcError as error:
                self._nonce = None  # whatever went wrong, the chain knows the right one
                if error.data:
                    return refusal(self._rpc, error)  # the node tried it out once more
                if last or not _passing(error):
                    raise LedgerError(self._complaint(flight.verb, error)) from error
                self._fees.forget()
                flight.hashes.clear()
                continue
            self._nonce += 1
            break
        return None

    def _has_gone_back(self) -> bool:
        """Say whether the chain has left the block that held the last transaction, and forgotten that as well: by a
        nonce that follows on it, nothing would be mined."""
        if self._nonce is None or not self.last:
            return False
        receipt, count = self._rpc.batch(
            [
                ("eth_getTransactionReceipt", [self.last]),
                ("eth_getTransactionCount", [self._account.address, "pending"]),
            ]
        )
        return receipt is None and isinstance(count, str) and int(count, 16) < self._nonce

    def resend(self, flight: Flight, others: Collection[int]) -> None:
        """Send again: with the chain's nonce if that went back, else with fees that replace the first ones.

        Args:
            others: nonces of all else of the account that is on its way.
        """
        with self._lock:
            self._resend(flight, others)

    def _resend(self, flight: Flight, others: Collection[int]) -> None:
        count, nonce = self._count("latest"), int(flight.fields["nonce"])
        if count > nonce:
            flight.overtaken = True  # unless the next look finds a receipt that came in between
            return
        taken, hashes = dict(flight.fields), list(flight.hashes)
        next_one = count + sum(count <= other < nonce for other in others)
        if next_one < nonce:
            # The chain has forgotten blocks (a development chain restarted from an older state): close the gap.
            flight.fields["nonce"] = next_one
            self._nonce = None
        tip, most = flight.fields["maxPriorityFeePerGas"], flight.fields["maxFeePerGas"]
        max_fee, priority = self._fees.now()
        if max_fee or most:  # on a chain without a price for gas nothing is dearer
            flight.fields["maxFeePerGas"] = max(max_fee, most * 5 // 4 + 1)  # nodes ask for a tenth or an eighth more
            flight.fields["maxPriorityFeePerGas"] = max(priority, tip * 5 // 4 + 1)
        log.warning("%s of round %d is not mined yet; sent again with higher fees", flight.verb, flight.round)
        try:
            self._broadcast(flight)
        except RpcError as error:
            # Mined this very moment, or no funds for more: the transactions sent before may still be mined. What was
            # not taken must not raise the price of the next try, or one dear minute would put it out of reach for good.
            log.warning("%s of round %d was not taken again: %s", flight.verb, flight.round, error)
            nonce = flight.fields["nonce"]
            flight.fields, flight.hashes, flight.sent = taken, hashes, time.monotonic()
            if "insufficient" in error.message.lower():  # but for the old price there is enough: it may have been lost
                self._send_unraised(flight, nonce)

    def _send_unraised(self, flight: Flight, nonce: int) -> None:
        flight.fields["nonce"] = nonce
        try:
            self._broadcast(flight)
        except RpcError as error:
            log.warning("%s of round %d was not taken as it was either: %s", flight.verb, flight.round, error)

    def forget_nonce(self) -> None:
        """Ask the chain for the nonce next time."""
        with self._lock:
            self._nonce = None

    def _broadcast(self, flight: Flight) -> None:
        signed = self._account.sign_transaction(flight.fields)
        hash = "0x" + signed.hash.hex().removeprefix("0x")
        if hash not in flight.hashes:
            flight.hashes.append(hash)
        try:
            self._rpc.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex().removeprefix("0x"))
        except RpcError as error:
            # A request that was tried again after its answer was lost may find itself there, or mined already.
            if not _known(error) and self._rpc.call("eth_getTransactionByHash", hash) is None:
                raise
        flight.sent = time.monotonic()

    def _count(self, block: str) -> int:
        return int(self._rpc.call("eth_getTransactionCount", self._account.address, block), 16)

    def _complaint(self, verb: Verb, error: RpcError) -> str:
        if "insufficient funds" in error.message.lower():
            return f"ledger.fund_ether: {self._account.address} cannot pay for {verb}: {error.message}"
        return f"the chain does not take {verb} from {self._account.address}: {error.message}"


def refusal(rpc: Rpc, error: RpcError) -> str | None:
    """Return the name of the contract's error if it was the contract that refused, or None."""
    if error.data:
        return abi.error_name(error.data)[0]
    # An instruction that a chain does not know is a revert without words, for the contract is one behind another.
    if lacks := lacking(rpc):
        log.error("ledger.rpc_url: chain %d lacks instructions of the contracts: %s", rpc.chain_id, ", ".join(lacks))
        return INVALID_OPCODE
    return REVERTED if "revert" in error.message.lower() else None


def _known(error: RpcError) -> bool:
    return any(words in error.message.lower() for words in ("already known", "already imported", "known transaction"))


def _passing(error: RpcError) -> bool:
    """Say whether another nonce or newer fees may help."""
    return any(words in error.message.lower() for words in ("nonce", "underpriced", "base fee", "fee cap"))
