"""The ledger in memory and the real contracts, fed the same random events, disputes among them, answer the same.

``RAYFED_SEQUENCES`` and ``RAYFED_EVENTS`` set how many sequences there are and how long each is, ``RAYFED_FIRST`` which
is the first, so that many can be played a part at a time. A difference is reported with the shortest sequence that
still shows it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum import abi, eip712, parts
from rayfed.ledger.ethereum.calls import contract_call
from rayfed.ledger.ethereum.clock import ChainClock
from rayfed.ledger.ethereum.contract_court import ContractCourt
from rayfed.ledger.ethereum.contract_state import Questions, view_of
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.commands import Deposit, EnterRoot, Fund, Statement
from rayfed.protocol.court import Match, Point
from rayfed.protocol.messages import NATIVE, Signed, Status, Terms
from rayfed.testing import ManualClock, MemoryChain
from tests.sequences import ACCOUNTS, KEYS, Event, Posted, random_terms, say, sequence

SEQUENCES = int(os.environ.get("RAYFED_SEQUENCES", "48"))
FIRST = int(os.environ.get("RAYFED_FIRST", "0"))
GROUPS = 4
"""Tests that the sequences are dealt to, so that one which fails does not hide all others."""

PER_CHAIN = 40
"""Sequences played on one chain: Anvil gets slower with every block that it has."""

CHAIN_ID = 31337
BY_ADDRESS = dict(zip(ACCOUNTS, KEYS, strict=True))
FREE = {"maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0", "gas": hex(30_000_000)}
"""Gas costs nothing here, so that nothing is reimbursed: what gas is used the ledger in memory does not know."""


@contextmanager
def chain() -> Iterator[Rpc]:
    with DevChain() as dev:
        rpc = Rpc(dev.rpc_url)
        rpc.call("anvil_autoImpersonateAccount", True)
        rpc.call("evm_setAutomine", False)
        rpc.call("anvil_setNextBlockBaseFeePerGas", "0x0")
        for account in ACCOUNTS:
            rpc.call("anvil_setBalance", account, hex(10**40))
        yield rpc
        rpc.close()


class Twins:
    """One federation twice: in memory, and as a contract on Anvil at the same time of day."""

    def __init__(self, rpc: Rpc, terms: Terms, number: int = 0) -> None:
        self.rpc = rpc
        # Chain time never goes back, so every federation begins after the one before.
        latest = rpc.call("eth_getBlockByNumber", "latest", False)
        self.clock = ManualClock(int(latest["timestamp"], 16) + 10)
        factory = self._parts()
        if terms.coin != NATIVE:
            coin = self._mine(ACCOUNTS[0], None, abi.init_code(abi.COIN, 10**38))["contractAddress"]
            terms = replace(terms, coin=str(abi.checksum(coin)))
        salt = self.clock.now.to_bytes(32, "big")
        self.memory = MemoryChain(terms, self.clock)
        self.address = parts.address_of(factory.address, self._ledger, terms, salt)
        receipt = self._mine(ACCOUNTS[0], factory.address, abi.call("found", abi.fields(terms), salt))
        assert receipt["status"] == "0x1"
        self.domain = eip712.Domain(CHAIN_ID, self.address, terms.charter)
        self.first = int(receipt["blockNumber"], 16)
        self.contract = ContractCourt(Questions(rpc, self.address, ChainClock()), terms)
        if terms.coin != NATIVE:
            for account in ACCOUNTS:
                self._mine(ACCOUNTS[0], terms.coin, abi.call("transfer", account, 10**36))
                self._mine(account, terms.coin, abi.call("approve", self.address, 2**256 - 1))

    def _parts(self) -> parts.Part:
        """Put the parts on the chain, where they are not there yet; return the factory."""
        those = parts.parts(parts.PROXY)
        for part in parts.missing(self.rpc, those):
            self._mine(ACCOUNTS[0], parts.PROXY, parts.SALT + part.init)
        assert not parts.missing(self.rpc, those)
        self._ledger = those[-2].address
        return those[-1]

    def play(self, event: Event) -> str | None:
        """Let both live through an event; return how they differ then, or None."""
        disputes = self._disputes()
        in_memory = say(self.memory, event)
        sender, terms = ACCOUNTS[event.sender], self.memory.terms()
        said = event.said
        command = said.relay(self._signed) if isinstance(said, Posted) else said
        call = contract_call(command, terms, event.proof)
        value = call.value
        if event.value is not None and isinstance(command, Deposit | Fund | EnterRoot):
            value = event.value
        mined = self._mine(sender, self.address, call.data, value)
        on_chain = None if mined["status"] == "0x1" else self._reason(sender, call.data, value)
        if in_memory != on_chain:
            return f"in memory {in_memory}, the contract {on_chain}"
        return self._difference_of_views(event) or self._difference_of_accounts() or self._difference_in_court(disputes)

    def _signed(self, who: Address, statement: Statement) -> Signed:
        return eip712.sign(BY_ADDRESS[who], self.domain, statement)

    # -- what differs ------------------------------------------------------------------

    def _difference_of_views(self, event: Event) -> str | None:
        """Return how the views differ, now and some seconds from now."""
        times = (0, 1 + event.after % 40)
        asked = {"to": self.address, "data": "0x" + abi.call("overview", 0).hex()}
        told = self.rpc.batch(
            [("eth_call", [asked, "latest", {}, {"time": hex(self.clock.now + ahead)}]) for ahead in times]
        )
        for ahead, answer in zip(times, told, strict=True):
            self.clock.now += ahead
            in_memory = self.memory.view()
            self.clock.now -= ahead
            found = difference("view", in_memory, view_of(abi.answer("overview", bytes.fromhex(answer[2:]))))
            if found:
                return f"in {ahead} s, {found}"
        return None

    def _difference_of_accounts(self) -> str | None:
        found = difference("books", self.memory.books(), self.contract.books())
        for address, on_chain in zip(ACCOUNTS, self.contract.accounts(ACCOUNTS), strict=True):
            found = found or difference("account", self.memory.account(address), on_chain)
        return found

    def _disputes(self) -> list[int]:
        """Return the rounds whose slots are in use, and that have a tournament."""
        view = self.memory.view()
        held = [self.memory.round_of(round) for round in self.memory.terms().slots(view.round)]
        return [one.round for one in held if one is not None and self.memory.tournament(one.round) is not None]

    def _difference_in_court(self, rounds: Sequence[int]) -> str | None:
        pairs: list[tuple[str, Any, Any]] = []
        for round in dict.fromkeys((*rounds[-2:], *self._disputes()[-2:])):
            ours, theirs = self.memory.tournament(round), self.contract.tournament(round)
            pairs.append(("tournament", ours, theirs))
            pairs.append(("round", self.memory.round_of(round), self.contract.round_of(round)))
            if ours is None:
                continue
            for number in range(min(ours.entries, 4) + 1):
                pairs.append(("entry", self.memory.entry(round, number), self.contract.entry(round, number)))
            for level in range(ours.stages + 2):
                place = (round, level, 0)
                pairs.append(("survivor", self.memory.survivor(*place), self.contract.survivor(*place)))
                match = self.memory.match(*place)
                pairs.append(("match", match, self.contract.match(*place)))
        return next((found for name, ours, theirs in pairs if (found := difference(name, ours, theirs))), None)

    def difference_in_the_end(self) -> str | None:
        """Return how the two remember differently what has happened, or None."""
        for round in range(self.memory.view().round + 2):
            pairs = [
                ("outcome", self.memory.outcome(round), self.contract.outcome(round)),
                ("round", self.memory.round_of(round), self.contract.round_of(round)),
                ("evidence", self.memory.merge_evidence(round), self.contract.merge_evidence(round)),
            ]
            tournament = self.memory.tournament(round)
            for number in range(min(8, tournament.entries) if tournament is not None else 0):
                entry = self.memory.entry(round, number)
                pairs.append(("entry", entry, self.contract.entry(round, number)))
                if entry is not None:
                    root = entry.root
                    pairs.append(("number", self.memory.number_of(round, root), self.contract.number_of(round, root)))
            for name, ours, theirs in pairs:
                if found := difference(f"{name} of round {round}", ours, theirs):
                    return found
        for (place, first, count), ours in self.memory.storage.shown.items():
            match = self.memory.match(*place)
            assert isinstance(match, Match)
            point = Point(*place[:2], match.point.i, match.point.j, first, count)
            if found := difference("shown", ours, self.contract.shown(point)):
                return found
        found = difference("cards", self.memory.cards(), self.contract.cards())
        return found or self._difference_of_money() or self._difference_of_events()

    def _difference_of_events(self) -> str | None:
        question = {"address": self.address, "fromBlock": hex(self.first), "toBlock": "latest"}
        on_chain = [abi.event(log) for log in self.rpc.call("eth_getLogs", question)]
        in_memory = [(said.name, said.values) for said in self.memory.events]
        for ours, theirs in zip(in_memory, on_chain, strict=False):
            if ours[0] != theirs[0] or plain(ours[1]) != plain(theirs[1]):
                return f"event: in memory {ours}, the contract {theirs}"
        return None if len(in_memory) == len(on_chain) else f"{len(in_memory)} events, {len(on_chain)} logs"

    def _difference_of_money(self) -> str | None:
        """Return how what the contract holds differs from what was brought less what was paid."""
        storage, coin = self.memory.storage, self.memory.terms().coin
        coins, native = -sum(storage.paid.values()), -sum(storage.native_paid.values())
        held = int(self.rpc.call("eth_getBalance", self.address, "latest"), 16)
        if coin == NATIVE:
            return None if held == coins + native else f"the contract holds {held}, brought were {coins} and {native}"
        data = "0x" + abi.call("balanceOf", self.address).hex()
        has = int(self.rpc.call("eth_call", {"to": coin, "data": data}, "latest"), 16)
        return None if (has, held) == (coins, native) else f"the contract holds {has}, {held}, not {coins}, {native}"

    # -- the chain ------------------------------------------------------------------

    def _mine(self, sender: str, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        """Send a transaction, and have it mined in a block of its own, now; return the receipt."""
        said = {"from": sender, "data": "0x" + data.hex(), "value": hex(value), **FREE}
        self.rpc.call("eth_sendTransaction", said | ({"to": to} if to else {}))
        self.rpc.call("evm_mine", self.clock.now)
        [receipt] = self.rpc.call("eth_getBlockReceipts", "latest")
        if to is None or to == parts.PROXY or self.memory_is_not_there:
            self.clock.now += 1
        mined: dict[str, Any] = receipt
        return mined

    @property
    def memory_is_not_there(self) -> bool:
        """Whether all of this is still about what was before the federation."""
        return not hasattr(self, "memory")

    def _reason(self, sender: str, data: bytes, value: int) -> str:
        """Return the error's name: what was refused left no trace, so at the same time it is refused again."""
        call = {"from": sender, "to": self.address, "data": "0x" + data.hex(), "value": hex(value), "gas": FREE["gas"]}
        try:
            self.rpc.call("eth_call", call, "latest")
        except RpcError as error:
            return abi.error_name(error.data)[0]
        return "refused once, and then not"


def difference(name: str, ours: Any, theirs: Any) -> str | None:
    """Return how two answers differ, field by field, or None."""
    if ours == theirs:
        return None
    if not is_dataclass(ours) or not is_dataclass(theirs):
        return f"{name}: in memory {ours}, the contract {theirs}"
    names = [f.name for f in fields(ours) if getattr(ours, f.name) != getattr(theirs, f.name)]
    told = (f"{n}: in memory {getattr(ours, n)}, the contract {getattr(theirs, n)}" for n in names)
    return f"{name}: " + "; ".join(told)


def plain(value: Any) -> Any:
    """Return a value with everything in one spelling."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def first_difference(rpc: Rpc, terms: Terms, events: Sequence[Event]) -> str | None:
    twins = Twins(rpc, terms)
    for event in events:
        found = twins.play(event)
        if found:
            return f"{event}: {found}"
    return twins.difference_in_the_end()


def shortest(rpc: Rpc, terms: Terms, events: list[Event]) -> list[Event]:
    """Leave out whatever the difference does not need."""
    place = 0
    while place < len(events):
        fewer = events[:place] + events[place + 1 :]
        if first_difference(rpc, terms, fewer):
            events = fewer
        else:
            place += 1
    return events


@pytest.mark.timeout(0)  # RAYFED_SEQUENCES may ask for hours
@pytest.mark.parametrize("group", range(GROUPS))
def test_same_events_same_answers(group: int) -> None:
    numbers = range(FIRST + group, FIRST + SEQUENCES, GROUPS)
    for first in range(0, len(numbers), PER_CHAIN):
        with chain() as rpc:
            for number in numbers[first : first + PER_CHAIN]:
                terms, events = sequence(number)
                if first_difference(rpc, terms, events):
                    events = shortest(rpc, terms, events)
                    story = "\n".join(map(str, events))
                    found = first_difference(rpc, terms, events)
                    pytest.fail(f"sequence {number}: {found}\n{terms}\n{story}", pytrace=False)


UNREACHED = {
    # Terms that cannot be are refused at the start, and 257 accounts are not here.
    "AlreadyStarted",
    "FederationFull",
    "InvalidTerms",
    "TournamentFull",
    # Coins that misbehave, guards, and money for nothing: the contracts' own tests have them.
    "Create2EmptyBytecode",
    "FailedDeployment",
    "InsufficientBalance",
    "CloneArgumentsTooLong",
    "NoVerb",
    "PaymentFailed",
    "ReentrancyGuardReentrantCall",
    "SafeERC20FailedOperation",
    # Signatures here are always well-formed, and a command counts its statements itself.
    "ECDSAInvalidSignature",
    "ECDSAInvalidSignatureS",
    "WrongCount",
}


def test_the_sequences_reach_every_corner() -> None:
    """What the sequences never do they cannot compare: every error and every way to close a round has to occur."""
    refusals: set[str] = set()
    statuses: set[Status] = set()
    told: set[str] = set()
    for number in range(240):
        terms, events = sequence(number)
        memory = MemoryChain(terms, ManualClock())
        for event in events:
            refused = say(memory, event)
            refusals |= {refused} if refused else set()
        statuses |= {outcome.status for outcome in memory.storage.outcomes.values()}
        told |= {said.name for said in memory.events}
    assert statuses == {Status.FINAL, Status.VOID, Status.SETTLED, Status.OVER}
    contracts = (abi.FACTORY, abi.LEDGER, abi.TREASURY, abi.TOURNAMENT)
    entries = [entry for name in contracts for entry in abi.ARTIFACTS[name]["abi"]]
    assert {entry["name"] for entry in entries if entry["type"] == "error"} - refusals == UNREACHED
    assert {entry["name"] for entry in entries if entry["type"] == "event"} - told == {"Founded", "Reimbursed"}


def test_terms_are_refused_alike() -> None:
    """The factory refuses terms that make no sense; the charter's own checks never let them get there."""
    good = replace(random_terms(random.Random(0)), coin=NATIVE)
    wrong: list[dict[str, Any]] = [
        {"charter": bytes(32)},
        {"genesis": bytes(32)},
        {"rounds": 0},
        {"start_members": 257},
        {"min_members": good.start_members + 1},
        {"max_missed": 8},
        {"max_unsettled": 0},
        {"max_unsettled": 17},
        {"max_void": 0},
        {"limit_seconds": 0},
        {"bond": 0},
        {"window_seconds": 0},
        {"clock_seconds": 0},
        {"proof_seconds": 0},
        {"right_share": 1_001},
        {"rule": 4},
        {"rule": 2, "trim": 5_000},
        {"rule": 1, "max_weight": 0},
        {"rule": 1, "max_weight": 1 << 24},
        {"values": 0},
        {"encoding": (32).to_bytes(32, "big")},
        {"coin": ACCOUNTS[0]},
    ]
    with chain() as rpc:
        factory = Twins(rpc, good)._parts().address
        for changed in wrong:
            data = "0x" + abi.call("found", abi.fields(replace(good, **changed)), bytes(32)).hex()
            with pytest.raises(RpcError) as refused:
                rpc.call("eth_call", {"from": ACCOUNTS[0], "to": factory, "data": data}, "latest")
            assert abi.error_name(refused.value.data)[0] == "InvalidTerms", changed
