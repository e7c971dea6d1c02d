"""The Ethereum door: a federation's contract on any chain, as a ``Ledger``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eth_utils.address import is_address

from rayfed.encoding.primitives import Address
from rayfed.errors import CharterMismatch, ConfigError, LedgerError, WrongChain
from rayfed.ledger.ethereum import abi, events, parts
from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.ethereum.clock import ChainClock
from rayfed.ledger.ethereum.coin_state import CoinState
from rayfed.ledger.ethereum.contract_state import Questions
from rayfed.ledger.ethereum.deployment import Deployed, deploy, fund
from rayfed.ledger.ethereum.events import Event
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.gas import Gas
from rayfed.ledger.ethereum.keys import account_of
from rayfed.ledger.ethereum.notifier import Place, Waker
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.ledger.ethereum.sender import Sender
from rayfed.protocol.messages import Terms, View

if TYPE_CHECKING:
    from rayfed.ledger.backend import Signer
    from rayfed.ledger.relay import RelayPool

__all__ = ["Deployed", "EthereumFederation", "Event", "connect", "deploy", "fund"]


def connect(rpc_url: str, chain_id: int | None = None, spare: str | None = None) -> Rpc:
    """Connect to a chain, by one node or by a spare one.

    Raises:
        LedgerUnreachable: nothing answers.
        WrongChain: it is another one than ``chain_id``, or than the spare node's.
    """
    rpc = Rpc(rpc_url, spare=spare)
    rpc.check_spare()
    if chain_id is not None and rpc.chain_id != chain_id:
        raise WrongChain(f"ledger.chain_id: wanted chain {chain_id}, but {rpc.name} is chain {rpc.chain_id}")
    return rpc


class EthereumFederation(CoinState):
    """One process's connection to one federation; the doors of its nodes share it. Safe to use from several threads.

    Made by ``open``. What is in ``sending`` is what ``Sender`` says.
    """

    def __init__(
        self,
        rpc: Rpc,
        address: Address,
        terms: Terms,
        ws_url: str | None = None,
        max_gas: int | None = None,
        **sending: Any,
    ) -> None:
        self._clock = ChainClock()
        super().__init__(Questions(rpc, address, self._clock), terms)
        self._fees = Fees(rpc, self._clock.saw)
        self._gas = Gas(rpc, max_gas)
        self._waker = Waker(self._look, self._clock.saw, address, ws_url)
        self._sending = sending
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
        spare: str | None = None,
        charter_hash: bytes | None = None,
        **sending: Any,
    ) -> EthereumFederation:
        """Connect, and check that this is the federation that is meant.

        Raises:
            ConfigError: ``address`` is no address.
            LedgerUnreachable: nothing answers at ``rpc_url``.
            WrongChain: it is another chain.
            NotAFederation: it is no federation that this release knows; see ``parts.believed``.
            CharterMismatch: it was founded on another charter.
        """
        if not is_address(address):
            raise ConfigError("federation_address", f"{address!r} is not an Ethereum address")
        address = str(abi.checksum(address))
        rpc = connect(rpc_url, chain_id, spare)
        terms = parts.believed(rpc, address)
        if charter_hash is not None and terms.charter != charter_hash:
            raise CharterMismatch(
                f"charter: {address} was founded on charter {terms.charter.hex()[:16]}..., yours is "
                f"{charter_hash.hex()[:16]}..."
            )
        federation = cls(rpc, address, terms, ws_url, **sending)
        federation._set_clock()
        return federation

    def ledger(self, signer: Signer, proof: Sequence[bytes] = (), pool: RelayPool | None = None) -> EthereumLedger:
        """See ``Federation``."""
        account = account_of(signer)
        sender = Sender(self.rpc, self._fees, self._gas, account, self.address, **self._sending)
        return EthereumLedger(self, account, sender, proof, pool)

    def view(self) -> View:
        """Return the federation as of now (chain time).

        Who asks while the answer to somebody's later question is on its way gets that answer: it is not older than
        the asking.
        """
        wanted_at = time.monotonic()
        with self._lock:
            if self._view is None or self._asked_at < wanted_at:
                asked_at, heard = time.monotonic(), self._waker.heard
                view = self.questions.overview()
                self._view, self._asked_at = view, asked_at
                self._waker.set(_place(view), heard)
            return self._view

    @property
    def last_closed(self) -> int:
        """The round closed last, as of the latest view; 0 if none has, or nobody has looked."""
        view = self._view
        return 0 if view is None else view.round - view.is_open

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        """Yield what the federation has said; see ``events.events``."""
        return events.events(self.rpc, (self.address,), first, last, names)

    def block(self) -> int:
        """Return the number of the newest block."""
        return int(self.rpc.call("eth_blockNumber"), 16)

    def now(self) -> float:
        """Return chain time, in seconds since the epoch."""
        return self._clock.now()

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase, or whether a step is due, differs from ``seen``, the deadline has passed, or
        ``timeout`` seconds are over.

        Raises:
            LedgerUnreachable: nothing answered while waiting.
        """
        if seen.deadline > seen.time:  # a deadline that had passed by then has had all the effect it can have
            timeout = min(timeout, self._clock.until(seen.deadline))
        self._waker.wait(_place(seen), timeout)

    def is_free(self) -> bool:
        """Say whether gas has no price: see ``backend.Priced``."""
        return not any(self._fees.now())

    def nudge(self) -> None:
        """Let whoever waits, or waits next, return at once: there is something else to do."""
        self._waker.nudge()

    def close(self) -> None:
        """Wake all who wait and let go of the connection."""
        self._waker.close()
        self.rpc.close()

    def hurry(self) -> None:
        """Say that something was sent which may move the phase."""
        self._waker.hurry()

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


def _place(view: View) -> Place:
    return view.round, int(view.phase), view.due


def _news(view: View) -> tuple[int, ...]:
    said = view.committed | view.abstained, view.voted, view.attested
    return view.round, int(view.phase), view.due, view.active, view.unsettled, *said
