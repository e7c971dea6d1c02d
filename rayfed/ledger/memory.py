"""A ledger in memory that follows the contract's rules word for word.

A property test feeds it and the real contract the same random events and compares their views. Tests build worlds
with it (``rayfed.testing``), and the auditor replays a contract's own events through it (``rayfed.audit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rayfed.errors import Rejected
from rayfed.judgement import Record
from rayfed.ledger import allow_list
from rayfed.ledger.court import MemoryCourt
from rayfed.ledger.treasury import copied, verb
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
        self.bases: dict[int, int] = {}  # of each round that was final: the round that made its base
        self.astray: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.evidence: dict[int, list[Root]] = {}  # the roots of the included updates, by index
        self.undone: dict[int, Outcome] = {}  # what an undone round was before
        self.log: list[str] = []
        self.events: list[Said] = []
        self.court = MemoryCourt(self)

    # -- verbs ------------------------------------------------------------------------------------------------------

    @verb
    def join(self, sender: Address, charter: bytes, proof: Sequence[bytes] = ()) -> None:
        """Become a member, or an active one again; ``proof``: that the allow-list names the sender."""
        self._join(sender, charter, proof)

    @verb
    def join_listed(self, sender: Address) -> None:
        """Join by the right charter, and take it from another ledger that the allow-list names the sender."""
        self._join(sender, self.terms.charter, None)

    def _join(self, sender: Address, charter: bytes, proof: Sequence[bytes] | None) -> None:
        self._advance(self.clock.now)
        if charter != self.terms.charter:
            raise Rejected("CharterMismatch")
        if self.phase is Phase.DONE:
            raise Rejected("WrongPhase")
        listed = self.terms.allow_list
        if proof is not None and listed != allow_list.ANYBODY and not allow_list.verify(listed, sender, proof):
            raise Rejected("NotAllowed")
        self.court.admit(sender)
        index = self.index_of(sender)
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
        self.emit("Joined", member=sender, index=index)
        if self.phase is Phase.FORMING and (
            self.active.bit_count() >= self.terms.start_members
            or (self.clock.now >= self.deadline and self.active.bit_count() >= self.terms.min_members)
        ):
            self._open(self.clock.now)

    @verb
    def leave(self, sender: Address) -> None:
        """Stop being counted on from the next round on."""
        self._advance(self.clock.now)
        index = self.index_of(sender)
        if index is None or not self.active >> index & 1:
            raise Rejected("NotMember")
        self.active &= ~(1 << index)
        self._say(f"{self.name(index)} leaves")
        self.emit("Left", index=index)

    @verb
    def commit(self, sender: Address, round: int, root: Root) -> None:
        """Commit to an update."""
        index = self._speaker(sender, round, Phase.COMMIT)
        if index in self.roots:
            raise Rejected("AlreadyCommitted")
        if root == NO_ROOT:
            raise Rejected("ZeroRoot")
        self.roots[index] = root
        self._say(f"{self.name(index)} commits {self.short(root)}")
        self.emit("Committed", round=round, index=index, root=root)
        if bitmap(self.roots) == self.roster:
            self._close_commit(self.clock.now)

    @verb
    def vote(self, sender: Address, round: int, ballot: int) -> None:
        """Say which updates are accepted."""
        index = self._speaker(sender, round, Phase.VOTE)
        if index in self.ballots:
            raise Rejected("AlreadyVoted")
        if ballot & ~bitmap(self.roots):
            raise Rejected("BallotOutsideCommits")
        self.ballots[index] = ballot
        self._say(f"{self.name(index)} votes {self.names(ballot)}")
        self.emit("Voted", round=round, index=index, ballot=ballot)
        if bitmap(self.ballots) == self.roster:
            self._close_vote(self.clock.now)

    @verb
    def attest(self, sender: Address, round: int, root: Root) -> None:
        """State the root of the merge; a latecomer may still confirm the final one."""
        self._advance(self.clock.now)
        index = self.index_of(sender)
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
        self.emit("Attested", round=round, index=index, root=root)
        if self._has_quorum(root):
            self._close(Status.FINAL, root, self._attesters_of(root), self.clock.now)

    @verb
    def relay(
        self,
        phase: Phase,
        round: int,
        signers: int,
        messages: Sequence[tuple[Address, bytes]],
        roll: Sequence[Address] = (),
    ) -> int:
        """Post messages that members have signed; return those that count from now on.

        Args:
            phase, round: what they are.
            signers: bitmap of who signed them.
            messages: (who really signed it, root or ballot as 32 bytes) for each signer, by index.
            roll: all members by index, or nothing.
        """
        if phase not in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            raise Rejected("NotAVerb")
        if len(messages) != signers.bit_count():
            raise Rejected("WrongCount")
        if roll and list(roll) != self.members:
            raise Rejected("WrongRoll")
        self._advance(self.clock.now)
        if round > self.round:
            raise Rejected("WrongRound")
        if round == self.round and phase > self.phase:
            raise Rejected("WrongPhase")
        signed = dict(zip(bits(signers), messages, strict=True))
        if (round, phase) != (self.round, self.phase):
            return self._relay_late(round, signed) if phase is Phase.ATTEST else 0
        spoken = {Phase.COMMIT: self.roots, Phase.VOTE: self.ballots, Phase.ATTEST: self.attestations}[phase]
        wanted = self._wanted(signers, self.roster, bitmap(spoken))
        heard: dict[int, bytes] = {}
        final = NO_ROOT
        for index in bits(wanted):
            if final == NO_ROOT:
                heard[index] = value = self._signed(signed[index], index)
                if phase is Phase.VOTE and int.from_bytes(value, "big") & ~bitmap(self.roots):
                    raise Rejected("BallotOutsideCommits")
                if phase is not Phase.VOTE and value == NO_ROOT:
                    raise Rejected("ZeroRoot")
                if phase is Phase.COMMIT:
                    self.roots[index] = value
                elif phase is Phase.VOTE:
                    self.ballots[index] = int.from_bytes(value, "big")
                else:
                    self.attestations[index] = value
                    final = value if self._has_quorum(value) else NO_ROOT
        if not heard:
            return 0
        self._relayed(phase, round, heard)
        if phase is Phase.COMMIT and bitmap(self.roots) == self.roster:
            self._close_commit(self.clock.now)
        if phase is Phase.VOTE and bitmap(self.ballots) == self.roster:
            self._close_vote(self.clock.now)
        late = 0
        if final != NO_ROOT:
            self._close(Status.FINAL, final, self._attesters_of(final), self.clock.now)
            late = self._relay_late(round, signed) if bitmap(heard) != wanted else 0
        return bitmap(heard) | late

    def poke(self) -> None:
        """Move the phase on if its time has come; anybody may."""
        self._advance(self.clock.now)

    # -- what the court may do --------------------------------------------------------------------------------------

    def undo(self, round: int) -> None:
        """Take back a final round and all after it; the one in progress closes void, and the next one opens."""
        self.base_round = self.bases[round]
        self.base = self.outcomes[self.base_round].root if self.base_round else self.terms.genesis
        last = self.round
        if self.phase is not Phase.DONE:
            self.outcomes[last] = Outcome(last, Status.VOID, NO_ROOT, self.included, 0, 0)
        for number in range(round, last + 1):
            before = self.outcomes[number]
            self.undone.setdefault(number, before)
            self.outcomes[number] = Outcome(number, Status.VOID, NO_ROOT, before.included, 0, 0)
        self._say(f"== rounds {round} to {last} are taken back")
        self.emit("Undone", round=round, last=last, baseRound=self.base_round)
        if self.phase is Phase.DONE:
            return
        self.emit("RoundClosed", round=last, status=int(Status.VOID), root=NO_ROOT, included=self.included, attesters=0)
        if last == self.terms.rounds:
            self._enter(Phase.DONE, 0)
        else:
            self._open(self.clock.now)

    def unseat(self, members: int) -> None:
        """Take members off the next rosters."""
        members &= self.active
        if members:
            self.active &= ~members
            self._say(f"{self.names(members)} lose their seats")
            self.emit("Unseated", members=members)

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

    # -- the machine ------------------------------------------------------------------------------------------------

    def _as_poked(self) -> MemoryChain:
        if self.phase is Phase.DONE or self.clock.now < self.deadline:
            return self
        twin = MemoryChain.__new__(MemoryChain)
        twin.__dict__.update(copied(self.__dict__))
        twin._advance(self.clock.now)
        return twin

    def saved(self) -> Any:
        """See ``treasury.Transacting``: this ledger's state and its court's."""
        return copied(self.__dict__), copied(self.court.__dict__)

    def restore(self, saved: Any) -> None:
        """See ``treasury.Transacting``."""
        mine, courts = saved
        self.__dict__.update(mine)
        self.court.__dict__.update(courts)

    def _speaker(self, sender: Address, round: int, phase: Phase) -> int:
        self._advance(self.clock.now)
        index = self.index_of(sender)
        if index is None:
            raise Rejected("NotMember")
        if round != self.round:
            raise Rejected("WrongRound")
        if self.phase is not phase:
            raise Rejected("WrongPhase")
        if not self.roster >> index & 1:
            raise Rejected("NotInRoster")
        return index

    def _has_quorum(self, root: Root) -> bool:
        numerator, denominator = self.terms.quorum
        return self._attesters_of(root).bit_count() * denominator > self.roster.bit_count() * numerator

    def _attesters_of(self, root: Root) -> int:
        return bitmap(i for i, r in self.attestations.items() if r == root)

    def _relay_late(self, round: int, signed: dict[int, tuple[Address, bytes]]) -> int:
        """Hear attestations of the final root of the round closed last; all others come too late."""
        last = self._last()
        if last is None or round != last.round or last.status is not Status.FINAL or self.clock.now > last.open_until:
            return 0
        wanted = self._wanted(bitmap(signed), self.rosters[round], self._attested_before)
        chosen = [i for i in bits(wanted) if signed[i][1] == last.root]
        heard = {i: self._signed(signed[i], i) for i in chosen}
        if heard:
            self._attested_before |= bitmap(heard)
            self.outcomes[round] = replace(last, attesters=last.attesters | bitmap(heard))
            self._relayed(Phase.ATTEST, round, heard)
        return bitmap(heard)

    def _wanted(self, signers: int, roster: int, spoken: int) -> int:
        """Return those of the signers who have yet to speak; those who have are skipped, others do not belong here."""
        if signers & ~roster:
            raise Rejected("NotInRoster")
        return signers & ~spoken

    def _signed(self, message: tuple[Address, bytes], index: int) -> bytes:
        signer, value = message
        if signer != self.members[index]:
            raise Rejected("WrongSigner")
        return value

    def _relayed(self, phase: Phase, round: int, heard: dict[int, bytes]) -> None:
        self._say(f"{self.names(bitmap(heard))} {phase.name.lower()} by relay")
        values = tuple(heard[index] for index in sorted(heard))
        self.emit("Relayed", round=round, phase=int(phase), members=bitmap(heard), values=values)

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
        self.outcomes[last.round] = replace(last, attesters=last.attesters | 1 << index)
        self._say(f"{self.name(index)} attests {self.short(root)} of round {last.round}, late")
        self.emit("Attested", round=last.round, index=index, root=root)

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

    def _enter(self, phase: Phase, deadline: int) -> None:
        self.phase, self.deadline = phase, deadline
        self._say(f"-- {phase.name}" + (f" until {deadline - self.clock.now} s from now" if deadline else ""))
        self.emit("PhaseOpened", round=self.round, phase=int(phase), deadline=deadline)

    def _last(self) -> Outcome | None:
        closed = self.round if self.phase is Phase.DONE else self.round - 1
        return self.outcomes.get(closed)

    def index_of(self, address: Address) -> int | None:
        """Return the member's index, or None if this address never joined."""
        return self.members.index(address) if address in self.members else None

    # -- words for the log ------------------------------------------------------------------------------------------

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


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak  # a third of a second to import, and only who asks for evidence needs it

    return bytes(keccak(data))
