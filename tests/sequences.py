"""Random histories of a federation and its court: mostly what makes sense now, often enough nonsense.

Sequence ``n`` is the same in every run. What is sensible is judged by the ledger in memory.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from eth_account import Account

from rayfed.encoding import differences
from rayfed.encoding.primitives import NO_ROOT, Address, bits
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.relays import signed
from rayfed.protocol import commands
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.messages import NATIVE, Phase, Signed, Terms, Verb, View
from tests import trials
from tests.court_moves import CourtMoves

EVENTS = int(os.environ.get("RAYFED_EVENTS", "120"))
"""How long a sequence is."""

CHARTER = b"\1" * 32
LAYOUT = b"\7" * 32
KEYS = [Account.from_key(bytes([0xAC, i + 1] * 16)) for i in range(7)]
ACCOUNTS: list[Address] = [key.address for key in KEYS]
OUTSIDER = 6
"""The last account is on no allow-list."""

COIN = "0x" + "c0" * 20
"""Stands for the coin that is deployed when a federation begins."""

ROOTS = [bytes([0x10 + i]) * 32 for i in range(3)]


@dataclass(frozen=True)
class Posted:
    """Statements that somebody posts for others: by index, who really signed, and what."""

    spoken: Verb
    round: int
    context: bytes
    said: Mapping[int, tuple[Address, Statement]]
    others: tuple[Address, ...]
    closes: bool

    def relay(self, sign: Callable[[Address, Statement], Signed]) -> commands.Relay:
        """Return the batch."""
        messages = {index: sign(who, statement) for index, (who, statement) in self.said.items()}
        return commands.Relay(self.spoken, self.round, self.context, messages, self.others, self.closes)


@dataclass(frozen=True)
class Event:
    """Somebody says something, some seconds after the event before.

    Attributes:
        value: what comes along in the chain's own currency; None: what is right.
        proof: that the allow-list names the sender.
    """

    after: int
    sender: int
    said: Command | Posted
    value: int | None = None
    proof: tuple[bytes, ...] = ()


def say(chain: MemoryChain, event: Event) -> str | None:
    """Tell the ledger in memory; return the name of the error with which it refuses, or None."""
    chain.clock.advance(event.after)
    command = event.said.relay(signed) if isinstance(event.said, Posted) else event.said
    try:
        chain.act(ACCOUNTS[event.sender], command, value=event.value, proof=event.proof)
    except Rejected as error:
        return error.name
    return None


def random_terms(dice: random.Random) -> Terms:
    """Return terms of all kinds."""
    start = dice.randint(1, OUTSIDER)
    longest = dice.choice((60, 200, 1000))
    terms = Terms(
        charter=CHARTER,
        genesis=NO_ROOT,
        rounds=dice.randint(1, 30),
        join_seconds=dice.randint(1, longest),
        commit_seconds=dice.randint(15, longest),
        vote_seconds=dice.randint(15, longest),
        attest_seconds=dice.randint(15, longest),
        start_members=start,
        min_members=dice.randint(1, start),
        max_missed=dice.choice((0, 1, 2, 3, 7)),
        max_unsettled=dice.choice((1, 2, 4, 16)),
        max_void=dice.choice((3, 20, 50)),
        limit_seconds=dice.choice((2_000, 50_000, 2**32 - 1)),
        coin=dice.choice((NATIVE, COIN)),
        stake=dice.choice((0, 1, 10**18 + 1)),
        reward=dice.choice((0, 10, 10**18)),
        bond=dice.choice((1, 10**17)),
        window_seconds=dice.randint(1, longest),
        clock_seconds=dice.randint(10, longest),
        proof_seconds=dice.randint(5, longest),
        right_share=dice.choice((0, 1, 333, 1_000)),
        allow_list=allow_list.root(ACCOUNTS[:OUTSIDER]) if dice.random() < 0.2 else bytes(32),
        rule=dice.choice((0, 1, 1, 2, 3)),
        trim=dice.choice((0, 1_000, 4_999)),
        max_weight=dice.choice((1, 1_000_000, 2**24 - 1)),
        layout=LAYOUT,
        values=dice.choice((1, 128, 300, 128 * 40)),
        encoding=dice.choice((bytes(32), differences.word(8 if longest == 60 else 16))),
    )
    return replace(terms, genesis=trials.genesis(terms).root)


class Dice:
    """Says what comes next.

    Args:
        random: makes the choices.
        chain: as things stand.
    """

    def __init__(self, random: random.Random, chain: MemoryChain) -> None:
        self.random = random
        self.chain = chain
        self.moves = CourtMoves(chain, random)

    def event(self) -> Event:
        """Return what may come next: mostly something sensible by somebody whose turn it is."""
        after = self._after()
        now = self.chain.clock.now
        self.chain.clock.now = now + after  # so that what is sensible then is asked for
        try:
            sender, said, value, proof = self._said()
        finally:
            self.chain.clock.now = now
        return Event(after, sender, said, value, proof)

    def _after(self) -> int:
        view = self.chain.view()
        disputes, dice = self.moves.disputes(), self.random
        chance = 0.96 if view.is_open and view.spoken != view.roster else 0.6
        if disputes:
            chance = 0.93 if any(self.moves.is_playing(round) for round in disputes) else 0.6
        if dice.random() < chance:
            return dice.choice((1, 1, 1, 1, 1, 3))
        ahead = sorted({time - self.chain.clock.now for time in self._times()})
        ahead = [seconds for seconds in ahead if 0 < seconds < 20_000] or [dice.randint(1, 80)]
        return ahead[0] if dice.random() < 0.6 else dice.choice(ahead)

    def _times(self) -> list[int]:
        """Return moments at, or just after, which something is over."""
        view = self.chain.view()
        times = [view.deadline, view.deadline + 1, *self.moves.times()]
        times += [self.chain.account(account).paused_until for account in ACCOUNTS]
        return times

    def _said(self) -> tuple[int, Command | Posted, int | None, tuple[bytes, ...]]:
        dice, view, anybody = self.random, self.chain.view(), self.random.randrange(len(ACCOUNTS))
        throw = dice.random()
        if throw < 0.06:
            return anybody, self._nonsense(view), dice.choice((None, None, 0, 1)), ()
        if throw < 0.1:
            return *self._money(view, anybody), dice.choice((0, 1)) if dice.random() < 0.1 else None, ()
        if throw < (0.7 if self.moves.disputes() else 0.2) and (move := self.moves.move(ACCOUNTS)) is not None:
            return anybody, move, dice.choice((0, 1)) if dice.random() < 0.05 else None, ()
        if view.due and dice.random() < 0.9:
            return anybody, commands.Advance(), None, ()
        if dice.random() < 0.06 or not view.is_open:
            return self._seats(view, anybody)
        if dice.random() < 0.15 and (late := self._late(view)) is not None:
            return *late, None, ()
        if dice.random() < 0.2:
            return anybody, self._posted(view), None, ()
        waiting = [*bits(view.roster & ~view.spoken)]
        if not waiting:
            return anybody, commands.Advance(), None, ()
        index = dice.choice(waiting)
        statement = self._statement(view, index)
        sender = ACCOUNTS.index(view.members[index]) if dice.random() < 0.97 else anybody
        return sender, statement, None, ()

    # -- rounds ------------------------------------------------------------------

    def _statement(self, view: View, index: int) -> Statement:
        dice = self.random
        context = view.context if dice.random() < 0.98 else dice.choice((bytes(32), view.base_context))
        if view.phase is Phase.COMMIT:
            update = self.moves.update(view.round, index, dice.randint(0, 2)).root
            root = dice.choices((update, dice.choice(ROOTS), NO_ROOT), (40, 1, 3))[0]
            return commands.Commit(view.round, context, root)
        if view.phase is Phase.VOTE:
            some = dice.getrandbits(7)
            accepts = dice.choices((view.committed, view.committed & some, 0, some), (14, 3, 1, 1))[0]
            misses = dice.choices((0, view.committed & ~accepts, some), (14, 3, 1))[0]
            return commands.Vote(view.round, context, accepts, misses)
        return commands.Attest(view.round, context, self._attested(view.round))

    def _attested(self, round: int) -> bytes:
        """Return the right merge, or a wrong one: mostly all in a round agree on which."""
        mood = random.Random(round * 7 + self.chain.terms().rounds)
        blobs = self.moves.merges(round)
        if not blobs:
            return self.random.choices((*ROOTS, NO_ROOT), (24, 4, 1, 1))[0]
        usual = mood.choices(blobs, (5, *[1] * (len(blobs) - 1)))[0].root
        other = self.random.choice(blobs).root
        return self.random.choices((usual, other, ROOTS[0], NO_ROOT), (16, 5, 1, 1))[0]

    def _late(self, view: View) -> tuple[int, Command] | None:
        last = view.previous
        if last is None or not last.status.is_unsettled:
            return None
        index = self.random.choice([*bits(last.roster & ~last.attested)] or [0])
        if index >= len(view.members) or not view.members[index]:
            return None
        statement = commands.Attest(last.round, last.context, self._attested(last.round))
        return ACCOUNTS.index(view.members[index]), statement

    def _posted(self, view: View) -> Posted:
        dice = self.random
        some = [i for i in bits(view.roster) if dice.random() < 0.6]
        if dice.random() < 0.05:
            some.append(dice.randrange(len(ACCOUNTS)))
        said: dict[int, tuple[Address, Statement]] = {}
        for index in some:
            holder = view.members[index] if index < len(view.members) else ""
            who = holder if holder and dice.random() < 0.98 else dice.choice(ACCOUNTS)
            said[index] = who, self._statement(view, index)
        verb = {Phase.COMMIT: Verb.COMMIT, Phase.VOTE: Verb.VOTE, Phase.ATTEST: Verb.ATTEST}[view.phase]
        if dice.random() < 0.05:
            verb = dice.choice((Verb.COMMIT, Verb.VOTE, Verb.ATTEST))
            said = {i: (who, one) for i, (who, one) in said.items() if one.verb is verb}
        round = view.round if dice.random() < 0.95 else view.round + dice.choice((-1, 1))
        context = view.context if dice.random() < 0.97 else bytes(32)
        others = tuple(view.members[i] for i in bits(view.roster) if i not in said) if dice.random() < 0.5 else ()
        return Posted(verb, max(0, round), context, said, others, dice.random() < 0.7)

    # -- seats and money ------------------------------------------------------------------

    def _seats(self, view: View, anybody: int) -> tuple[int, Command, int | None, tuple[bytes, ...]]:
        dice, terms = self.random, self.chain.terms()
        if view.due and dice.random() < 0.5:
            return anybody, commands.Advance(), None, ()
        who = ACCOUNTS[anybody]
        account = self.chain.account(who)
        if account.locked_until > view.time and dice.random() < 0.7:
            return anybody, commands.Withdraw(), None, ()
        if view.phase is Phase.FORMING and view.index_of(who) is not None and dice.random() < 0.2:
            return anybody, commands.Leave(), None, ()
        if account.stake < terms.stake and dice.random() < 0.7:
            return dice.randrange(7), commands.Deposit(who, terms.stake), None, ()
        if account.bonds < terms.bonds and dice.random() < 0.7:
            return dice.randrange(7), commands.DepositBonds(who, terms.bonds), None, ()
        index = dice.randrange(7)
        if dice.random() < 0.15:
            leaving = (commands.Leave(), commands.Release(index), commands.Advance())
            return anybody, dice.choices(leaving, (2, 4, 1))[0], None, ()
        if dice.random() < 0.15:
            sequence, card = account.sequence + dice.choice((0, 1, 1, 2)), dice.randbytes(dice.choice((0, 9, 257)))
            return anybody, commands.Announce(sequence, card), None, ()
        proof = allow_list.proof(ACCOUNTS[:OUTSIDER], who) if terms.allow_list != bytes(32) else ()
        charter = CHARTER if dice.random() < 0.97 else NO_ROOT
        return anybody, commands.Join(charter), None, proof if dice.random() < 0.95 else proof[1:]

    def _money(self, view: View, anybody: int) -> tuple[int, Command]:
        dice, terms = self.random, self.chain.terms()
        who = ACCOUNTS[anybody]
        to = dice.choice((*ACCOUNTS, NATIVE))
        amount = dice.choice((0, 1, 1000, 10**17, 10**18, 1 << 112))
        funds = (commands.Fund(amount), commands.Deposit(to, amount), commands.DepositBonds(to, amount))
        rich = [i for i, one in enumerate(ACCOUNTS) if self.chain.account(one).claimable]
        seatless = [i for i, one in enumerate(ACCOUNTS) if view.index_of(one) is None and self.chain.account(one).bonds]
        kind = dice.choice(("fund", "withdraw", "withdraw", "claim", "native", "refund", "deposit"))
        if kind == "claim":
            return dice.choice(rich or [anybody]), commands.Claim(to)
        if kind == "withdraw":
            return dice.choice(seatless or [anybody]), commands.Withdraw()
        if kind == "native":
            owed = [i for i, one in enumerate(ACCOUNTS) if self.chain.account(one).native_claimable]
            return dice.choice(owed or [anybody]), commands.ClaimNative(to)
        if kind == "refund":
            return anybody, commands.Refund(to)
        if kind == "fund":
            return anybody, dice.choice(funds)
        missing = max(0, terms.stake - self.chain.account(who).stake)
        return anybody, commands.Deposit(who, missing or 1)

    def _nonsense(self, view: View) -> Command:
        """Return something that is mostly wrong: another round, no root, a ballot for those who said nothing."""
        dice = self.random
        round = max(0, view.round + dice.choice((-16, -2, -1, -1, 0, 0, 0, 0, 1)))
        held = self.chain.round_of(round)
        context = held.context if held is not None and dice.random() < 0.8 else dice.randbytes(32)
        root = dice.choice((NO_ROOT, *ROOTS, dice.randbytes(32)))
        some = dice.choice((0, 1, dice.getrandbits(7), dice.getrandbits(256)))
        number = dice.choice((0, 0, 1, 2, 5, 4096))
        return dice.choice(
            (
                commands.Join(dice.choice((CHARTER, CHARTER, NO_ROOT))),
                commands.Leave(),
                commands.Release(dice.choice((0, 1, 6, 255, 256, 2**255))),
                commands.Commit(round, context, root),
                commands.Vote(round, context, some, dice.choice((0, some, 2))),
                commands.Attest(round, context, root),
                commands.Advance(),
                commands.Settle(round, number),
                commands.Collect(round, number),
                commands.Undo(round),
                commands.Resolve(round, number, dice.choice((0, 1, 1 << 16, 1 << 32, 1 << 255))),
                commands.EnterRoot(round, context, root),
                commands.Reimburse(round, number, 0, dice.choice(ACCOUNTS)),
                commands.Withdraw(),
                self.moves.nonsense(round),
            )
        )


def gathering(terms: Terms) -> list[Event]:
    """Return how a federation begins when nothing goes wrong; in some, one has second thoughts."""
    events = [Event(1, 0, commands.Fund(30 * 10**18))]
    if terms.rounds % 3 == 0:
        proof = allow_list.proof(ACCOUNTS[:OUTSIDER], ACCOUNTS[5])
        events += [Event(1, 5, commands.Deposit(ACCOUNTS[5], terms.stake + 1))]
        events += [Event(1, 5, commands.DepositBonds(ACCOUNTS[5], terms.bonds))]
        events += [Event(1, 5, commands.Join(CHARTER), proof=proof)]
        events += [Event(1, 5, said) for said in (commands.Leave(), commands.Withdraw())]
    for i in range(terms.start_members):
        if terms.stake:
            events.append(Event(1, i, commands.Deposit(ACCOUNTS[i], terms.stake * 2)))
        events.append(Event(1, i, commands.DepositBonds(ACCOUNTS[i], terms.bonds * 2)))
        events.append(Event(1, i, commands.Join(CHARTER), proof=allow_list.proof(ACCOUNTS[:OUTSIDER], ACCOUNTS[i])))
    return events


def sequence(number: int, length: int = EVENTS) -> tuple[Terms, list[Event]]:
    """Return the terms and the events of a sequence."""
    dice = random.Random(number)
    terms = random_terms(dice)
    chain = MemoryChain(terms, ManualClock())
    throws = Dice(dice, chain)
    events: list[Event] = []
    told = gathering(terms) if dice.random() < 0.85 else []
    while len(events) < length:
        event = told.pop(0) if told else throws.event()
        events.append(event)
        say(chain, event)
    return terms, events
