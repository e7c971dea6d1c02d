"""The in-memory ledger and the real contract, fed the same random events, hold the same views.

``RAYFED_SEQUENCES`` and ``RAYFED_EVENTS`` set how many sequences there are and how long each is; sequence ``n`` is the
same in every run. A difference is reported with the shortest sequence that still shows it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from rayfed.errors import Rejected
from rayfed.ledger import abi
from rayfed.ledger.devchain import DevChain
from rayfed.ledger.rpc import Rpc, RpcError
from rayfed.messages import NO_ROOT, Phase, Status, Terms, View, bits
from rayfed.testing import ManualClock, MemoryChain

SEQUENCES = int(os.environ.get("RAYFED_SEQUENCES", "40"))
EVENTS = int(os.environ.get("RAYFED_EVENTS", "60"))
GROUPS = 4
"""Tests that the sequences are dealt to, so that one which fails does not hide all others."""

CHARTER = b"\1" * 32
GENESIS = b"\2" * 32
ACCOUNTS = [str(abi.checksum(f"0x{0xACC0 + i:040x}")) for i in range(6)]
ROOTS = [bytes([0x10 + i]) * 32 for i in range(3)]
QUORUMS = [(1, 2), (2, 3), (3, 5), (3, 4), (9, 10)]


@dataclass(frozen=True)
class Event:
    """Somebody says something, some seconds after the event before."""

    after: int
    sender: int
    verb: str
    arguments: tuple[Any, ...] = ()


def say(chain: MemoryChain, event: Event) -> str | None:
    """Tell the ledger in memory; return the name of the error with which it refuses, or None."""
    chain.clock.advance(event.after)
    who = () if event.verb == "poke" else (ACCOUNTS[event.sender],)
    try:
        getattr(chain, event.verb)(*who, *event.arguments)
    except Rejected as error:
        return error.name
    return None


@pytest.fixture(scope="module")
def rpc() -> Iterator[Rpc]:
    with DevChain() as dev:
        rpc = Rpc(dev.rpc_url)
        rpc.call("anvil_autoImpersonateAccount", True)
        for account in ACCOUNTS:
            rpc.call("anvil_setBalance", account, hex(10**24))
        yield rpc
        rpc.close()


class Twins:
    """One federation twice: in memory, and as a contract on Anvil at the same time of day."""

    def __init__(self, rpc: Rpc, terms: Terms) -> None:
        self.rpc = rpc
        # Chain time never goes back, so every federation begins after the one before.
        latest = rpc.call("eth_getBlockByNumber", "latest", False)
        self.clock = ManualClock(int(latest["timestamp"], 16) + 10)
        self.memory = MemoryChain(terms, self.clock)
        self.address = str(self._mine(ACCOUNTS[0], None, abi.deployment(terms))["contractAddress"])

    def play(self, event: Event) -> str | None:
        """Let both live through an event; return how they differ then, or None."""
        in_memory = say(self.memory, event)
        sender = ACCOUNTS[event.sender]
        data = abi.call(event.verb, *event.arguments)
        on_chain = None
        if self._mine(sender, self.address, data)["status"] != "0x1":
            on_chain = self._reason(sender, data)
        if in_memory != on_chain:
            return f"in memory {in_memory}, the contract {on_chain}"
        return self._difference(0) or self._difference(1 + event.after % 40)

    def difference_of_outcomes(self) -> str | None:
        """Return how the two remember closed rounds differently, or None."""
        for round in range(self.memory.terms.rounds + 2):
            # The contract tells an outcome only once somebody has closed the round; a view tells it at the deadline.
            in_memory, on_chain = self.memory.outcomes.get(round), abi.outcome(self._ask("outcome", round))
            if in_memory != on_chain:
                return f"outcome of round {round}: in memory {in_memory}, the contract {on_chain}"
        return None

    def _difference(self, ahead: int) -> str | None:
        """Return how the views so many seconds from now differ, or None."""
        self.clock.now += ahead
        in_memory, on_chain = self.memory.view(), abi.view(self._ask("snapshot", self.clock.now))
        self.clock.now -= ahead
        if in_memory == on_chain:
            return None
        names = [f.name for f in fields(View) if getattr(in_memory, f.name) != getattr(on_chain, f.name)]
        told = (f"{n}: in memory {getattr(in_memory, n)}, the contract {getattr(on_chain, n)}" for n in names)
        return f"view in {ahead} s: " + "; ".join(told)

    def _mine(self, sender: str, to: str | None, data: bytes) -> dict[str, Any]:
        self.rpc.call("evm_setNextBlockTimestamp", self.clock.now)
        said = {"from": sender, "data": "0x" + data.hex(), "gas": hex(15_000_000)} | ({"to": to} if to else {})
        sent = self.rpc.call("eth_sendTransaction", said)
        receipt: dict[str, Any] | None = None
        while receipt is None:  # Anvil mines a moment after it has answered
            receipt = self.rpc.call("eth_getTransactionReceipt", sent)
        return receipt

    def _reason(self, sender: str, data: bytes) -> str:
        """Return the error's name: what was refused left no trace, so at the same time it is refused again."""
        try:
            self.rpc.call("eth_call", {"from": sender, "to": self.address, "data": "0x" + data.hex()}, "latest")
        except RpcError as error:
            return abi.error_name(error.data)[0]
        return "refused once, and then not"

    def _ask(self, name: str, *arguments: Any) -> bytes:
        call = {"to": self.address, "data": "0x" + abi.call(name, *arguments).hex()}
        return bytes.fromhex(self.rpc.call("eth_call", call, "latest")[2:])


def random_terms(dice: random.Random) -> Terms:
    start = dice.randint(1, len(ACCOUNTS))
    longest = dice.choice((30, 100, 1000))
    return Terms(
        charter=CHARTER,
        genesis=GENESIS,
        rounds=dice.randint(1, 12),
        join_seconds=dice.randint(1, longest),
        commit_seconds=dice.randint(1, longest),
        vote_seconds=dice.randint(1, longest),
        attest_seconds=dice.randint(1, longest),
        start_members=start,
        min_members=dice.randint(1, start),
        max_missed=dice.choice((0, 1, 2, 3, 7)),
        quorum=dice.choice(QUORUMS),
    )


def random_event(dice: random.Random, chain: MemoryChain) -> Event:
    """Return what may come next: mostly something sensible by somebody whose turn it is, often enough nonsense."""
    after = dice.choices((1, dice.randint(1, 10), dice.randint(10, 80)), (92, 6, 2))[0]
    anybody = dice.randrange(len(ACCOUNTS))
    if dice.random() < 0.15:
        return Event(after, anybody, *nonsense(dice, chain))
    view = chain.view()
    if dice.random() < 0.05 or view.phase is Phase.FORMING:
        return Event(
            after, anybody, *dice.choice((("join", (CHARTER,)), ("join", (CHARTER,)), ("leave", ()), ("poke", ())))
        )
    last = view.previous
    if last is not None and last.status is Status.FINAL and view.time <= last.open_until and dice.random() < 0.5:
        sender = dice.choice([anybody, *(ACCOUNTS.index(view.members[i]) for i in bits(view.active & ~last.attesters))])
        return Event(
            after, sender, "attest", (last.round, dice.choices((last.root, *ROOTS, NO_ROOT), (8, 1, 1, 1, 1))[0])
        )
    done = {Phase.COMMIT: view.committed, Phase.VOTE: view.voted, Phase.ATTEST: view.attested}.get(view.phase, 0)
    waiting = [ACCOUNTS.index(view.members[i]) for i in bits(view.roster & ~done)]
    sender = dice.choice(waiting or [anybody])
    if view.phase is Phase.COMMIT:
        return Event(after, sender, "commit", (view.round, dice.choices((*ROOTS, NO_ROOT), (8, 8, 8, 1))[0]))
    if view.phase is Phase.VOTE:
        some = dice.getrandbits(6)
        ballot = dice.choices((view.committed, view.committed & some, 0, some), (12, 2, 1, 1))[0]
        return Event(after, sender, "vote", (view.round, ballot))
    return Event(after, sender, "attest", (view.round, dice.choices((*ROOTS, NO_ROOT), (24, 4, 1, 1))[0]))


def nonsense(dice: random.Random, chain: MemoryChain) -> tuple[str, tuple[Any, ...]]:
    """Return something that is mostly wrong: another round, no root, a ballot for those who said nothing."""
    round = max(0, chain.round + dice.choice((-2, -1, -1, 0, 0, 0, 0, 1)))
    root = dice.choice((NO_ROOT, *ROOTS, dice.randbytes(32)))
    return dice.choice(
        (
            ("join", (dice.choice((CHARTER, CHARTER, NO_ROOT, b"\3" * 32)),)),
            ("leave", ()),
            ("commit", (round, root)),
            ("vote", (round, dice.choice((0, 1, dice.getrandbits(6), dice.getrandbits(256))))),
            ("attest", (round, root)),
            ("poke", ()),
        )
    )


def sequence(number: int) -> tuple[Terms, list[Event]]:
    """Return the terms and the events of a sequence. What is sensible is judged by the ledger in memory."""
    dice = random.Random(number)
    terms = random_terms(dice)
    chain = MemoryChain(terms, ManualClock())
    events = []
    for _ in range(EVENTS):
        event = random_event(dice, chain)
        events.append(event)
        say(chain, event)
    return terms, events


def first_difference(rpc: Rpc, terms: Terms, events: Sequence[Event]) -> str | None:
    twins = Twins(rpc, terms)
    for event in events:
        found = twins.play(event)
        if found:
            return f"{event}: {found}"
    return twins.difference_of_outcomes()


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
def test_same_events_same_views(rpc: Rpc, group: int) -> None:
    for number in range(group, SEQUENCES, GROUPS):
        terms, events = sequence(number)
        if first_difference(rpc, terms, events):
            events = shortest(rpc, terms, events)
            story = "\n".join(map(str, events))
            pytest.fail(f"sequence {number}: {first_difference(rpc, terms, events)}\n{terms}\n{story}", pytrace=False)


def test_the_sequences_reach_every_corner() -> None:
    """What the sequences never do they cannot compare: every error and every way to close a round has to occur."""
    refusals: set[str] = set()
    endings: set[tuple[Status, bool]] = set()
    late = drops = done = 0
    for number in range(40):
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
    every = {entry["name"] for entry in abi.ARTIFACT["abi"] if entry["type"] == "error"}
    # Terms that cannot be are refused at the start, and 257 accounts are not here: their tests are the contract's own.
    assert every - refusals == {"FederationFull", "InvalidTerms"}


def test_terms_are_refused_alike(rpc: Rpc) -> None:
    """The contract refuses terms that make no sense; the charter's own checks never let them get there."""
    good = random_terms(random.Random(0))
    for changed in ({"rounds": 0}, {"min_members": good.start_members + 1}, {"quorum": (1, 1)}, {"max_missed": 8}):
        data = "0x" + abi.deployment(replace(good, **changed)).hex()
        with pytest.raises(RpcError) as refused:
            rpc.call("eth_call", {"from": ACCOUNTS[0], "data": data}, "latest")
        assert abi.error_name(refused.value.data)[0] == "InvalidTerms"
