"""How a federation's rounds move on, in memory, and what is kept of them: the twin of the contract's ``Rounds``."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bitmap, bits
from rayfed.ledger.memory.court import MemoryCourt
from rayfed.ledger.memory.transactions import copied
from rayfed.protocol.judgement import Record
from rayfed.protocol.messages import Outcome, Phase, Status, Terms


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Said:
    """An event as the contract would log it: its name, its values by the contract's names, and the chain's time."""

    name: str
    values: dict[str, Any]
    time: int


@dataclass
class MemoryRounds:
    """What a federation's contract keeps. ``MemoryChain`` adds what members can say.

    ``lock`` is for handles that are used from several threads; the chain itself is one thread's at a time.
    """

    terms: Terms
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.members: list[Address] = []
        self.active = 0
        self.phase = Phase.FORMING
        self.round = 0
        self.deadline = self.clock.now + self.terms.join_seconds
        self.base = self.terms.genesis
        self.base_round = 0
        self.roster = 0
        self.roots: dict[int, Root] = {}
        self.ballots: dict[int, int] = {}
        self.attestations: dict[int, Root] = {}
        self.included = 0
        self.streaks: dict[int, int] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.rosters: dict[int, int] = {}
        self.bases: dict[int, int] = {}  # of each round that was final: the round that made its base
        self.astray: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.evidence: dict[int, list[Root]] = {}  # the roots of the included updates, by index
        self.undone: dict[int, Outcome] = {}  # what an undone round was before
        self.log: list[str] = []
        self.events: list[Said] = []
        self.court = MemoryCourt(self)

    # -- what the court may do ----------------------------------------------------------------------------------------

    def undo(self, round: int) -> None:
        """Roll back a final round and all after it; the one in progress closes void, and the next one opens."""
        self._advance(self.clock.now)
        self.base_round = self.bases[round]
        self.base = self.outcomes[self.base_round].root if self.base_round else self.terms.genesis
        last = self.round
        if self.phase is not Phase.DONE:
            self.outcomes[last] = Outcome(last, Status.VOID, NO_ROOT, self.included, 0, 0)
        for number in range(round, last + 1):
            before = self.outcomes[number]
            self.undone.setdefault(number, before)
            self.outcomes[number] = Outcome(number, Status.VOID, NO_ROOT, before.included, 0, 0)
        self._say(f"== rounds {round} to {last} are rolled back")
        self.emit("Undone", round=round, last=last, baseRound=self.base_round)
        if self.phase is Phase.DONE:
            return
        self.emit("RoundClosed", round=last, status=int(Status.VOID), root=NO_ROOT, included=self.included, attesters=0)
        if last == self.terms.rounds:
            self._enter(Phase.DONE, 0)
        else:
            self._open(self.clock.now)

    def unseat(self, members: int) -> None:
        """Take members off the next rosters. Whom a round that is due counts on was decided by its deadline."""
        self._advance(self.clock.now)
        members &= self.active
        if members:
            self.active &= ~members
            self._say(f"{self.names(members)} lose their seats")
            self.emit("Unseated", members=members)

    # -- what is kept -------------------------------------------------------------------------------------------------

    def record(self, round: int) -> Record | None:
        """Return what a round rests on, or None if it has not closed; nobody has moved the phase on for this answer."""
        outcome = self.outcomes.get(round)
        if outcome is None:
            return None
        was, undone = self.undone.get(round, outcome), round in self.undone
        final = was.status is Status.FINAL
        return Record(
            status=outcome.status,
            undone=undone,
            base_round=self.bases[round] if final else 0,
            open_until=was.open_until,
            root=was.root,
            evidence=_keccak(b"".join(self.evidence[round])) if final else bytes(32),
            included=was.included,
            attesters=was.attesters,
            astray=self.astray[round] if final else 0,
            refused=self.refused.get(round, 0),
        )

    def included_roots(self, round: int) -> list[Root]:
        """Return the roots of a final round's included updates, by index."""
        return self.evidence[round]

    def is_active(self, address: Address) -> bool:
        """Say whether the next rounds count on this address."""
        index = self.index_of(address)
        return index is not None and bool(self.active >> index & 1)

    def index_of(self, address: Address) -> int | None:
        """Return the member's index, or None if this address never joined."""
        return self.members.index(address) if address in self.members else None

    def saved(self) -> Any:
        """See ``transactions.Transacting``: this ledger's state and its court's."""
        return copied(self.__dict__), copied(self.court.__dict__)

    def restore(self, saved: Any) -> None:
        """See ``transactions.Transacting``."""
        mine, courts = saved
        self.__dict__.update(mine)
        self.court.__dict__.update(courts)

    # -- the machine --------------------------------------------------------------------------------------------------

    def _advance(self, t: int) -> None:
        if self.phase is Phase.DONE or t < self.deadline:
            return
        if self.phase is Phase.FORMING:
            if self.active.bit_count() >= self.terms.min_members:
                self._open(t)
        elif self.phase is Phase.COMMIT:
            self._close_commit(t)
        elif self.phase is Phase.VOTE:
            self._close_vote(t)
        else:
            self._close(Status.VOID, NO_ROOT, 0, t)

    def _open(self, t: int) -> None:
        self.round += 1
        self.roster = self.rosters[self.round] = self.active
        self.roots, self.ballots, self.attestations, self.included = {}, {}, {}, 0
        self._say(f"== round {self.round} opens with {self.names(self.roster)}")
        self._enter(Phase.COMMIT, t + self.terms.commit_seconds)

    def _close_commit(self, t: int) -> None:
        if len(self.roots) >= self.terms.min_members:
            self._enter(Phase.VOTE, t + self.terms.vote_seconds)
        else:
            self._close(Status.VOID, NO_ROOT, 0, t)

    def _close_vote(self, t: int) -> None:
        # The deliberately dumb twin of the contract's bit-sliced tally: a loop over pairs.
        self.included = bitmap(
            i for i in self.roots if 2 * sum(b >> i & 1 for b in self.ballots.values()) > self.roster.bit_count()
        )
        if self.included:
            self.refused[self.round] = self._refused()
            self._say(f"-- included: {self.names(self.included)}")
            self._enter(Phase.ATTEST, t + self.terms.attest_seconds)
        else:
            self._close(Status.VOID, NO_ROOT, 0, t)

    def _close(self, status: Status, root: Root, attesters: int, t: int) -> None:
        present = bitmap(self.roots)
        if self.phase is not Phase.COMMIT:
            present &= bitmap(self.ballots)
        if self.phase is Phase.ATTEST and status is Status.VOID:
            present &= bitmap(self.attestations)
        open_until = self.deadline if status is Status.FINAL else 0
        self.outcomes[self.round] = Outcome(self.round, status, root, self.included, attesters, open_until)
        self._attested_before = bitmap(self.attestations)
        if status is Status.FINAL:
            self.bases[self.round] = self.base_round
            self.astray[self.round] = bitmap(self.attestations) & ~attesters
            self.evidence[self.round] = [self.roots[i] for i in bits(self.included)]
            self.base, self.base_round = root, self.round
            self._say(f"== round {self.round} FINAL {self.short(root)}")
        else:
            self._say(f"== round {self.round} VOID")
        self.emit(
            "RoundClosed",
            round=self.round,
            status=int(status),
            root=root,
            included=self.included,
            attesters=attesters,
        )
        self._drop_absent(present)
        if self.round == self.terms.rounds:
            self._enter(Phase.DONE, 0)
        else:
            self._open(t)

    def _refused(self) -> int:
        """Return those whose update at least two thirds of the roster left out of their ballots."""
        against = {i: sum(not b >> i & 1 for b in self.ballots.values()) for i in self.roots}
        return bitmap(i for i, count in against.items() if 3 * count >= 2 * self.roster.bit_count())

    def _drop_absent(self, present: int) -> None:
        before = self.active
        for i in bits(self.roster):
            self.streaks[i] = 0 if present >> i & 1 else self.streaks[i] + 1
            if self.terms.max_missed and self.streaks[i] == self.terms.max_missed:
                self.streaks[i] = 0
                if self.active >> i & 1:
                    self._say(f"{self.name(i)} is dropped")
                self.active &= ~(1 << i)
            # The contract counts in three bits; terms keep max_missed within them.
            self.streaks[i] = min(self.streaks[i], 7)
        if self.active != before:
            self.emit("Dropped", members=before & ~self.active, round=self.round)

    def _has_quorum(self, root: Root) -> bool:
        numerator, denominator = self.terms.quorum
        return self._attesters_of(root).bit_count() * denominator > self.roster.bit_count() * numerator

    def _attesters_of(self, root: Root) -> int:
        return bitmap(i for i, r in self.attestations.items() if r == root)

    def _enter(self, phase: Phase, deadline: int) -> None:
        self.phase, self.deadline = phase, deadline
        self._say(f"-- {phase.name}" + (f" until {deadline - self.clock.now} s from now" if deadline else ""))
        self.emit("PhaseOpened", round=self.round, phase=int(phase), deadline=deadline)

    def _last(self) -> Outcome | None:
        closed = self.round if self.phase is Phase.DONE else self.round - 1
        return self.outcomes.get(closed)

    # -- words for the log --------------------------------------------------------------------------------------------

    def _say(self, line: str) -> None:
        self.log.append(line)

    def emit(self, name: str, **values: Any) -> None:
        self.events.append(Said(name, values, self.clock.now))

    def name(self, index: int) -> str:
        """Return a letter for a member, for readable logs."""
        return chr(ord("a") + index) if index < 26 else f"m{index}"

    def names(self, members: int) -> str:
        """Return the members of a bitmap as letters."""
        return "".join(self.name(i) for i in bits(members)) or "nobody"

    def short(self, root: Root) -> str:
        """Return the first bytes of a root."""
        return root[:3].hex()


@lru_cache(maxsize=1024)
def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak  # a third of a second to import, and only who asks for evidence needs it

    return bytes(keccak(data))
