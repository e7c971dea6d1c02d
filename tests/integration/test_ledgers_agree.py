"""The in-memory ledger and the real contract, fed the same random events, hold the same views.

``RAYFED_SEQUENCES`` and ``RAYFED_EVENTS`` set how many sequences there are and how long each is. A difference is
reported with the shortest sequence that still shows it.
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
from rayfed.ledger.ethereum import abi, eip712
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.judgement import Account, Books
from rayfed.protocol.messages import NATIVE, Phase, Status, Terms, Verb, View
from rayfed.testing import ManualClock, MemoryChain
from tests.sequences import ACCOUNTS, KEYS, OF_COURT, Event, random_terms, say, sequence

SEQUENCES = int(os.environ.get("RAYFED_SEQUENCES", "16"))
GROUPS = 4
"""Tests that the sequences are dealt to, so that one which fails does not hide all others."""

PER_CHAIN = 40
"""Sequences played on one chain: Anvil gets slower with every block that it has."""

CHAIN_ID = 31337
SIGNED = {Phase.COMMIT: Verb.COMMIT, Phase.VOTE: Verb.VOTE, Phase.ATTEST: Verb.ATTEST}
PAID = {"deposit": 1, "fund": 0}
"""Which argument is the amount; it is followed by what comes along, as in a challenge and in a demand."""


@contextmanager
def chain() -> Iterator[Rpc]:
    with DevChain() as dev:
        rpc = Rpc(dev.rpc_url)
        rpc.call("anvil_autoImpersonateAccount", True)
        rpc.call("evm_setAutomine", False)
        for account in ACCOUNTS:
            rpc.call("anvil_setBalance", account, hex(10**30))
        yield rpc
        rpc.close()


@pytest.fixture
def rpc() -> Iterator[Rpc]:
    with chain() as rpc:
        yield rpc


class Twins:
    """One federation twice: in memory, and as a contract on Anvil at the same time of day."""

    def __init__(self, rpc: Rpc, terms: Terms) -> None:
        self.rpc = rpc
        # Chain time never goes back, so every federation begins after the one before.
        latest = rpc.call("eth_getBlockByNumber", "latest", False)
        self.clock = ManualClock(int(latest["timestamp"], 16) + 10)
        self.first = int(latest["number"], 16) + 1
        if terms.coin != NATIVE:
            coin = self._mine(ACCOUNTS[0], None, abi.coin_deployment(10**36))["contractAddress"]
            terms = replace(terms, coin=str(abi.checksum(coin)))
        self.memory = MemoryChain(terms, self.clock)
        self.address = str(abi.checksum(self._mine(ACCOUNTS[0], None, abi.deployment(terms))["contractAddress"]))
        self.court = str(abi.answer("COURT", self._ask("COURT")))
        self.memory.court.federation = self.address
        if terms.coin != NATIVE:
            for account in ACCOUNTS:
                self._mine(ACCOUNTS[0], terms.coin, abi.call("transfer", account, 10**30))
                self._mine(account, terms.coin, abi.call("approve", self.court, 2**256 - 1))

    def play(self, event: Event) -> str | None:
        """Let both live through an event; return how they differ then, or None."""
        in_memory = say(self.memory, event)
        sender = ACCOUNTS[event.sender]
        to, data, value = self._call(event)
        self._send(sender, to, data, value)
        # All that there is to see is asked for at once: what takes time is the asking.
        times = (0, 1 + event.after % 40)
        outside = [account for account in ACCOUNTS if account not in self.memory.members][:1]
        asked = [self._asking("snapshot", self.clock.now + ahead) for ahead in times]
        asked += [self._asking(name, to=self.court) for name in ("accounts", "books", "openCases")]
        asked += [self._asking("account", account, to=self.court) for account in outside]
        mined, *told = self.rpc.batch([("eth_getBlockReceipts", ["latest"]), *asked])
        views, courts = told[: len(times)], told[len(times) :]
        on_chain = None
        if mined[0]["status"] != "0x1":
            on_chain = self._reason(sender, to, data, value)
        if in_memory != on_chain:
            return f"in memory {in_memory}, the contract {on_chain}"
        for ahead, view in zip(times, views, strict=True):
            found = self._difference(ahead, bytes.fromhex(view[2:]))
            if found:
                return found
        return self._difference_of_courts(outside, [bytes.fromhex(one[2:]) for one in courts])

    def _call(self, event: Event) -> tuple[str, bytes, int]:
        """Return what an event is as a transaction: to whom, the call, and how much comes along."""
        verb, given, terms = event.verb, list(event.arguments), self.memory.terms
        value = 0
        if verb in ("deposit", "fund", "challenge", "demand"):
            paid = given.pop()
            due = given[PAID[verb]] if verb in PAID else terms.bond
            value = paid if paid is not None else due if terms.coin == NATIVE else 0
        if verb == "relay":
            phase, round, signers, messages, others = given
            given = [phase, round, signers, [self._signed(m, phase, round) for m in messages], others]
        if verb == "equivocation":
            given[3:] = [self._signed(message, given[1], given[2]) for message in given[3:]]
        if verb == "prove":
            given[2] = [(p.which, p.data, p.path, p.header, p.header_path) for p in given[2]]
        return self.court if verb in OF_COURT else self.address, abi.call(verb, *given), value

    def _signed(self, message: tuple[Address, bytes], phase: Phase, round: int) -> tuple[bytes, bytes, bytes]:
        who, value = message
        if phase not in SIGNED:
            return value, bytes(32), bytes(32)
        made = eip712.sign(KEYS[ACCOUNTS.index(who)], CHAIN_ID, self.address, SIGNED[phase], round, value)
        return made.value, made.r, made.vs

    def _difference_of_courts(self, outside: Sequence[Address], told: Sequence[bytes]) -> str | None:
        """Return how accounts, books, open cases and an outsider's account differ from what was told, or None."""
        court = self.memory.court
        accounts, books, cases, *account = told
        pairs: list[tuple[str, Any, Any]] = [
            ("accounts", court.accounts(), tuple(Account(**a) for a in abi.answer("accounts", accounts))),
            ("books", court.books(), Books(**abi.answer("books", books))),
            (
                "cases",
                [plain(c) for c in court.open_cases()],
                [plain(c) for c in abi.answer("openCases", cases)],
            ),
        ]
        for address, one in zip(outside, account, strict=True):
            pairs.append(("account", court.account(address), Account(**abi.answer("account", one))))
        for name, in_memory, on_chain in pairs:
            if in_memory != on_chain:
                return f"{name}: in memory {in_memory}, the contract {on_chain}"
        return None

    def difference_in_the_end(self) -> str | None:
        """Return how the two remember differently what has happened, or None."""
        for id, case in self.memory.court.cases.items():
            if plain(case) != plain(self._asked("caseOf", id)):
                return f"in memory {case}, the contract {self._asked('caseOf', id)}"
        for round in range(self.memory.terms.rounds + 2):
            in_memory = self.memory.record(round)
            on_chain = self._asked("record", round)
            if plain(in_memory) != (plain(on_chain) if on_chain["status"] else {}):
                return f"record of round {round}: in memory {in_memory}, the contract {on_chain}"
        held = self.memory.court.books()
        total = held.pool + held.stakes + held.bonds + held.owed
        if self._balance() != total:
            return f"the court holds {self._balance()}, and its books say {total}"
        return self.difference_of_outcomes() or self._difference_of_events()

    def _difference_of_events(self) -> str | None:
        logs = self.rpc.call(
            "eth_getLogs", {"address": [self.address, self.court], "fromBlock": hex(self.first), "toBlock": "latest"}
        )
        on_chain = [abi.event(log) for log in logs]
        in_memory = [(said.name, said.values) for said in self.memory.events]
        for ours, theirs in zip(in_memory, on_chain, strict=False):
            if ours[0] != theirs[0] or plain(ours[1]) != plain(theirs[1]):
                return f"event: in memory {ours}, the contract {theirs}"
        return None if len(in_memory) == len(on_chain) else f"{len(in_memory)} events, {len(on_chain)} logs"

    def _balance(self) -> int:
        coin = self.memory.terms.coin
        if coin == NATIVE:
            return int(self.rpc.call("eth_getBalance", self.court, "latest"), 16)
        return int(abi.answer("balanceOf", self._ask("balanceOf", self.court, to=coin)))

    def _asked(self, name: str, *arguments: Any) -> Any:
        to = self.address if name == "record" else self.court
        return abi.answer(name, self._ask(name, *arguments, to=to))

    def difference_of_outcomes(self) -> str | None:
        """Return how the two remember closed rounds differently, or None."""
        for round in range(self.memory.terms.rounds + 2):
            # The contract tells an outcome only once somebody has closed the round; a view tells it at the deadline.
            in_memory, on_chain = self.memory.outcomes.get(round), abi.outcome(self._ask("outcome", round))
            if in_memory != on_chain:
                return f"outcome of round {round}: in memory {in_memory}, the contract {on_chain}"
        return None

    def _difference(self, ahead: int, told: bytes) -> str | None:
        """Return how the views so many seconds from now differ, or None."""
        self.clock.now += ahead
        in_memory, on_chain = self.memory.view(), abi.view(told)
        self.clock.now -= ahead
        if in_memory == on_chain:
            return None
        names = [f.name for f in fields(View) if getattr(in_memory, f.name) != getattr(on_chain, f.name)]
        told = (f"{n}: in memory {getattr(in_memory, n)}, the contract {getattr(on_chain, n)}" for n in names)
        return f"view in {ahead} s: " + "; ".join(told)

    def _mine(self, sender: str, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        self._send(sender, to, data, value)
        [receipt] = self.rpc.call("eth_getBlockReceipts", "latest")
        mined: dict[str, Any] = receipt
        return mined

    def _send(self, sender: str, to: str | None, data: bytes, value: int) -> None:
        """Send a transaction, and have it mined in a block of its own, now."""
        said = {"from": sender, "data": "0x" + data.hex(), "gas": hex(16_000_000), "value": hex(value)}
        self.rpc.call("eth_sendTransaction", said | ({"to": to} if to else {}))
        self.rpc.call("evm_mine", self.clock.now)

    def _reason(self, sender: str, to: str, data: bytes, value: int) -> str:
        """Return the error's name: what was refused left no trace, so at the same time it is refused again."""
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        try:
            self.rpc.call("eth_call", call, "latest")
        except RpcError as error:
            return abi.error_name(error.data)[0]
        return "refused once, and then not"

    def _ask(self, name: str, *arguments: Any, to: str | None = None) -> bytes:
        method, parameters = self._asking(name, *arguments, to=to)
        return bytes.fromhex(self.rpc.call(method, *parameters)[2:])

    def _asking(self, name: str, *arguments: Any, to: str | None = None) -> tuple[str, list[Any]]:
        """Return a question as a request."""
        return "eth_call", [{"to": to or self.address, "data": "0x" + abi.call(name, *arguments).hex()}, "latest"]


def plain(value: Any) -> Any:
    """Return a value with mappings in the place of its classes, and everything in one spelling."""
    if value is None:
        return {}
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
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
def test_same_events_same_views(group: int) -> None:
    numbers = range(group, SEQUENCES, GROUPS)
    for first in range(0, len(numbers), PER_CHAIN):
        with chain() as rpc:
            for number in numbers[first : first + PER_CHAIN]:
                terms, events = sequence(number)
                if first_difference(rpc, terms, events):
                    events = shortest(rpc, terms, events)
                    story = "\n".join(map(str, events))
                    found = first_difference(rpc, terms, events)
                    pytest.fail(f"sequence {number}: {found}\n{terms}\n{story}", pytrace=False)


def test_the_sequences_reach_every_corner() -> None:
    """What the sequences never do they cannot compare: every error and every way to close a round has to occur."""
    refusals: set[str] = set()
    endings: set[tuple[Status, bool]] = set()
    late = drops = done = 0
    for number in range(200):
        terms, events = sequence(number)
        chain = MemoryChain(terms, ManualClock())
        for event in events:
            refused = say(chain, event)
            refusals |= {refused} if refused else set()
        endings |= {(outcome.status, outcome.included > 0) for outcome in chain.outcomes.values()}
        late += any(line.endswith(", late") for line in chain.log)
        drops += any(line.endswith("is dropped") for line in chain.log)
        done += chain.phase is Phase.DONE
    assert endings == {(Status.FINAL, True), (Status.VOID, True), (Status.VOID, False)}
    assert min(late, drops, done) > 0
    every = {entry["name"] for name in (abi.FEDERATION, abi.COURT) for entry in _errors(name)}
    assert every - refusals == UNREACHED


UNREACHED = {
    # Terms that cannot be are refused at the start, and 257 accounts are not here.
    "FederationFull",
    "InvalidTerms",
    # Coins that misbehave, guards, and who may call: the contracts' own tests have them.
    "NotCourt",
    "NotFederation",
    "NoPermits",
    "PaymentFailed",
    "ReentrancyGuardReentrantCall",
    "SafeERC20FailedOperation",
    "TooMuch",
    # Signatures here are always well-formed.
    "ECDSAInvalidSignature",
    "ECDSAInvalidSignatureS",
}


def _errors(contract: str) -> list[dict[str, Any]]:
    return [entry for entry in abi.ARTIFACTS[contract]["abi"] if entry["type"] == "error"]


def test_terms_are_refused_alike(rpc: Rpc) -> None:
    """The contract refuses terms that make no sense; the charter's own checks never let them get there."""
    good = replace(random_terms(random.Random(0)), coin=NATIVE)
    for changed in (
        {"rounds": 0},
        {"min_members": good.start_members + 1},
        {"quorum": (1, 1)},
        {"max_missed": 8},
        {"bond": 0},
        {"challenge_seconds": 0},
        {"proof_seconds": 0},
        {"refused_share": 10_001},
        {"challenger_share": 10_001},
        {"rule": 4},
        {"rule": 2, "trim": 5_000},
        {"rule": 1, "max_weight": 0},
        {"rule": 1, "max_weight": 1 << 24},
        {"coin": ACCOUNTS[0]},
    ):
        data = "0x" + abi.deployment(replace(good, **changed)).hex()  # type: ignore[arg-type]
        with pytest.raises(RpcError) as refused:
            rpc.call("eth_call", {"from": ACCOUNTS[0], "data": data}, "latest")
        assert abi.error_name(refused.value.data)[0] == "InvalidTerms"
