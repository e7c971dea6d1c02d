"""The Ethereum door: a federation's contract on any chain, as a ``Ledger``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from eth_utils.address import is_address

from rayfed.encoding.primitives import MAX_MEMBERS, Address, Root
from rayfed.errors import CharterMismatch, ConfigError, LedgerError, NotAFederation, WrongChain
from rayfed.ledger.ethereum import abi, deployment, events
from rayfed.ledger.ethereum.clock import ChainClock
from rayfed.ledger.ethereum.deployment import Deployed, deploy, fund
from rayfed.ledger.ethereum.events import Event
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.included import IncludedRoots
from rayfed.ledger.ethereum.notifier import Waker
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.ledger.ethereum.sender import Sender
from rayfed.protocol.judgement import Account, Books, Case, Kind, Record, State
from rayfed.protocol.messages import NATIVE, Outcome, Status, Terms, View

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["Deployed", "EthereumFederation", "Event", "connect", "deploy", "fund"]


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
        self._court: Address | None = None
        self._included = IncludedRoots(self)
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
            raise ConfigError("federation_address", f"{address!r} is not an Ethereum address")
        address = str(abi.checksum(address))
        rpc = connect(rpc_url, chain_id)
        code = bytes.fromhex(rpc.call("eth_getCode", address, "latest")[2:])
        if not code:
            raise NotAFederation(f"federation_address: there is no contract at {address} on chain {rpc.chain_id}")
        if not abi.is_ours(code):
            raise NotAFederation(f"federation_address: the contract at {address} is not a rayfed federation")
        federation = cls(rpc, address, ws_url, **sending)
        federation._check_court()
        founded = federation.terms().charter
        if charter_hash is not None and founded != charter_hash:
            raise CharterMismatch(
                f"charter: {address} was founded on charter {founded.hex()[:16]}..., yours is "
                f"{charter_hash.hex()[:16]}..."
            )
        federation._set_clock()
        return federation

    def sender(self, account: LocalAccount) -> Sender:
        """Return what signs an account's transactions and sees them through; ``doors.open_door`` says what for."""
        return Sender(self.rpc, self._fees, account, self.address, **self._sending)

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

    @property
    def court(self) -> Address:
        """The contract that keeps stakes and judges."""
        if self._court is None:
            self._court = str(abi.answer("COURT", self._ask("COURT")))
        return self._court

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed; there is no round 0."""
        if round < 1:
            return None
        held = abi.answer("record", self._ask("record", round))
        return Record(**{**held, "status": Status(held["status"])}) if held["status"] else None

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """Return the roots of a final round's included updates; see ``included.IncludedRoots.of``."""
        return self._included.of(round)

    def account(self, address: Address) -> Account:
        """Return what an address has in the court."""
        return Account(**self._ask_court("account", address))

    def accounts(self) -> tuple[Account, ...]:
        """Return what each member has in the court, by index."""
        return tuple(Account(**one) for one in self._ask_court("accounts"))

    def books(self) -> Books:
        """Return where all the money is."""
        return Books(**self._ask_court("books"))

    def case(self, id: int) -> Case | None:
        """Return a case, or None if there is none of this number."""
        held = _case(self._ask_court("caseOf", id))
        return None if held.state is State.NONE else held

    def open_cases(self) -> tuple[Case, ...]:
        """Return the open cases, oldest first."""
        return tuple(_case(one) for one in self._ask_court("openCases"))

    def coins(self, address: Address) -> int:
        """Return how much of the federation's coin an address holds, in its smallest unit."""
        coin = self.terms().coin
        return self.balance(address) if coin == NATIVE else self._ask_coin("balanceOf", address)

    def pays_in_dlc(self) -> bool:
        """Say whether the coin is a DeepLearningCoin, by its code."""
        return abi.is_ours(bytes.fromhex(self.rpc.call("eth_getCode", self.terms().coin, "latest")[2:]), abi.COIN)

    def allowance(self, owner: Address) -> int:
        """Return how much of an owner's coins the court may take; of the chain's own currency what comes."""
        return 0 if self.terms().coin == NATIVE else self._ask_coin("allowance", owner, self.court)

    def balance(self, address: Address) -> int:
        """Return how many wei an account holds."""
        return deployment.balance(self.rpc, address)

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        """Yield what the federation and its court have said; see ``events.events``."""
        return events.events(self.rpc, (self.address, self.court), first, last, names)

    def block(self) -> int:
        """Return the number of the newest block."""
        return int(self.rpc.call("eth_blockNumber"), 16)

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

    def nudge(self) -> None:
        """Let whoever waits, or waits next, return at once: there is something else to do."""
        self._waker.nudge()

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

    def _ask(self, name: str, *arguments: Any, to: Address | None = None) -> bytes:
        call = {"to": to or self.address, "data": "0x" + abi.call(name, *arguments).hex()}
        return bytes.fromhex(self.rpc.call("eth_call", call, "latest")[2:])

    def _ask_court(self, name: str, *arguments: Any) -> Any:
        return abi.answer(name, self._ask(name, *arguments, to=self.court))

    def _ask_coin(self, name: str, *arguments: Any) -> int:
        return int(abi.answer(name, self._ask(name, *arguments, to=self.terms().coin)))

    def _check_court(self) -> None:
        """Check that the court is ours, and this federation's: a look-alike could send the stakes anywhere."""
        code = bytes.fromhex(self.rpc.call("eth_getCode", self.court, "latest")[2:])
        if not abi.is_ours(code, abi.COURT) or self._ask_court("federation") != self.address:
            raise NotAFederation(f"federation_address: the court of {self.address} is not a rayfed federation's")

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


def _place(view: View) -> tuple[int, int]:
    return view.round, int(view.phase)


def _news(view: View) -> tuple[int, ...]:
    return view.round, int(view.phase), view.active, view.committed, view.voted, view.attested


def _case(held: dict[str, Any]) -> Case:
    return Case(**{**held, "kind": Kind(held["kind"]), "state": State(held["state"])})
