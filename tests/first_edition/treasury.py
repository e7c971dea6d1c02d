"""The court's money in memory: stakes, the pool, rewards and what is paid out. ``ICourt`` says what each verb means.

Deliberately dumb: whatever can be worked out again from what happened is worked out again, by a loop.
"""

from __future__ import annotations

from rayfed.encoding.primitives import Address, bitmap, bits
from rayfed.errors import Rejected
from tests.first_edition.holdings import Holdings
from tests.first_edition.judgement import Reason, State
from tests.first_edition.messages import NATIVE, Status
from tests.first_edition.transactions import verb

UNIT = 10_000
"""Shares are counted in parts of this."""


class Treasury(Holdings):
    """What moves the court's money."""

    # -- verbs ------------------------------------------------------------------------------------------------------

    @verb
    def deposit(self, sender: Address, member: Address, amount: int, value: int | None = None) -> None:
        """Put stake down for a member."""
        self._take(amount, value)
        if amount == 0:
            raise Rejected("ZeroAmount")
        self.stakes[member] = self.stakes.get(member, 0) + amount
        self._emit("Deposited", member=member, **{"from": sender}, amount=amount)

    @verb
    def fund(self, sender: Address, amount: int, value: int | None = None) -> None:
        """Add to the pool."""
        self._take(amount, value)
        if amount == 0:
            raise Rejected("ZeroAmount")
        self.pool += amount
        self._emit("Funded", **{"from": sender}, amount=amount)

    def admit(self, member: Address) -> None:
        """Let a member in if it has the stake; part of ``MemoryChain.join``."""
        if self.stakes.get(member, 0) < self.chain.terms.stake:
            raise Rejected("UnderStaked")
        self.exits.pop(member, None)

    @verb
    def exit(self, sender: Address) -> None:
        """Request the stake."""
        if self.chain.is_active(sender):
            raise Rejected("StillActive")
        if not self.stakes.get(sender):
            raise Rejected("NothingAtStake")
        self.exits[sender] = self.chain.round
        self._emit("Exited", member=sender, round=self.chain.round)

    @verb
    def withdraw(self, sender: Address, to: Address) -> None:
        """Pay the stake out."""
        if to == NATIVE:
            raise Rejected("ZeroRecipient")
        if sender not in self.exits:
            raise Rejected("NotExiting")
        if self.settled < self.exits[sender]:
            raise Rejected("StillLocked")
        amount = self.stakes.get(sender, 0)
        if not amount:
            raise Rejected("NothingAtStake")
        self.stakes[sender] = 0
        del self.exits[sender]
        self._emit("Withdrawn", member=sender, to=to, amount=amount)

    @verb
    def settle(self, most: int) -> None:
        """Settle the next rounds, as many as can be, but at most so many."""
        before = self.settled
        while self.settled < before + most and self._can_settle(self.settled + 1):
            self._settle(self.settled + 1)
        if self.settled == before:
            raise Rejected("NothingToSettle")

    @verb
    def claim(self, sender: Address, to: Address, most: int) -> None:
        """Pay what the sender has earned by cases, and in the next settled rounds, at most so many."""
        if to == NATIVE:
            raise Rejected("ZeroRecipient")
        first = self.cursors.get(sender, 0)
        last = first if self.chain.index_of(sender) is None else min(self.settled, first + most)
        amount = self.due(sender, most)
        if not amount and last == first:
            raise Rejected("NothingToClaim")
        self.cursors[sender], self.credits[sender] = last, 0
        self._emit("Claimed", account=sender, to=to, amount=amount)

    def _can_settle(self, round: int) -> bool:
        record = self.chain.record(round)
        if record is None:
            return False
        if record.status is Status.VOID:
            return True
        over = self.chain.clock.now > record.open_until + self.chain.terms.challenge_seconds
        return over and not any(case.round == round and case.state is State.OPEN for case in self.cases.values())

    def _settle(self, round: int) -> None:
        record, terms = self._closed(round), self.chain.terms
        self.settled = round
        if record.status is Status.FINAL:
            for index in bits(record.astray | record.refused):
                if record.astray >> index & 1:
                    self.pool += self._slash(1 << index, None, Reason.ASTRAY, round)
                else:
                    part = terms.stake * terms.refused_share // UNIT
                    self.pool += self._slash(1 << index, part, Reason.REFUSED, round)
            poor = bitmap(i for i in bits(record.astray | record.refused) if self._stake_of(i) < terms.stake)
            if poor:
                self.chain.unseat(poor)
            earners = record.included & record.attesters
            share = min(terms.reward, self.pool) // earners.bit_count() if earners else 0
            if share:
                self.pool -= share * earners.bit_count()
                self.rewards[round] = share, earners
                self._emit("Rewarded", round=round, share=share, earners=earners)
        self._emit("Settled", round=round)

    def _slash(self, members: int, amount: int | None, reason: Reason, round: int) -> int:
        """Take so much (None: all) of the stakes of these members, as far as it is there; return what was taken."""
        taken = 0
        for index in bits(members):
            member = self.chain.members[index]
            held = self.stakes.get(member, 0)
            lost = held if amount is None else min(held, amount)
            if lost:
                self.stakes[member] = held - lost
                self.lost[member] = self.lost.get(member, 0) + lost
                self._emit("Slashed", member=member, amount=lost, reason=int(reason), round=round)
            taken += lost
        return taken

    def _punish(self, guilty: int, reason: Reason, round: int, challenger: Address, id: int) -> None:
        """Take the whole stake and the seat; the challenger gets its share, the pool the rest."""
        slashed = self._slash(guilty, None, reason, round)
        part = slashed * self.chain.terms.challenger_share // UNIT
        self.pool += slashed - part
        self._credit(challenger, part, id)
        self.chain.unseat(guilty)
