"""A ledger in memory that follows the contract's rules word for word.

A property test feeds it and the real contract the same random events and compares their views. Tests build worlds
with it (``rayfed.testing``), and the auditor replays a contract's own events through it (``rayfed.audit``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from rayfed.errors import Rejected
from rayfed.messages import (
    MAX_MEMBERS,
    NO_ROOT,
    Address,
    Outcome,
    Phase,
    Root,
    Status,
    Terms,
    View,
    bitmap,
    bits,
)


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds


P = ParamSpec("P")


def _verb(call: Callable[Concatenate[MemoryChain, P], None]) -> Callable[Concatenate[MemoryChain, P], None]:
    """A transaction that is refused leaves no trace: not even the phase that it moved on stays moved."""

    @wraps(call)
    def transact(chain: MemoryChain, /, *args: P.args, **kwargs: P.kwargs) -> None:
        before = chain._copied()
        try:
            call(chain, *args, **kwargs)
        except Rejected:
            chain.__dict__.update(before)
            raise

    return transact


@dataclass(frozen=True, slots=True)
class Said:
    """An event as the contract would log it: its name, its values by the contract's names, and the chain's time."""

    name: str
    values: dict[str, Any]
    time: int


@dataclass
class MemoryChain:
    """One federation as its contract would hold it. Every verb raises ``Rejected`` where the contract reverts."""

    terms: Terms
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
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
        self.log: list[str] = []
        self.events: list[Said] = []

    # -- verbs ------------------------------------------------------------------------------------------------------

    @_verb
    def join(self, sender: Address, charter: bytes) -> None:
        """Become a member, or an active one again."""
        self._advance(self.clock.now)
        if charter != self.terms.charter:
            raise Rejected("CharterMismatch")
        if self.phase is Phase.DONE:
            raise Rejected("WrongPhase")
        index = self._index(sender)
        if index is not None and self.active >> index & 1:
            raise Rejected("AlreadyMember")
        if index is None:
            if len(self.members) == MAX_MEMBERS:
                raise Rejected("FederationFull")
            index = len(self.members)
            self.members.append(sender)
        self.active |= 1 << index
        self.streaks[index] = 0
        self._say(f"{self.name(index)} joins")
        self._emit("Joined", member=sender, index=index)
        if self.phase is Phase.FORMING and (
            self.active.bit_count() >= self.terms.start_members
            or (self.clock.now >= self.deadline and self.active.bit_count() >= self.terms.min_members)
        ):
            self._open(self.clock.now)

    @_verb
    def leave(self, sender: Address) -> None:
        """Stop being counted on from the next round on."""
        self._advance(self.clock.now)
        index = self._index(sender)
        if index is None or not self.active >> index & 1:
            raise Rejected("NotMember")
        self.active &= ~(1 << index)
        self._say(f"{self.name(index)} leaves")
        self._emit("Left", index=index)

    @_verb
    def commit(self, sender: Address, round: int, root: Root) -> None:
        """Commit to an update."""
        index = self._speaker(sender, round, Phase.COMMIT)
        if index in self.roots:
            raise Rejected("AlreadyCommitted")
        if root == NO_ROOT:
            raise Rejected("ZeroRoot")
        self.roots[index] = root
        self._say(f"{self.name(index)} commits {self.short(root)}")
        self._emit("Committed", round=round, index=index, root=root)
        if bitmap(self.roots) == self.roster:
            self._close_commit(self.clock.now)

    @_verb
    def vote(self, sender: Address, round: int, ballot: int) -> None:
        """Say which updates are accepted."""
        index = self._speaker(sender, round, Phase.VOTE)
        if index in self.ballots:
            raise Rejected("AlreadyVoted")
        if ballot & ~bitmap(self.roots):
            raise Rejected("BallotOutsideCommits")
        self.ballots[index] = ballot
        self._say(f"{self.name(index)} votes {self.names(ballot)}")
        self._emit("Voted", round=round, index=index, ballot=ballot)
        if bitmap(self.ballots) == self.roster:
            self._close_vote(self.clock.now)

    @_verb
    def attest(self, sender: Address, round: int, root: Root) -> None:
        """State the root of the merge; a latecomer may still confirm the final one."""
        self._advance(self.clock.now)
        index = self._index(sender)
        if index is None:
            raise Rejected("NotMember")
        last = self._last()
        if (
            last is not None
            and round == last.round
            and last.status is Status.FINAL
            and self.clock.now <= last.open_until
        ):
            self._attest_late(index, last, root)
            return
        index = self._speaker(sender, round, Phase.ATTEST)
        if index in self.attestations:
            raise Rejected("AlreadyAttested")
        if root == NO_ROOT:
            raise Rejected("ZeroRoot")
        self.attestations[index] = root
        self._say(f"{self.name(index)} attests {self.short(root)}")
        self._emit("Attested", round=round, index=index, root=root)
        count = Counter(self.attestations.values())[root]
        numerator, denominator = self.terms.quorum
        if count * denominator > self.roster.bit_count() * numerator:
            attesters = bitmap(i for i, r in self.attestations.items() if r == root)
            self._close(Status.FINAL, root, attesters, self.clock.now)

    def poke(self) -> None:
        """Move the phase on if its time has come; anybody may."""
        self._advance(self.clock.now)

    # -- views ------------------------------------------------------------------------------------------------------

    def view(self) -> View:
        """Return the federation as if somebody had just poked it."""
        chain = self._as_poked()
        n = len(chain.members)
        return View(
            time=chain.clock.now,
            round=chain.round,
            phase=chain.phase,
            deadline=chain.deadline,
            base=chain.base,
            base_round=chain.base_round,
            roster=chain.roster,
            active=chain.active,
            committed=bitmap(chain.roots),
            voted=bitmap(chain.ballots),
            attested=bitmap(chain.attestations),
            included=chain.included,
            members=tuple(chain.members),
            roots=tuple(chain.roots.get(i, NO_ROOT) for i in range(n)),
            ballots=tuple(chain.ballots.get(i, 0) for i in range(n)),
            attestations=tuple(chain.attestations.get(i, NO_ROOT) for i in range(n)),
            previous=chain._last(),
        )

    def outcome(self, round: int) -> Outcome | None:
        """Return what became of a closed round."""
        return self._as_poked().outcomes.get(round)

    # -- the machine ------------------------------------------------------------------------------------------------

    def _as_poked(self) -> MemoryChain:
        if self.phase is Phase.DONE or self.clock.now < self.deadline:
            return self
        twin = MemoryChain.__new__(MemoryChain)
        twin.__dict__.update(self._copied())
        twin._advance(self.clock.now)
        return twin

    def _copied(self) -> dict[str, Any]:
        return {k: v.copy() if isinstance(v, dict | list) else v for k, v in self.__dict__.items()}

    def _speaker(self, sender: Address, round: int, phase: Phase) -> int:
        self._advance(self.clock.now)
        index = self._index(sender)
        if index is None:
            raise Rejected("NotMember")
        if round != self.round:
            raise Rejected("WrongRound")
        if self.phase is not phase:
            raise Rejected("WrongPhase")
        if not self.roster >> index & 1:
            raise Rejected("NotInRoster")
        return index

    def _attest_late(self, index: int, last: Outcome, root: Root) -> None:
        if not self.rosters[last.round] >> index & 1:
            raise Rejected("NotInRoster")
        if self._attested_before >> index & 1:
            raise Rejected("AlreadyAttested")
        if root == NO_ROOT:
            raise Rejected("ZeroRoot")
        if root != last.root:
            raise Rejected("WrongRoot")
        self._attested_before |= 1 << index
        self.outcomes[last.round] = Outcome(
            last.round, last.status, last.root, last.included, last.attesters | 1 << index, last.open_until
        )
        self._say(f"{self.name(index)} attests {self.short(root)} of round {last.round}, late")
        self._emit("Attested", round=last.round, index=index, root=root)

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
            self.base, self.base_round = root, self.round
            self._say(f"== round {self.round} FINAL {self.short(root)}")
        else:
            self._say(f"== round {self.round} VOID")
        self._emit(
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
            self._emit("Dropped", members=before & ~self.active, round=self.round)

    def _enter(self, phase: Phase, deadline: int) -> None:
        self.phase, self.deadline = phase, deadline
        self._say(f"-- {phase.name}" + (f" until {deadline - self.clock.now} s from now" if deadline else ""))
        self._emit("PhaseOpened", round=self.round, phase=int(phase), deadline=deadline)

    def _last(self) -> Outcome | None:
        closed = self.round if self.phase is Phase.DONE else self.round - 1
        return self.outcomes.get(closed)

    def _index(self, address: Address) -> int | None:
        return self.members.index(address) if address in self.members else None

    # -- words for the log ------------------------------------------------------------------------------------------

    def _say(self, line: str) -> None:
        self.log.append(line)

    def _emit(self, name: str, **values: Any) -> None:
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
