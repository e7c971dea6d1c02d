"""One account's transactions: signed with a known nonce, sent, followed until they are mined.

web3.py's own way costs about ten milliseconds of processor time a transaction, most of it in asking the node for what
is known already; here a transaction is one signature and two requests, and receipts come in batches.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger.ethereum.calls import COURT
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.gas import Gas
from rayfed.ledger.ethereum.outgoing import LOOK_SECONDS, REVERTED, Flight, Outgoing, refusal
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Receipt, Verb

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

log = logging.getLogger(__name__)

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


class Sender:
    """Sends one account's transactions to one contract, for all who share the account. Safe to use from any thread.

    Nobody who asks for receipts keeps another from sending: its lock is held only while the lists are changed. What the
    contract would refuse while something else of the account is on its way waits for that: a deposit for its approval,
    who joins for its deposit. A move in court does not: by the time that a stuck transaction is mined, another is due.

    Args:
        confirmations: how many blocks, its own counted, must hold a transaction before its receipt is given out.
        resend_seconds, give_up_seconds, quiet_seconds: see ``RESEND_SECONDS``, ``GIVE_UP_SECONDS``, ``QUIET_SECONDS``.

    Attributes:
        paying: to be held from the look at an allowance until what it pays for is sent: an approval replaces the one
            before it, also another thread's.
    """

    def __init__(
        self,
        rpc: Rpc,
        fees: Fees,
        gas: Gas,
        account: LocalAccount,
        to: Address,
        *,
        confirmations: int = 1,
        resend_seconds: float = RESEND_SECONDS,
        give_up_seconds: float = GIVE_UP_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._rpc = rpc
        self._account = account
        self._to = to
        self._confirmations = confirmations
        self._resend_seconds = resend_seconds
        self._give_up_seconds = give_up_seconds
        self._quiet_seconds = quiet_seconds
        self._head: tuple[int, float] = (-1, 0.0)  # the newest block, and since when it is that, by the steady clock
        self._outgoing = Outgoing(rpc, fees, gas, account)
        self._listing = threading.Lock()
        self.paying = threading.Lock()
        self._flights: list[Flight] = []
        self._done: list[tuple[object, Receipt]] = []

    def send(
        self,
        owner: object,
        verb: Verb,
        round: int,
        data: bytes,
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
            to: another contract than the one that this sender is for.
            value: wei that go with it.

        Raises:
            LedgerError: the node does not take it (no funds, say).
            LedgerUnreachable: nothing answers.
        """
        fields = {"type": 2, "chainId": self._rpc.chain_id, "to": to or self._to, "data": data, "value": value}
        flight = Flight(owner, verb, round, command, fields, time.monotonic())
        with self._listing:
            is_alone = not self._flights
        self._send(flight, is_alone)

    def _send(self, flight: Flight, is_alone: bool) -> None:
        """Send, and put a transaction on the list that it belongs on; ``is_alone``: nothing was on its way."""
        refused = self._outgoing.send(flight, is_alone)
        waits = not is_alone and flight.verb not in COURT
        with self._listing:
            known = flight in self._flights
            if refused is None or waits:
                flight.held = refused is not None
                if not known:
                    self._flights.append(flight)
                return
            if known:
                self._flights.remove(flight)
            self._done.append((flight.owner, flight.receipt("", 0, 0, refused)))

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

    def _look(self, due: list[Flight], now: float) -> None:
        """Find out what became of these, and put it on the list."""
        held, due = [flight for flight in due if flight.held], [flight for flight in due if not flight.held]
        if due:
            self._look_for_receipts(due, now)
        for flight in held:
            self._try_again(flight, now)

    def _try_again(self, flight: Flight, now: float) -> None:
        """Send what has waited, if nothing stands before it any more, or it can go all the same."""
        with self._listing:
            before = self._flights[: self._flights.index(flight)]
        try:
            self._send(flight, is_alone=not before)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            with self._listing:
                self._flights.remove(flight)
                self._done.append((flight.owner, flight.receipt("", 0, 0, str(error))))
        self._put_off(flight, now)

    @staticmethod
    def _put_off(flight: Flight, now: float) -> None:
        flight.look_at = now + flight.pause
        flight.pause = min(2 * flight.pause, LOOK_SECONDS[1])

    def _look_for_receipts(self, due: list[Flight], now: float) -> None:
        calls: list[tuple[str, list[Any]]] = []
        for flight in due:
            calls += [("eth_getTransactionReceipt", [hash]) for hash in flight.hashes]
        if self._confirmations > 1:
            calls.append(("eth_blockNumber", []))
        if last := self._outgoing.last:
            calls.append(("eth_getTransactionReceipt", [last]))
        answers = iter(self._rpc.batch(calls))
        mined = {id(f): [a for a in [next(answers) for _ in f.hashes] if isinstance(a, dict)] for f in due}
        if self._confirmations > 1:
            self._saw_head(next(answers), now)
        if last and next(answers) is None:
            self._went_back()
        for flight in due:
            receipt = self._settle(flight, mined[id(flight)], now)
            with self._listing:
                if receipt is None:
                    self._put_off(flight, now)
                else:
                    self._flights.remove(flight)
                    self._done.append((flight.owner, receipt))

    def _went_back(self) -> None:
        """Have all sent again: the chain has left what came before it."""
        self._outgoing.last = ""
        with self._listing:
            for flight in self._flights:
                flight.again = not flight.held

    def _settle(self, flight: Flight, mined: list[dict[str, Any]], now: float) -> Receipt | None:
        """Return what became of a transaction, or None while that is open; send it again when it is time."""
        if mined:
            # Sent under two nonces it may be mined twice; the contract refuses the second.
            best = max(mined, key=lambda receipt: int(receipt["status"], 16))
            block, gas = int(best["blockNumber"], 16), int(best["gasUsed"], 16)
            flight.again = True
            if not self._confirmed(block, now):
                return None
            self._outgoing.last = best["transactionHash"]
            error = self._why(flight, block, gas) if int(best["status"], 16) != 1 else None
            return flight.receipt(best["transactionHash"], gas, block, error)
        if flight.overtaken:
            self._outgoing.forget_nonce()
            log.error("%s of round %d: another process signs for %s", flight.verb, flight.round, self._account.address)
            return flight.receipt(flight.hashes[-1], 0, 0, OVERTAKEN)
        if now - flight.began > self._give_up_seconds:
            self._outgoing.forget_nonce()
            log.error("%s of round %d was not mined: %s", flight.verb, flight.round, flight.hashes[-1])
            return flight.receipt(flight.hashes[-1], 0, 0, NOT_MINED)
        if flight.again or now - flight.sent > self._resend_seconds:
            flight.again = False
            with self._listing:
                flying = [one.fields["nonce"] for one in self._flights if one is not flight and not one.held]
            self._outgoing.resend(flight, flying)
        return None

    def _saw_head(self, head: Any, now: float) -> None:
        if isinstance(head, str) and int(head, 16) != self._head[0]:
            self._head = int(head, 16), now

    def _confirmed(self, block: int, now: float) -> bool:
        """Say whether enough blocks hold what is in ``block``, or the chain makes no more of them."""
        head, since = self._head
        return self._confirmations <= 1 or head >= block + self._confirmations - 1 or now - since > self._quiet_seconds

    def _why(self, flight: Flight, block: int, used: int) -> str:
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
                if (name := refusal(self._rpc, error)) not in (None, REVERTED):
                    return str(name)
        return REVERTED
