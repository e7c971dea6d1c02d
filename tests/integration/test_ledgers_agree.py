"""The in-memory ledger and the real contract, fed the same random events, hold the same views.

``RAYFED_SEQUENCES`` and ``RAYFED_EVENTS`` set how many sequences there are and how long each is; sequence ``n`` is the
same in every run. A difference is reported with the shortest sequence that still shows it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import pytest
from eth_account import Account

from rayfed.errors import Rejected
from rayfed.judgement import Account as Purse
from rayfed.judgement import Books
from rayfed.ledger import abi, allow_list, signing
from rayfed.ledger.devchain import DevChain
from rayfed.ledger.rpc import Rpc, RpcError
from rayfed.messages import NATIVE, NO_ROOT, Address, Phase, Status, Terms, Verb, View, bits
from rayfed.testing import ManualClock, MemoryChain
from tests.integration import trials

SEQUENCES = int(os.environ.get("RAYFED_SEQUENCES", "40"))
EVENTS = int(os.environ.get("RAYFED_EVENTS", "80"))
GROUPS = 4
"""Tests that the sequences are dealt to, so that one which fails does not hide all others."""

CHARTER = b"\1" * 32
GENESIS = b"\2" * 32
KEYS = [Account.from_key(bytes([0xAC, i + 1] * 16)) for i in range(7)]
ACCOUNTS = [key.address for key in KEYS]
OUTSIDER = 6
COIN = "0x" + "c0" * 20
"""Stands for the coin that is deployed when both begin."""

"""The last account is on no allow-list."""

CHAIN_ID = 31337
ROOTS = [bytes([0x10 + i]) * 32 for i in range(3)]
SIGNED = {Phase.COMMIT: Verb.COMMIT, Phase.VOTE: Verb.VOTE, Phase.ATTEST: Verb.ATTEST}
MONEY = frozenset({"deposit", "fund", "exit", "withdraw", "settle", "claim"})
CASES = frozenset({"challenge", "prove", "conclude", "expire", "demand", "answer", "forfeit", "close", "equivocation"})
OF_COURT = MONEY | CASES
SENDERLESS = frozenset({"poke", "relay", "settle", "prove", "conclude", "expire", "forfeit", "close"})
PAID = {"deposit": 1, "fund": 0}
"""Which argument is the amount; it is followed by what comes along, as in a challenge and in a demand."""
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
    who = () if event.verb in SENDERLESS else (ACCOUNTS[event.sender],)
    try:
        getattr(chain.court if event.verb in OF_COURT else chain, event.verb)(*who, *event.arguments)
    except Rejected as error:
        return error.name
    return None


@pytest.fixture(scope="module")
def rpc() -> Iterator[Rpc]:
    with DevChain() as dev:
        rpc = Rpc(dev.rpc_url)
        rpc.call("anvil_autoImpersonateAccount", True)
        for account in ACCOUNTS:
            rpc.call("anvil_setBalance", account, hex(10**30))
        yield rpc
        rpc.close()


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
        on_chain = None
        if self._mine(sender, to, data, value)["status"] != "0x1":
            on_chain = self._reason(sender, to, data, value)
        if in_memory != on_chain:
            return f"in memory {in_memory}, the contract {on_chain}"
        return self._difference(0) or self._difference(1 + event.after % 40) or self._difference_of_courts()

    def _call(self, event: Event) -> tuple[str, bytes, int]:
        """Return what an event is as a transaction: to whom, the call, and how much comes along."""
        verb, given, terms = event.verb, list(event.arguments), self.memory.terms
        value = 0
        if verb in ("deposit", "fund", "challenge", "demand"):
            paid = given.pop()
            due = given[PAID[verb]] if verb in PAID else terms.bond
            value = paid if paid is not None else due if terms.coin == NATIVE else 0
        if verb == "relay":
            phase, round, signers, messages, roll = given
            given = [phase, round, signers, [self._signed(m, phase, round) for m in messages], roll]
        if verb == "equivocation":
            given[3:] = [self._signed(message, given[1], given[2]) for message in given[3:]]
        if verb == "prove":
            given[2] = [(p.which, p.data, p.path, p.header, p.header_path) for p in given[2]]
        return self.court if verb in OF_COURT else self.address, abi.call(verb, *given), value

    def _signed(self, message: tuple[Address, bytes], phase: Phase, round: int) -> tuple[bytes, bytes, bytes]:
        who, value = message
        if phase not in SIGNED:
            return value, bytes(32), bytes(32)
        made = signing.sign(KEYS[ACCOUNTS.index(who)], CHAIN_ID, self.address, SIGNED[phase], round, value)
        return made.value, made.r, made.vs

    def _difference_of_courts(self) -> str | None:
        """Return how accounts, books and open cases differ, or None."""
        court = self.memory.court
        members = self.memory.members
        pairs: list[tuple[str, Any, Any]] = [
            ("accounts", court.accounts(), tuple(Purse(**a) for a in self._asked("accounts"))),
            ("books", court.books(), Books(**self._asked("books"))),
        ]
        for outside in [account for account in ACCOUNTS if account not in members][:1]:
            pairs.append(("account", court.account(outside), Purse(**self._asked("account", outside))))
        pairs.append(("cases", [plain(c) for c in court.open_cases()], [plain(c) for c in self._asked("openCases")]))
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

    def _mine(self, sender: str, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        self.rpc.call("evm_setNextBlockTimestamp", self.clock.now)
        said = {"from": sender, "data": "0x" + data.hex(), "gas": hex(16_000_000), "value": hex(value)}
        sent = self.rpc.call("eth_sendTransaction", said | ({"to": to} if to else {}))
        receipt: dict[str, Any] | None = None
        while receipt is None:  # Anvil mines a moment after it has answered
            receipt = self.rpc.call("eth_getTransactionReceipt", sent)
        return receipt

    def _reason(self, sender: str, to: str, data: bytes, value: int) -> str:
        """Return the error's name: what was refused left no trace, so at the same time it is refused again."""
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        try:
            self.rpc.call("eth_call", call, "latest")
        except RpcError as error:
            return abi.error_name(error.data)[0]
        return "refused once, and then not"

    def _ask(self, name: str, *arguments: Any, to: str | None = None) -> bytes:
        call = {"to": to or self.address, "data": "0x" + abi.call(name, *arguments).hex()}
        return bytes.fromhex(self.rpc.call("eth_call", call, "latest")[2:])


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


def random_terms(dice: random.Random) -> Terms:
    start = dice.randint(1, OUTSIDER)
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
        coin=dice.choice((NATIVE, COIN)),
        stake=dice.choice((0, 1, 10**18 + 1)),
        reward=dice.choice((0, 10, 10**18)),
        bond=dice.choice((1, 10**17)),
        challenge_seconds=dice.randint(1, longest),
        proof_seconds=dice.randint(1, longest),
        refused_share=dice.choice((0, 1, 3_333, 10_000)),
        challenger_share=dice.choice((0, 1, 5_000, 10_000)),
        allow_list=allow_list.root(ACCOUNTS[:OUTSIDER]) if dice.random() < 0.3 else bytes(32),
        rule=dice.choice((0, 1, 1, 2, 3)),
        trim=dice.choice((0, 1_000, 4_999)),
        max_weight=dice.choice((1, 1_000_000, 2**24 - 1)),
        layout=trials.LAYOUT,
        values=trials.VALUES,
    )


def random_event(dice: random.Random, chain: MemoryChain) -> Event:
    """Return what may come next: mostly something sensible by somebody whose turn it is, often enough nonsense."""
    after = dice.choices((1, dice.randint(1, 10), dice.randint(10, 80)), (92, 6, 2))[0]
    anybody = dice.randrange(len(ACCOUNTS))
    if dice.random() < 0.1:
        return Event(after, anybody, *nonsense(dice, chain))
    if dice.random() < 0.08:
        after = after if dice.random() < 0.6 else after + window(chain)
        return Event(after, anybody, *trials.money(dice, chain, ACCOUNTS))
    if dice.random() < (0.5 if chain.court.open_cases() else 0.12):
        return Event(after, anybody, *trials.judgement(dice, chain))
    view = chain.view()
    if dice.random() < 0.12 and chain.members:
        return Event(after, anybody, *trials.spoken(dice, chain, ACCOUNTS))
    if dice.random() < 0.05 or view.phase is Phase.FORMING:
        poor = [i for i, a in enumerate(ACCOUNTS) if chain.court.stakes.get(a, 0) < chain.terms.stake]
        if poor and dice.random() < 0.5:
            return Event(after, anybody, "deposit", (ACCOUNTS[dice.choice(poor)], chain.terms.stake, None))
        proof = allow_list.proof(ACCOUNTS[:OUTSIDER], ACCOUNTS[anybody])
        joined = ("join", (CHARTER, proof if dice.random() < 0.95 else proof[1:]))
        return Event(after, anybody, *dice.choice((joined, joined, joined, ("leave", ()), ("poke", ()))))
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
        root = trials.update(ACCOUNTS[sender], dice.randint(0, 2))
        return Event(after, sender, "commit", (view.round, dice.choices((root, *ROOTS, NO_ROOT), (60, 1, 1, 1, 1))[0]))
    if view.phase is Phase.VOTE:
        some = dice.getrandbits(6)
        ballot = dice.choices((view.committed, view.committed & some, 0, some), (12, 2, 1, 1))[0]
        return Event(after, sender, "vote", (view.round, ballot))
    return Event(after, sender, "attest", (view.round, attested(dice, chain, view)))


def window(chain: MemoryChain) -> int:
    """Return how long to wait until most that has happened can no longer be challenged."""
    return min(300, chain.terms.challenge_seconds + chain.terms.attest_seconds)


def attested(dice: random.Random, chain: MemoryChain, view: View) -> bytes:
    """Return the right merge, or a wrong one: mostly all in a round agree on which."""
    right = trials.merge_of(chain)
    if right is None:
        return dice.choices((*ROOTS, NO_ROOT), (24, 4, 1, 1))[0]
    mood = random.Random(view.round * 7 + chain.terms.rounds).random()
    leaf, coordinate = trials.PLACES[int(mood * 1000) % len(trials.PLACES)]
    usual = trials.merge_of(chain, f"{leaf}.{coordinate}") if mood < 0.6 else right
    return dice.choices((usual or right, right, ROOTS[0], NO_ROOT), (30, 2, 1, 1))[0]


def nonsense(dice: random.Random, chain: MemoryChain) -> tuple[str, tuple[Any, ...]]:
    """Return something that is mostly wrong: another round, no root, a ballot for those who said nothing."""
    round = max(0, chain.round + dice.choice((-2, -1, -1, 0, 0, 0, 0, 1)))
    root = dice.choice((NO_ROOT, *ROOTS, dice.randbytes(32)))
    return dice.choice(
        (
            ("join", (dice.choice((CHARTER, CHARTER, NO_ROOT, b"\3" * 32)), [])),
            ("leave", ()),
            ("commit", (round, root)),
            ("vote", (round, dice.choice((0, 1, dice.getrandbits(6), dice.getrandbits(256))))),
            ("attest", (round, root)),
            ("poke", ()),
        )
    )


def gathering(terms: Terms) -> list[Event]:
    """Return how a federation begins when nothing goes wrong."""
    events = [Event(1, 0, "fund", (30 * trials.COINS, None))]
    for i in range(terms.start_members):
        if terms.stake:
            events.append(Event(1, i, "deposit", (ACCOUNTS[i], terms.stake * 2, None)))
        events.append(Event(1, i, "join", (CHARTER, allow_list.proof(ACCOUNTS[:OUTSIDER], ACCOUNTS[i]))))
    return events


def sequence(number: int) -> tuple[Terms, list[Event]]:
    """Return the terms and the events of a sequence. What is sensible is judged by the ledger in memory."""
    dice = random.Random(number)
    terms = random_terms(dice)
    chain = MemoryChain(terms, ManualClock())
    events: list[Event] = []
    told = gathering(terms) if dice.random() < 0.8 else []
    while len(events) < EVENTS:
        event = told.pop(0) if told else random_event(dice, chain)
        events.append(event)
        say(chain, event)
    return terms, events


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
