"""A small federation on a ledger in memory, whose members do what a test says: the twin of ``FederationTest.sol``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256

from rayfed.encoding import merkle
from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.court import Fate, Match, MatchState, Point
from rayfed.protocol.messages import Phase, Round, Terms
from tests import trials
from tests.trials import Blob

START = 1_800_000_000
JOIN, COMMIT, VOTE, ATTEST = 100, 500, 300, 400
WINDOW, CLOCK, PROOF = 2000, 700, 600
STAGE = 2 * CLOCK + PROOF + 1
ETHER = 10**18
BOND, STAKE, REWARD, UNSETTLED = ETHER, 100 * ETHER, 12 * ETHER, 4
FOUNDER, WATCHER, THIEF = ("0x" + part * 20 for part in ("f0", "77", "bd"))
COIN = "0x" + "c0" * 20

TERMS = Terms(
    charter=sha256(b"charter").digest(),
    genesis=sha256(b"genesis").digest(),
    rounds=5,
    join_seconds=JOIN,
    commit_seconds=COMMIT,
    vote_seconds=VOTE,
    attest_seconds=ATTEST,
    start_members=4,
    min_members=2,
    max_missed=2,
    max_unsettled=UNSETTLED,
    max_void=20,
    limit_seconds=1_000_000,
    coin=COIN,
    stake=STAKE,
    reward=REWARD,
    bond=BOND,
    window_seconds=WINDOW,
    clock_seconds=CLOCK,
    proof_seconds=PROOF,
    right_share=1000,
    rule=1,
    trim=1000,
    max_weight=1000,
    layout=sha256(b"layout").digest(),
    values=1100,
)


def member(index: int) -> Address:
    """Return a member's address."""
    return f"0x{index + 1:040x}"


def root(*words: object) -> Root:
    """Return a root that stands for nothing."""
    return sha256(repr(words).encode()).digest()


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Check that what is done within is refused, and for what."""
    try:
        yield
    except Rejected as rejected:
        assert rejected.name == name, f"refused for {rejected.name}, not for {name}"  # noqa: PT017
        return
    raise AssertionError(f"was not refused, but should be for {name}")


class World:
    """A federation of so many members, with a pool; round 1 is open where they suffice.

    Args:
        n: how many members.
        found: False: nobody has joined yet.
        changes: other terms than ``TERMS``.
    """

    def __init__(self, n: int = 4, found: bool = True, **changes: object) -> None:
        terms = replace(TERMS, **({"start_members": n, "min_members": min(n, 2)} | changes))  # type: ignore[arg-type]
        self.n = n
        self.terms = terms
        self.chain = MemoryChain(terms, ManualClock(START))
        self.do(FOUNDER, commands.Fund(1000 * ETHER))
        if found:
            for index in range(n):
                self.equip(member(index))
                self.join(index)
            if self.chain.view().due:
                self.advance()

    # -- acting ------------------------------------------------------------------

    def do(self, sender: Address, command: Command, **how: object) -> None:
        """Let somebody say something."""
        self.chain.act(sender, command, **how)  # type: ignore[arg-type]

    def equip(self, who: Address) -> None:
        """Put down for somebody what a seat takes."""
        if self.terms.stake:
            self.do(FOUNDER, commands.Deposit(who, self.terms.stake))
        self.do(FOUNDER, commands.DepositBonds(who, self.terms.bonds))

    def join(self, index: int) -> None:
        """Let a member join."""
        self.do(member(index), commands.Join(self.terms.charter))

    def leave(self, index: int) -> None:
        """Let a member leave."""
        self.do(member(index), commands.Leave())

    def advance(self) -> None:
        """Take the step that is due."""
        self.do(WATCHER, commands.Advance())

    def sleep(self) -> None:
        """Let the phase end."""
        self.at(max(self.now, self.chain.view().deadline))
        self.advance()

    def at(self, time: int) -> None:
        """Let time pass until then."""
        assert time >= self.now
        self.chain.clock.now = time

    def later(self, seconds: int) -> None:
        """Let time pass."""
        self.chain.clock.advance(seconds)

    def commit(self, round: int, index: int, update: Root) -> None:
        """Let a member commit."""
        self.do(member(index), commands.Commit(round, self.context(round), update))

    def vote(self, round: int, index: int, accepts: int, misses: int = 0) -> None:
        """Let a member vote."""
        self.do(member(index), commands.Vote(round, self.context(round), accepts, misses))

    def attest(self, round: int, index: int, merged: Root) -> None:
        """Let a member attest."""
        self.do(member(index), commands.Attest(round, self.context(round), merged))

    def commit_all(self, round: int) -> None:
        """Let all commit to updates that can be proved."""
        for index in range(self.n):
            self.commit(round, index, trials.update(self.terms, round, index).root)
        self.advance()

    def vote_all(self, round: int, accepts: int | None = None) -> None:
        """Let all accept what is committed, or these."""
        for index in range(self.n):
            self.vote(round, index, (1 << self.n) - 1 if accepts is None else accepts)
        self.advance()

    def open(self, round: int) -> None:
        """Go as far as the attest phase."""
        self.commit_all(round)
        self.vote_all(round)

    def play(self, round: int) -> None:
        """Let all do what they should; the next round opens."""
        self.open(round)
        for index in range(self.n):
            self.attest(round, index, self.right(round).root)
        self.advance()

    # -- in court ------------------------------------------------------------------

    def updates(self, round: int) -> tuple[Blob, ...]:
        """Return the updates of a round in which ``commit_all`` was said."""
        included = self.held(round).included
        return tuple(trials.update(self.terms, round, index) for index in bits(included))

    def right(self, round: int) -> Blob:
        """Return the right merge."""
        return trials.merge(self.terms, round, self.updates(round))

    def wrong(self, round: int, position: int = 671, by: int = 1) -> Blob:
        """Return a merge that is wrong in one place."""
        right = self.right(round)
        return right.with_value(position, right.value(position) + by)

    def enter(self, who: Address, round: int, merged: Root) -> None:
        """Enter a root."""
        self.do(who, commands.EnterRoot(round, self.context(round), merged))

    def forge(self, round: int = 1) -> tuple[Blob, Blob]:
        """Let all but one make a wrong root final; the last member attests the right one, later."""
        self.open(round)
        wrong, right = self.wrong(round), self.right(round)
        for index in range(self.n - 1):
            self.attest(round, index, wrong.root)
        self.advance()
        self.attest(round, self.n - 1, right.root)
        return wrong, right

    def sue(self, round: int = 1) -> tuple[Blob, Blob]:
        """Let all attest the right root, and somebody enter a sham."""
        self.open(round)
        sham, right = self.wrong(round), self.right(round)
        for index in range(self.n):
            self.attest(round, index, right.root)
        self.advance()
        self.enter(THIEF, round, sham.root)
        return sham, right

    def to_tournament(self, round: int = 1) -> None:
        """Let time pass until moves are taken."""
        tournament = self.chain.tournament(round)
        assert tournament is not None
        self.at(tournament.start + 1)

    def match(self, round: int, stage: int, i: int) -> Match:
        """Return the match of an entry."""
        match = self.chain.match(round, stage, i >> (stage + 1))
        assert match is not None
        return match

    def point(self, round: int = 1, stage: int = 0, i: int = 0, j: int = 1) -> Point:
        """Return where a match stands."""
        match = self.chain.match(round, stage, i >> (stage + 1))
        if match is None:
            return Point(round, stage, i, j, 0, merkle.leaves(self.terms.values))
        return Point(round, stage, i, j, match.point.first, match.point.count)

    def step(self, point: Point, one: Blob | None, other: Blob | None, who: Address = WATCHER, cost: int = 0) -> None:
        """Show what is to be shown of a point, of one side or both."""
        if point.count == 1:
            sides = [b"" if side is None else side.leaf(point.first) for side in (one, other)]
            self.do(who, commands.ShowLeaf(point, *sides), cost=cost)
        else:
            shown = [() if side is None else side.parts(point.first, point.count) for side in (one, other)]
            self.do(who, commands.Show(point, *shown), cost=cost)

    def descend(self, one: Blob, other: Blob, round: int = 1, stage: int = 0, i: int = 0, j: int = 1) -> None:
        """Go down to the leaf, both sides at once, until it is judged or the inputs are to be proved."""
        while True:
            self.step(self.point(round, stage, i, j), one, other)
            if self.match(round, stage, i).state is not MatchState.DESCENT:
                return

    def proof(self, point: Point, which: Sequence[int] | None = None) -> commands.Prove:
        """Return the proof of some inputs at a leaf, or of all."""
        evidence = self.chain.merge_evidence(point.round)
        assert evidence is not None
        updates = self.updates(point.round)
        chosen = range(len(updates)) if which is None else which
        match = self.match(point.round, point.stage, point.i)
        position = merkle.position(point.first, match.coordinate)
        base = trials.genesis(self.terms)  # the only one that rounds start from which are judged here
        inputs = trials.proofs(self.terms, updates, chosen, base, position, self.terms.rule == 1)
        return commands.Prove(point, evidence.voting, evidence.roots, inputs)

    def prove(self, round: int = 1, stage: int = 0, i: int = 0, j: int = 1, who: Address = WATCHER) -> None:
        """Prove all inputs of a match at a leaf."""
        self.do(who, self.proof(self.point(round, stage, i, j)))

    # -- asking ------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The time."""
        return self.chain.clock.now

    def held(self, round: int) -> Round:
        """Return a round."""
        held = self.chain.round_of(round)
        assert held is not None
        return held

    def context(self, round: int) -> bytes:
        """Return what a statement in a round rests on; of no round, nothing."""
        held = self.chain.round_of(round)
        return NO_ROOT if held is None else held.context

    @property
    def stands(self) -> tuple[int, Phase]:
        """Round and phase."""
        view = self.chain.view()
        return view.round, view.phase

    def fate(self, round: int, number: int) -> Fate:
        """Return how an entry stands."""
        entry = self.chain.entry(round, number)
        assert entry is not None
        return entry.fate

    def stakes(self) -> list[int]:
        """Return what members have at stake, in whole stakes of the terms."""
        return [self.chain.account(member(index)).stake // STAKE for index in range(self.n)]
