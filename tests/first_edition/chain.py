"""A ledger in memory that follows the contract's rules word for word.

A property test feeds it and the real contract the same random events and compares their views. Tests build worlds
with it (``rayfed.testing``), and the auditor replays a contract's own events through it (``rayfed.audit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding.primitives import MAX_MEMBERS, NO_ROOT, Address, Root, bitmap
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from tests.first_edition.messages import Outcome, Phase, Status, View
from tests.first_edition.relays import RelayedRounds
from tests.first_edition.rounds import ManualClock, Said
from tests.first_edition.transactions import copied, verb

__all__ = ["ManualClock", "MemoryChain", "Said"]


class MemoryChain(RelayedRounds):
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
        self._end_if_early()

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
        self._end_if_early()

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
        self._end_if_early()

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
        if self.phase is Phase.FORMING:
            self._end_if_early()
            self._advance(self.clock.now)

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
