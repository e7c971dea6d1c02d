"""A ledger in memory that follows the contract's rules word for word.

A property test feeds it and the real contract the same random events and compares their views. Tests build worlds
with it (``rayfed.testing``), and the auditor replays a contract's own events through it (``rayfed.audit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding.primitives import MAX_MEMBERS, NO_ROOT, Address, Root, bitmap, bits
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from rayfed.ledger.memory.rounds import ManualClock, MemoryRounds, Said
from rayfed.ledger.memory.transactions import copied, verb
from rayfed.protocol.messages import Outcome, Phase, Status, View

__all__ = ["ManualClock", "MemoryChain", "Said"]


class MemoryChain(MemoryRounds):
    """One federation as its contract would hold it. Every verb raises ``Rejected`` where the contract reverts.

    ``court`` is its court: money and judgement.
    """

    # -- verbs --------------------------------------------------------------------------------------------------------

    @verb
    def join(self, sender: Address, charter: bytes, proof: Sequence[bytes] = ()) -> None:
        """Become a member, or an active one again; ``proof``: that the allow-list names the sender."""
        self._join(sender, charter, proof)

    @verb
    def join_listed(self, sender: Address) -> None:
        """Join by the right charter, and take it from another ledger that the allow-list names the sender."""
        self._join(sender, self.terms.charter, None)

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
        others: Sequence[Address] = (),
    ) -> int:
        """Post messages that members have signed; return those that count from now on.

        Args:
            phase, round: what they are.
            signers: bitmap of who signed them.
            messages: (who really signed it, root or ballot as 32 bytes) for each signer, by index.
            others: all other members by index, which makes it cheaper on a chain and is all the same here.
        """
        if phase not in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            raise Rejected("NotAVerb")
        if len(messages) != signers.bit_count():
            raise Rejected("WrongCount")
        self._advance(self.clock.now)
        if round > self.round:
            raise Rejected("WrongRound")
        if round == self.round and phase > self.phase:
            raise Rejected("WrongPhase")
        signed = dict(zip(bits(signers), messages, strict=True))
        if (round, phase) != (self.round, self.phase):
            return self._relay_late(round, signed) if phase is Phase.ATTEST else 0
        spoken = {Phase.COMMIT: [*self.roots], Phase.VOTE: [*self.ballots], Phase.ATTEST: [*self.attestations]}
        wanted = self._wanted(signers, self.roster, bitmap(spoken[phase]))
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

    # -- views --------------------------------------------------------------------------------------------------------

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

    # -- parts --------------------------------------------------------------------------------------------------------

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

    def _as_poked(self) -> MemoryChain:
        if self.phase is Phase.DONE or self.clock.now < self.deadline:
            return self
        twin = MemoryChain.__new__(MemoryChain)
        twin.__dict__.update(copied(self.__dict__))
        twin._advance(self.clock.now)
        return twin

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
