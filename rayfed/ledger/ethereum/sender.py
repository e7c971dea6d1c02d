"""One account's transactions: signed with known gas and nonce, sent, followed until they are mined.

web3.py's own way costs about ten milliseconds of processor time a transaction, most of it in asking the node for what
is known already; here a transaction is one signature and one request, and receipts come in batches.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Receipt, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

log = logging.getLogger(__name__)

LOOK_SECONDS = (0.02, 2.0)
"""First and longest pause between two looks for a receipt."""

RESEND_SECONDS = 30.0
"""After so long without being mined a transaction is sent again, with higher fees."""

GIVE_UP_SECONDS = 600.0
"""After so long without being mined a transaction is reported as lost."""

QUIET_SECONDS = 30.0
"""A chain that has made no block for so long makes none on its own (Anvil, Hardhat): nothing more will lie on top of
a transaction, and whoever waited for it would wait for ever."""

NOT_MINED = "NotMined"
"""Error of a receipt: nobody mined it, though it was sent again with higher fees."""

OVERTAKEN = "Overtaken"
"""Error of a receipt: its nonce was used by a transaction that another process signed with the same key."""


@dataclass(eq=False)
class _Flight:
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
    looked_after: bool = False  # some thread is about to find out what became of it

    def receipt(self, tx_hash: str, gas: int, block: int, error: str | None) -> Receipt:
        """Return what became of it."""
        return Receipt(self.verb, self.round, tx_hash, gas, block, error, self.command)


class Sender:
    """Sends one account's transactions to one contract, for all who share the account. Safe to use from any thread.

    Two locks, so that whoever asks for receipts does not keep another from sending: one is held while a transaction
    gets its nonce and goes out, the other only while the lists are changed.

    Args:
        confirmations: how many blocks, its own counted, must hold a transaction before its receipt is given out.
        resend_seconds, give_up_seconds, quiet_seconds: see ``RESEND_SECONDS``, ``GIVE_UP_SECONDS``, ``QUIET_SECONDS``.
    """

    def __init__(
        self,
        rpc: Rpc,
        fees: Fees,
        account: LocalAccount,
        to: Address,
        *,
        confirmations: int = 1,
        resend_seconds: float = RESEND_SECONDS,
        give_up_seconds: float = GIVE_UP_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._rpc = rpc
        self._fees = fees
        self._account = account
        self._to = to
        self._confirmations = confirmations
        self._resend_seconds = resend_seconds
        self._give_up_seconds = give_up_seconds
        self._quiet_seconds = quiet_seconds
        self._head: tuple[int, float] = (-1, 0.0)  # the newest block, and since when it is that, by the steady clock
        self._signing = threading.Lock()
        self._nonce: int | None = None
        self._listing = threading.Lock()
        self._flights: list[_Flight] = []
        self._done: list[tuple[object, Receipt]] = []

    def send(
        self,
        owner: object,
        verb: Verb,
        round: int,
        data: bytes,
        gas: int,
        *,
        to: Address | None = None,
        value: int = 0,
        command: Command | None = None,
    ) -> None:
        """Sign and send; ``receipts`` tells what became of it.

        Args:
            owner: to whom ``receipts`` tells it.
            verb, round, command: what is said, for the receipt.
            data: the call.
            gas: its limit.
            to: another contract than the one that this sender is for.
            value: wei that go with it.

        Raises:
            LedgerError: the node does not take it (no funds, say).
            LedgerUnreachable: nothing answers.
        """
        fields = {"type": 2, "chainId": self._rpc.chain_id, "to": to or self._to, "data": data, "gas": gas}
        fields["value"] = value
        flight = _Flight(owner, verb, round, command, fields, time.monotonic())
        with self._signing:
            refused = self._take_off(flight)
        with self._listing:
            if refused is None:
                self._flights.append(flight)
            else:
                self._done.append((owner, flight.receipt(flight.hashes[-1], 0, 0, refused)))

    def is_waiting(self, owner: object) -> bool:
        """Say whether there is a transaction of which ``receipts`` has not told its owner yet what became of it."""
        with self._listing:
            return any(flight.owner is owner for flight in self._flights) or any(who is owner for who, _ in self._done)

    def receipts(self, owner: object) -> list[Receipt]:
        """Return what of an owner's was mined, refused or given up since the last call; asks the node at most in one
        batch, for all owners.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        now = time.monotonic()
        with self._listing:
            due = [flight for flight in self._flights if flight.look_at <= now and not flight.looked_after]
            for flight in due:
                flight.looked_after = True
        try:
            if due:
                self._look(due, now)
        finally:
            with self._listing:
                for flight in due:
                    flight.looked_after = False
        with self._listing:
            mine = [receipt for who, receipt in self._done if who is owner]
            self._done = [(who, receipt) for who, receipt in self._done if who is not owner]
        return mine

    def _look(self, due: list[_Flight], now: float) -> None:
        """Find out what became of these, and put it on the list."""
        calls: list[tuple[str, list[Any]]] = []
        for flight in due:
            calls += [("eth_getTransactionReceipt", [hash]) for hash in flight.hashes]
        if self._confirmations > 1:
            calls.append(("eth_blockNumber", []))
        answers = iter(self._rpc.batch(calls))
        mined = {id(f): [a for a in [next(answers) for _ in f.hashes] if isinstance(a, dict)] for f in due}
        self._saw_head(next(answers, None), now)
        for flight in due:
            receipt = self._settle(flight, mined[id(flight)], now)
            with self._listing:
                if receipt is None:
                    flight.look_at = now + flight.pause
                    flight.pause = min(2 * flight.pause, LOOK_SECONDS[1])
                else:
                    self._flights.remove(flight)
                    self._done.append((flight.owner, receipt))

    def _take_off(self, flight: _Flight) -> str | None:
        """Give a transaction its nonce and send it; return the name of the error if the contract refused at once."""
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
                    # The node tried it out first, and the contract refused.
                    return abi.error_name(error.data)[0]
                if last or not _passing(error):
                    raise LedgerError(self._complaint(flight.verb, error)) from error
                self._fees.forget()
                flight.hashes.clear()
                continue
            self._nonce += 1
            break
        return None

    def _settle(self, flight: _Flight, mined: list[dict[str, Any]], now: float) -> Receipt | None:
        """Return what became of a transaction, or None while that is open; send it again when it is time."""
        if mined:
            # Sent under two nonces it may be mined twice; the contract refuses the second.
            best = max(mined, key=lambda receipt: int(receipt["status"], 16))
            block, gas = int(best["blockNumber"], 16), int(best["gasUsed"], 16)
            if not self._confirmed(block, now):
                return None
            error = self._why(flight, block, gas) if int(best["status"], 16) != 1 else None
            return flight.receipt(best["transactionHash"], gas, block, error)
        if flight.overtaken:
            self._forget_nonce()
            log.error("%s of round %d: another process signs for %s", flight.verb, flight.round, self._account.address)
            return flight.receipt(flight.hashes[-1], 0, 0, OVERTAKEN)
        if now - flight.began > self._give_up_seconds:
            self._forget_nonce()
            log.error("%s of round %d was not mined: %s", flight.verb, flight.round, flight.hashes[-1])
            return flight.receipt(flight.hashes[-1], 0, 0, NOT_MINED)
        if now - flight.sent > self._resend_seconds:
            with self._signing:
                self._resend(flight)
        return None

    def _forget_nonce(self) -> None:
        """Ask the chain for the nonce next time."""
        with self._signing:
            self._nonce = None

    def _saw_head(self, head: Any, now: float) -> None:
        if isinstance(head, str) and int(head, 16) != self._head[0]:
            self._head = int(head, 16), now

    def _confirmed(self, block: int, now: float) -> bool:
        """Say whether enough blocks hold what is in ``block``, or the chain makes no more of them."""
        head, since = self._head
        return self._confirmations <= 1 or head >= block + self._confirmations - 1 or now - since > self._quiet_seconds

    def _resend(self, flight: _Flight) -> None:
        """Send again: with the chain's nonce if that went back, else with fees that replace the first ones."""
        count = self._count("latest")
        if count > flight.fields["nonce"]:
            flight.overtaken = True  # unless the next look finds a receipt that came in between
            return
        taken, hashes = dict(flight.fields), list(flight.hashes)
        with self._listing:
            lowest = min(other.fields["nonce"] for other in self._flights)
        if count < lowest:
            # The chain has forgotten blocks (a development chain restarted from an older state): close the gap.
            flight.fields["nonce"] += count - lowest
            self._nonce = None
        tip, most = flight.fields["maxPriorityFeePerGas"], flight.fields["maxFeePerGas"]
        max_fee, priority = self._fees.now()
        flight.fields["maxFeePerGas"] = max(max_fee, most * 5 // 4 + 1)  # nodes ask for a tenth or an eighth more
        flight.fields["maxPriorityFeePerGas"] = max(priority, tip * 5 // 4 + 1)
        log.warning("%s of round %d is not mined yet; sent again with higher fees", flight.verb, flight.round)
        try:
            self._broadcast(flight)
        except RpcError as error:
            # Mined this very moment, or no funds for more: the transactions sent before may still be mined. What was
            # not taken must not raise the price of the next try, or one dear minute would put it out of reach for good.
            log.warning("%s of round %d was not taken again: %s", flight.verb, flight.round, error)
            flight.fields, flight.hashes, flight.sent = taken, hashes, time.monotonic()

    def _broadcast(self, flight: _Flight) -> None:
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

    def _why(self, flight: _Flight, block: int, used: int) -> str:
        """Return the error's name: a receipt only says that there was one, so the call is made again."""
        gas = flight.fields["gas"]
        said = flight.fields
        call = {"from": self._account.address, "to": said["to"], "data": "0x" + said["data"].hex()}
        call["value"] = hex(said["value"])
        if used * 64 >= gas * 63:
            return "OutOfGas"
        # After its own block the failed call has left no trace; before it, what came later in the block has none.
        # A node that keeps no old states answers for the newest.
        for height in (hex(block), hex(block - 1), "latest"):
            try:
                self._rpc.call("eth_call", {**call, "gas": hex(gas)}, height)
            except RpcError as error:
                if error.data:
                    return abi.error_name(error.data)[0]
        return "Reverted"

    def _complaint(self, verb: Verb, error: RpcError) -> str:
        if "insufficient funds" in error.message.lower():
            return f"ledger.fund_ether: {self._account.address} cannot pay for the gas of {verb}: {error.message}"
        return f"the chain does not take {verb} from {self._account.address}: {error.message}"


def _known(error: RpcError) -> bool:
    return any(words in error.message.lower() for words in ("already known", "already imported", "known transaction"))


def _passing(error: RpcError) -> bool:
    """Say whether another nonce or newer fees may help."""
    return any(words in error.message.lower() for words in ("nonce", "underpriced", "base fee", "fee cap"))
