"""The court's money in memory: stakes, the pool, rewards and what is paid out. ``ICourt`` says what each verb means.

Deliberately dumb: whatever can be worked out again from what happened is worked out again, by a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self

from rayfed.encoding.primitives import Address, Root, bitmap, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory.transactions import copied, verb
from rayfed.protocol.judgement import Account, Books, Case, Reason, Record, State
from rayfed.protocol.messages import NATIVE, Status, Terms

UNIT = 10_000
"""Shares are counted in parts of this."""


class Clock(Protocol):
    """Tells the time."""

    @property
    def now(self) -> int:
        """Seconds since the epoch."""


class Rounds(Protocol):
    """What a court knows of its federation, and may do to it; ``MemoryRounds`` says what each is."""

    @property
    def terms(self) -> Terms: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def members(self) -> Sequence[Address]: ...
    @property
    def round(self) -> int: ...
    def record(self, round: int) -> Record | None: ...
    def included_roots(self, round: int) -> list[Root]: ...
    def is_active(self, address: Address) -> bool: ...
    def index_of(self, address: Address) -> int | None: ...
    def undo(self, round: int) -> None: ...
    def unseat(self, members: int) -> None: ...
    def saved(self) -> Any: ...
    def restore(self, saved: Any) -> None: ...
    def emit(self, name: str, **values: Any) -> None: ...


class Treasury:
    """Who has how much. Senders are not asked whether they have the coins that they bring."""

    def __init__(self, chain: Rounds) -> None:
        self.chain = chain
        self.pool = 0
        self.stakes: dict[Address, int] = {}
        self.credits: dict[Address, int] = {}  # bonds that came back, and challengers' shares
        self.lost: dict[Address, int] = {}
        self.exits: dict[Address, int] = {}
        self.cursors: dict[Address, int] = {}  # the last round of which an account has claimed
        self.rewards: dict[int, tuple[int, int]] = {}  # (share, earners) of each settled final round
        self.settled = 0
        self.cases: dict[int, Case] = {}

    def saved(self) -> Any:
        """See ``Transacting``."""
        return self.chain.saved()

    def restore(self, saved: Any) -> None:
        """See ``Transacting``."""
        self.chain.restore(saved)

    def copied(self) -> Self:
        """Return another court with the same books."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(copied(self.__dict__))
        return twin

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

    # -- views ------------------------------------------------------------------------------------------------------

    def account(self, address: Address) -> Account:
        """Return what an address has here."""
        cursor = self.cursors.get(address, 0)
        return Account(
            stake=self.stakes.get(address, 0),
            claimable=self.credits.get(address, 0) + self._shares(address, range(cursor + 1, self.settled + 1)),
            pending=self._pending(address),
            slashed=self.lost.get(address, 0),
            exiting=address in self.exits,
            exit_round=self.exits.get(address, 0),
            claimed=cursor,
        )

    def accounts(self) -> tuple[Account, ...]:
        """Return the same of all members, by index."""
        return tuple(self.account(member) for member in self.chain.members)

    def books(self) -> Books:
        """Return where all the money is."""
        terms = self.chain.terms
        everybody = self.stakes.keys() | self.credits.keys() | {*self.chain.members}
        return Books(
            pool=self.pool,
            stakes=sum(self.stakes.values()),
            bonds=terms.bond * sum(case.state is State.OPEN for case in self.cases.values()),
            owed=sum(self.account(address).claimable for address in everybody),
            settled=self.settled,
            cases=len(self.cases),
        )

    def due(self, address: Address, most: int) -> int:
        """Return what a claim in at most so many rounds would pay."""
        first = self.cursors.get(address, 0)
        rounds = range(first + 1, min(self.settled, first + most) + 1)
        return self.credits.get(address, 0) + self._shares(address, rounds)

    # -- parts ------------------------------------------------------------------------------------------------------

    def _take(self, amount: int, value: int | None) -> None:
        """Check what came along: in the chain's own currency all of it, in a coin nothing. None: what is right."""
        expected = amount if self.chain.terms.coin == NATIVE else 0
        if value is not None and value != expected:
            raise Rejected("WrongAmount")

    def _can_settle(self, round: int) -> bool:
        record = self.chain.record(round)
        if record is None:
            return False
        if record.status is Status.VOID:
            return True
        over = self.chain.clock.now > record.open_until + self.chain.terms.challenge_seconds
        return over and not any(case.round == round and case.state is State.OPEN for case in self.cases.values())

    def _settle(self, round: int) -> None:
        record, terms = self.chain.record(round), self.chain.terms
        assert record is not None
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

    def _credit(self, account: Address, amount: int, id: int) -> None:
        if amount:
            self.credits[account] = self.credits.get(account, 0) + amount
            self._emit("Credited", account=account, amount=amount, id=id)

    def _stake_of(self, index: int) -> int:
        return self.stakes.get(self.chain.members[index], 0)

    def _shares(self, address: Address, rounds: Iterable[int]) -> int:
        index = self.chain.index_of(address)
        if index is None:
            return 0
        of_rounds = (self.rewards.get(round, (0, 0)) for round in rounds)
        return sum(share for share, earners in of_rounds if earners >> index & 1)

    def _pending(self, address: Address) -> int:
        """Settle a copy of the books as if all windows were over, and see what that brings."""
        index = self.chain.index_of(address)
        if index is None:
            return 0
        pool, found = self.pool, 0
        for round in range(self.settled + 1, self.chain.round + 1):
            record = self.chain.record(round)
            if record is not None and record.status is Status.FINAL:
                earners = record.included & record.attesters
                share = min(self.chain.terms.reward, pool) // earners.bit_count() if earners else 0
                pool -= share * earners.bit_count()
                found += share * (earners >> index & 1)
        return found

    def _emit(self, name: str, **values: Any) -> None:
        self.chain.emit(name, **values)
