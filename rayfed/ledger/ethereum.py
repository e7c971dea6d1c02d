"""The Ethereum door: a federation's contract on any chain, as a ``Ledger``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eth_utils.address import is_address

from rayfed.errors import CharterMismatch, ConfigError, LedgerError, NotAFederation, WrongChain
from rayfed.ledger import abi, history, purse
from rayfed.ledger.clock import ChainClock
from rayfed.ledger.fees import Fees
from rayfed.ledger.history import Event
from rayfed.ledger.purse import Deployed, deploy, fund
from rayfed.ledger.rpc import Rpc, RpcError
from rayfed.ledger.sender import Sender
from rayfed.ledger.waker import Waker
from rayfed.messages import MAX_MEMBERS, Address, Outcome, Receipt, Root, Terms, Verb, View

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["Deployed", "EthereumFederation", "EthereumLedger", "Event", "connect", "deploy", "fund"]

GAS = {
    Verb.JOIN: (250_000, 1_000),
    Verb.LEAVE: (200_000, 1_000),
    Verb.POKE: (500_000, 6_000),
    Verb.COMMIT: (200_000, 1_500),
    Verb.VOTE: (250_000, 6_000),
    Verb.ATTEST: (300_000, 3_000),
}
"""Gas limit by verb: so much, and so much more a member, because the transaction that closes a phase works for all of
them. Measured with 256 members that disagree: 131, -, 90, 1,103 and 231 thousand. What is not used is not paid, but an
account must be able to pay it."""


def connect(rpc_url: str, chain_id: int | None = None) -> Rpc:
    """Connect to a chain.

    Raises:
        LedgerUnreachable: nothing answers.
        WrongChain: it is another one than ``chain_id``.
    """
    rpc = Rpc(rpc_url)
    if chain_id is not None and rpc.chain_id != chain_id:
        raise WrongChain(f"ledger.chain_id: wanted chain {chain_id}, but {rpc.name} is chain {rpc.chain_id}")
    return rpc


class EthereumFederation:
    """One process's connection to one federation; the doors of its nodes share it. Safe to use from several threads.

    Made by ``open``. What is in ``sending`` is what ``Sender`` says.
    """

    def __init__(
        self,
        rpc: Rpc,
        address: Address,
        ws_url: str | None = None,
        **sending: Any,
    ) -> None:
        self.rpc = rpc
        self.address = address
        self._clock = ChainClock()
        self._fees = Fees(rpc, self._clock.saw)
        self._waker = Waker(self._look, self._clock.saw, address, ws_url)
        self._sending = sending
        self._terms: Terms | None = None
        self._lock = threading.Lock()
        self._view: View | None = None
        self._asked_at = float("-inf")  # when the question that _view answers was sent
        self._head = ""

    @classmethod
    def open(
        cls,
        rpc_url: str,
        address: Address,
        *,
        chain_id: int | None = None,
        ws_url: str | None = None,
        charter_hash: bytes | None = None,
        **sending: Any,
    ) -> EthereumFederation:
        """Connect, and check that this is the federation that is meant.

        Raises:
            ConfigError: ``address`` is no address.
            LedgerUnreachable: nothing answers at ``rpc_url``.
            WrongChain: it is another chain.
            NotAFederation: there is no code at the address, or it is not this contract's.
            CharterMismatch: it was founded on another charter.
        """
        if not is_address(address):
            raise ConfigError("federation_address", f"{address!r} is no Ethereum address")
        address = str(abi.checksum(address))
        rpc = connect(rpc_url, chain_id)
        code = bytes.fromhex(rpc.call("eth_getCode", address, "latest")[2:])
        if not code:
            raise NotAFederation(f"federation_address: there is no contract at {address} on chain {rpc.chain_id}")
        if not abi.is_ours(code):
            raise NotAFederation(f"federation_address: the contract at {address} is not a rayfed federation")
        federation = cls(rpc, address, ws_url, **sending)
        founded = federation.terms().charter
        if charter_hash is not None and founded != charter_hash:
            raise CharterMismatch(
                f"charter: {address} was founded on charter {founded.hex()[:16]}..., yours is "
                f"{charter_hash.hex()[:16]}..."
            )
        federation._set_clock()
        return federation

    def ledger(self, account: LocalAccount) -> EthereumLedger:
        """Return one account's door."""
        return EthereumLedger(self, account, Sender(self.rpc, self._fees, account, self.address, **self._sending))

    def terms(self) -> Terms:
        """Return the federation's terms."""
        if self._terms is None:
            self._terms = abi.terms(self._ask("terms"))
        return self._terms

    def view(self) -> View:
        """Return the federation as of now (chain time).

        Who asks while the answer to somebody's later question is on its way gets that answer: it is not older than
        the asking.
        """
        wanted_at = time.monotonic()
        with self._lock:
            if self._view is None or self._asked_at < wanted_at:
                asked_at, heard = time.monotonic(), self._waker.heard
                view = abi.view(self._ask("snapshot", int(self._clock.now())))
                self._clock.saw(view.time)
                self._view, self._asked_at = view, asked_at
                self._waker.set(_place(view), heard)
            return self._view

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round, or None if it has not closed."""
        return abi.outcome(self._ask("outcome", round))

    def balance(self, address: Address) -> int:
        """Return how many wei an account holds."""
        return purse.balance(self.rpc, address)

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        """Yield what the contract has said; see ``history.events``."""
        return history.events(self.rpc, self.address, first, last, names)

    def now(self) -> float:
        """Return chain time, in seconds since the epoch."""
        return self._clock.now()

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase differs from ``seen``, its deadline has passed, or ``timeout`` seconds are over.

        Raises:
            LedgerUnreachable: nothing answered while waiting.
        """
        if seen.deadline > seen.time:  # a deadline that had passed by then has had all the effect it can have
            timeout = min(timeout, self._clock.until(seen.deadline))
        self._waker.wait(_place(seen), timeout)

    def close(self) -> None:
        """Wake all who wait and let go of the connection."""
        self._waker.close()
        self.rpc.close()

    def members(self) -> int:
        """Return how many members there were at the last look, or may be if there was none."""
        return len(self._view.members) if self._view is not None else MAX_MEMBERS

    def hurry(self) -> None:
        """Say that something was sent which may move the phase."""
        self._waker.hurry()

    def _ask(self, name: str, *arguments: Any) -> bytes:
        call = {"to": self.address, "data": "0x" + abi.call(name, *arguments).hex()}
        return bytes.fromhex(self.rpc.call("eth_call", call, "latest")[2:])

    def _look(self) -> bool:
        """Take a view if there is a new block; say whether anything in it is new."""
        head = self.rpc.call("eth_blockNumber")
        if head == self._head:
            return False
        before = self._view
        after = self.view()
        self._head = head
        return before is None or _news(before) != _news(after)

    def _set_clock(self) -> None:
        """Learn chain time. Where the newest block is old, the one in the making knows better."""
        blocks = self.rpc.batch([("eth_getBlockByNumber", [tag, False]) for tag in ("latest", "pending")])
        for block in blocks:
            if isinstance(block, dict):
                self._clock.saw(int(block["timestamp"], 16))
        if not isinstance(blocks[0], dict):
            raise blocks[0] if isinstance(blocks[0], RpcError) else LedgerError("the chain has no blocks")


class EthereumLedger:
    """One account's door to a federation; follows the ``rayfed.ledger.Ledger`` protocol. One thread at a time."""

    def __init__(self, federation: EthereumFederation, account: LocalAccount, sender: Sender) -> None:
        self._federation = federation
        self._account = account
        self._sender = sender

    @property
    def address(self) -> Address:
        """The account that this door signs for."""
        return str(self._account.address)

    def terms(self) -> Terms:
        """See ``Ledger``."""
        return self._federation.terms()

    def view(self) -> View:
        """See ``Ledger``."""
        return self._federation.view()

    def outcome(self, round: int) -> Outcome | None:
        """See ``Ledger``."""
        return self._federation.outcome(round)

    def join(self, charter: bytes) -> None:
        """See ``Ledger``."""
        self._say(Verb.JOIN, 0, charter)

    def leave(self) -> None:
        """See ``Ledger``."""
        self._say(Verb.LEAVE, 0)

    def commit(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._say(Verb.COMMIT, round, round, root)

    def vote(self, round: int, ballot: int) -> None:
        """See ``Ledger``."""
        self._say(Verb.VOTE, round, round, ballot)

    def attest(self, round: int, root: Root) -> None:
        """See ``Ledger``."""
        self._say(Verb.ATTEST, round, round, root)

    def poke(self) -> None:
        """See ``Ledger``."""
        self._say(Verb.POKE, 0)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        return self._sender.receipts()

    def wait(self, seen: View, timeout: float) -> None:
        """See ``Ledger``."""
        self._federation.wait(seen, timeout)

    def close(self) -> None:
        """The connection belongs to the process: ``EthereumFederation.close`` lets go of it."""

    def _say(self, verb: Verb, round: int, *arguments: Any) -> None:
        base, each = GAS[verb]
        self._sender.send(verb, round, abi.call(verb.value, *arguments), base + each * self._federation.members())
        self._federation.hurry()


def _place(view: View) -> tuple[int, int]:
    return view.round, int(view.phase)


def _news(view: View) -> tuple[int, ...]:
    return view.round, int(view.phase), view.active, view.committed, view.voted, view.attested
