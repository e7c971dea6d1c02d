"""The first edition as a game for the search: its ledger, honest members by what its policy was, and who has what.

Honest members commit, vote for all that they have, attest their own merge, answer demands (so many at a time), and say
the same about a round whenever they are asked. What the dishonest may try is what the attacks that were found consist
of, among other things.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Self

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.errors import Rejected
from rayfed.testing.adversary.game import YIELD, Move
from tests.first_edition import merkle
from tests.first_edition.chain import ManualClock, MemoryChain
from tests.first_edition.header import Header
from tests.first_edition.judgement import MERGED, Case, Kind, State
from tests.first_edition.messages import Phase, Status, Terms
from tests.first_edition.transactions import copied

STAKE = 1_000
ANSWERS = 1
"""Demands that the honest can answer at one time: a block holds only so much."""


@dataclass(frozen=True)
class FirstScope:
    """How large a game is; as the second edition's ``Scope``, with ``demands`` that are made at most."""

    honest: int = 2
    dishonest: int = 1
    rounds: int = 1
    turns_back: int = 0
    demands: int = 0
    rule: int = 3
    max_missed: int = 1

    @property
    def members(self) -> int:
        """How many members there are."""
        return self.honest + self.dishonest


@dataclass
class Mind:
    """What an honest member has, and has said: by phase and round, as the first edition's journal had it."""

    has: frozenset[Root] = frozenset()
    said: dict[tuple[Phase, int], Root | int] = field(default_factory=dict)


@dataclass
class FirstGame:
    """One state; follows the ``Game`` protocol."""

    scope: FirstScope
    chain: MemoryChain
    honest: list[Mind]
    blobs: dict[Root, bytes]
    demanded: int = 0
    turned: int = 0
    answered: int = 0
    before: tuple[object, ...] = ()
    place: tuple[int, Phase] = (0, Phase.FORMING)
    quiet: bool = False

    @classmethod
    def begin(cls, scope: FirstScope) -> Self:
        """Return the state in which round 1 has just opened."""
        terms = Terms(
            charter=b"\1" * 32,
            genesis=b"\2" * 32,
            rounds=scope.rounds,
            join_seconds=10,
            commit_seconds=10,
            vote_seconds=10,
            attest_seconds=10,
            start_members=scope.members,
            min_members=2,
            max_missed=scope.max_missed,
            stake=STAKE,
            challenge_seconds=30,
            proof_seconds=10,
            rule=scope.rule,
            layout=bytes(32),
            values=1,
        )
        chain = MemoryChain(terms, ManualClock())
        for index in range(scope.members):
            chain.court.deposit(member(index), member(index), STAKE)
            chain.join(member(index), terms.charter)
        game = cls(scope, chain, [Mind() for _ in range(scope.honest)], {})
        game._note()
        return game

    # -- Game ------------------------------------------------------------------

    def moves(self) -> Sequence[Move]:
        """See ``Game``."""
        return [*self._repertoire(), YIELD]

    def play(self, move: Move) -> Self | None:
        """See ``Game``."""
        chain = MemoryChain.__new__(MemoryChain)
        chain.__dict__.update(copied(self.chain.__dict__))
        chain.clock = ManualClock(self.chain.clock.now)
        chain.court = self.chain.court.copied()
        chain.court.chain = chain
        honest = [replace(one, said=dict(one.said)) for one in self.honest]
        after = replace(self, chain=chain, honest=honest, quiet=False)
        try:
            after._do(move.act)
        except Rejected:
            return None
        return after

    def key(self) -> Hashable:
        """See ``Game``."""
        chain, court = self.chain, self.chain.court
        minds = tuple((one.has, tuple(one.said.items())) for one in self.honest)
        parts = (chain.phase, chain.round, chain.deadline, chain.base, chain.roster, chain.active, chain.included)
        said = (chain.roots, chain.ballots, chain.attestations, chain.streaks, chain.outcomes)
        counts = (self.demanded, self.turned, self.answered, self.quiet, court.settled, chain.clock.now)
        return hash((minds, parts, repr(said), repr((court.stakes, court.cases)), counts))

    def cell(self) -> Hashable:
        """See ``Game``."""
        chain = self.chain
        said = tuple(chain.roots), tuple(chain.ballots.items()), chain.included
        roots = tuple((i, root == self._merge(chain.included)) for i, root in chain.attestations.items())
        closed = tuple((outcome.status, outcome.attesters) for outcome in chain.outcomes.values())
        cases = tuple(case.state for case in chain.court.cases.values())
        served = tuple(len(one.has) for one in self.honest)
        return chain.round, chain.phase, said, roots, closed, cases, served, self.turned, chain.court.settled

    def broken(self) -> str:
        """See ``Game``: an honest member loses stake, or, where less than 2/3 are dishonest, its seat."""
        for index in range(self.scope.honest):
            if self.chain.court.lost.get(member(index)):
                return f"honest member {index} has lost its stake"
            drops = [event.values["members"] for event in self.chain.events if event.name == "Dropped"]
            if any(members >> index & 1 for members in drops) and 3 * self.scope.dishonest < 2 * self.scope.members:
                return f"honest member {index} is dropped"
        return ""

    def reached(self) -> list[str]:
        """See ``Game``: of all moves, as its events are not told apart."""
        return [event.name for event in self.chain.events]

    def is_over(self) -> bool:
        """See ``Game``."""
        return self.quiet or (self.chain.phase is Phase.DONE and self.chain.court.settled == self.chain.round)

    def damage(self) -> float:
        """See ``Game``: rounds that are void, and honest words that stand against what others have agreed on."""
        chain = self.chain
        void = sum(outcome.status is Status.VOID for outcome in chain.outcomes.values())
        astray = chain.attestations.items() if chain.included else ()
        lone = [i for i, root in astray if i < self.scope.honest and root != self._merge(chain.included)]
        final = any(outcome.status is Status.FINAL for outcome in chain.outcomes.values())
        return float(void + 2 * len(lone) * (1 + final))

    # -- what the dishonest may try ------------------------------------------------------------------

    def _repertoire(self) -> Iterator[Move]:
        chain = self.chain
        for index in range(self.scope.honest, self.scope.members):
            if chain.roster >> index & 1 and (statements := [*self._statements(index)]):
                yield from statements
                break  # in the order of their indices: it is all the same who speaks first
        for round, outcome in chain.outcomes.items():
            if outcome.status is Status.FINAL and self.demanded < self.scope.demands:
                yield Move(f"a leaf of round {round} is demanded", ("demand", round))
        for id, case in chain.court.cases.items():
            if case.kind is Kind.DEMAND and case.state is State.OPEN:
                yield Move(f"demand {id} is forfeit", ("forfeit", id))
        if self.turned < self.scope.turns_back:
            yield Move("the chain goes back to where the phase before began", ("turn", 2))
        if self.turned:
            for index, one in enumerate(self.honest):
                for (phase, round), value in one.said.items():
                    if (phase, round) != (chain.phase, chain.round):
                        continue
                    yield Move(f"again what {index} said: {phase.name}", ("again", index, phase, round, value))

    def _statements(self, index: int) -> Iterator[Move]:
        chain, who = self.chain, f"dishonest {index}"
        if chain.phase is Phase.COMMIT and index not in chain.roots:
            for some in range(self.scope.honest + 1):
                yield Move(f"{who} commits, and gives it to {some} of the honest", ("commit", index, some))
        elif chain.phase is Phase.VOTE and index not in chain.ballots:
            own = sum(1 << i for i in chain.roots if i >= self.scope.honest)
            for what, ballot in (("all", sum(1 << i for i in chain.roots)), ("the dishonest's", own), ("nothing", 0)):
                yield Move(f"{who} accepts {what}", ("vote", index, ballot))
        elif chain.phase is Phase.ATTEST and index not in chain.attestations:
            for what, root in (("the right root", self._merge(chain.included)), ("a wrong root", b"\7" * 32)):
                yield Move(f"{who} attests {what}", ("attest", index, root))

    def _do(self, act: Hashable) -> None:
        chain = self.chain
        match act:
            case None:
                self._yield()
            case ("commit", int(index), int(some)):
                update = self._update(index)
                for one in self.honest[:some]:
                    one.has |= {update}
                chain.commit(member(index), chain.round, update)
            case ("vote", int(index), int(ballot)):
                chain.vote(member(index), chain.round, ballot)
            case ("attest", int(index), bytes(root)):
                chain.attest(member(index), chain.round, root)
            case ("demand", int(round)):
                chain.court.demand(THIEF, round, MERGED, 0, chain.included_roots(round))
                self.demanded += 1
            case ("forfeit", int(id)):
                chain.court.forfeit(id)
            case ("turn", int(phases)):
                self._turn_back(phases)
            case ("again", int(index), Phase() as phase, int(round), value):
                said = value.to_bytes(32, "big") if isinstance(value, int) else value
                if not chain.relay(phase, round, 1 << index, [(member(index), said)]):  # type: ignore[list-item]
                    raise Rejected("Heard")
        self._note()

    def _turn_back(self, phases: int) -> None:
        if len(self.before) < phases:
            raise Rejected("Nothing to go back to")
        clock = self.chain.clock
        self.chain.restore(self.before[-phases])
        self.chain.clock, self.chain.court.chain = clock, self.chain
        self.turned += 1

    def _note(self) -> None:
        if (self.chain.round, self.chain.phase) != self.place:
            self.place = self.chain.round, self.chain.phase
            self.before = (*self.before[-1:], self.chain.saved())

    # -- the honest ------------------------------------------------------------------

    def _yield(self) -> None:
        acted = True
        did_anything = False
        while acted:
            acting = [self._acts(index) for index in range(self.scope.honest)]  # each of them, not only the first
            acted = any(acting) or self._answers()
            did_anything |= acted
            self._note()
        if did_anything:
            return
        before = len(self.chain.events)
        times = [time for time in self._moments() if time > self.chain.clock.now]
        if times:
            self.chain.clock.now, self.answered = min(times), 0
            self.chain.poke()
        try:
            self.chain.court.settle(16)
        except Rejected:
            self.quiet = not times and len(self.chain.events) == before
        self._note()

    def _acts(self, index: int) -> bool:
        chain, one, who = self.chain, self.honest[index], member(index)
        round = chain.round
        if not chain.roster >> index & 1:
            return False
        if chain.phase is Phase.COMMIT and index not in chain.roots:
            update = one.said.setdefault((Phase.COMMIT, round), self._update(index))
            assert isinstance(update, bytes)
            for other in self.honest:
                other.has |= {update}
            chain.commit(who, round, update)
            return True
        if chain.phase is Phase.VOTE and index not in chain.ballots:
            have = sum(1 << i for i, root in chain.roots.items() if root in one.has)
            ballot = one.said.setdefault((Phase.VOTE, round), have)
            assert isinstance(ballot, int)
            chain.vote(who, round, ballot & sum(1 << i for i in chain.roots))
            return True
        if chain.phase is Phase.ATTEST and index not in chain.attestations:
            if not all(chain.roots[i] in one.has for i in bits(chain.included)):
                return False
            root = one.said.setdefault((Phase.ATTEST, round), self._merge(chain.included))
            assert isinstance(root, bytes)
            chain.attest(who, round, root)
            return True
        return False

    def _answers(self) -> bool:
        for id, case in self.chain.court.cases.items():
            if case.state is State.OPEN and self.answered < ANSWERS and self.chain.clock.now <= case.deadline:
                data = self._header(case)
                record = self.chain.record(case.round)
                assert record is not None
                tree = merkle.tree(self.blobs[record.root])
                self.chain.court.answer(member(0), id, self.chain.included_roots(case.round), data, tree.proof(0))
                self.answered += 1
                return True
        return False

    def _moments(self) -> Iterator[int]:
        chain, terms = self.chain, self.chain.terms
        yield chain.deadline
        for case in chain.court.cases.values():
            if case.state is State.OPEN:
                yield from (case.deadline, case.deadline + 1)
        for outcome in chain.outcomes.values():
            if outcome.status is Status.FINAL:
                yield from (outcome.open_until + 1, outcome.open_until + terms.challenge_seconds + 1)

    # -- bytes ------------------------------------------------------------------

    def _update(self, index: int) -> Root:
        return sha256(f"{self.chain.round} {index}".encode()).digest()

    def _merge(self, included: int) -> Root:
        """Return the right merge: its header is what it has to be, its value a hash of what is included."""
        roots = b"".join(self.chain.roots.get(i, NO_ROOT) for i in bits(included))
        header = replace(Header.merged(self.chain.round, self.chain.terms.layout), size=self.chain.terms.values)
        data = header.to_bytes() + sha256(roots).digest()[:4].ljust(merkle.LEAF, b"\0")
        root = merkle.root(data)
        self.blobs[root] = data
        return root

    def _header(self, case: Case) -> bytes:
        record = self.chain.record(case.round)
        assert record is not None
        return self.blobs[record.root][: merkle.LEAF]


THIEF: Address = "0x" + "bd" * 20


def member(index: int) -> Address:
    """Return a member's account; the honest come first."""
    return f"0x{index + 1:040x}"
