"""Random histories of a federation and its court: mostly what makes sense now, often enough nonsense.

Sequence ``n`` is the same in every run. What is sensible is judged by the ledger in memory.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from rayfed.encoding.primitives import NO_ROOT, bits
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from rayfed.protocol.messages import NATIVE, Phase, Status, Terms, View
from rayfed.testing import ManualClock, MemoryChain
from tests import trials

EVENTS = int(os.environ.get("RAYFED_EVENTS", "80"))
"""How long a sequence is."""

CHARTER = b"\1" * 32
GENESIS = b"\2" * 32
KEYS = [Account.from_key(bytes([0xAC, i + 1] * 16)) for i in range(7)]
ACCOUNTS = [key.address for key in KEYS]
OUTSIDER = 6
"""The last account is on no allow-list."""

COIN = "0x" + "c0" * 20
"""Stands for the coin that is deployed when a federation begins."""

ROOTS = [bytes([0x10 + i]) * 32 for i in range(3)]
QUORUMS = [(1, 2), (2, 3), (3, 5), (3, 4), (9, 10)]
MONEY = frozenset({"deposit", "fund", "exit", "withdraw", "settle", "claim"})
CASES = frozenset({"challenge", "prove", "conclude", "expire", "demand", "answer", "forfeit", "close", "equivocation"})
OF_COURT = MONEY | CASES
SENDERLESS = frozenset({"poke", "relay", "settle", "prove", "conclude", "expire", "forfeit", "close"})


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
        verb, arguments = trials.money(dice, chain, ACCOUNTS)
        return Event(after, who_goes(dice, chain, verb, anybody), verb, arguments)
    if dice.random() < (0.5 if chain.court.open_cases() else 0.12):
        late = chain.terms.proof_seconds + 1 if dice.random() < 0.08 else 0
        return Event(after + late, anybody, *trials.judgement(dice, chain))
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


def who_goes(dice: random.Random, chain: MemoryChain, verb: str, anybody: int) -> int:
    """Return who mostly does this: who wants its stake back is no member any more, and has asked for it before."""
    court = chain.court
    idle = [i for i, a in enumerate(ACCOUNTS) if court.stakes.get(a) and not chain.is_active(a)]
    fitting = {"exit": idle, "withdraw": [i for i in idle if ACCOUNTS[i] in court.exits]}.get(verb)
    return dice.choice(fitting) if fitting and dice.random() < 0.8 else anybody


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
    """Return the terms and the events of a sequence."""
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
