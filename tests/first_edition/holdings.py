"""Who has how much, in memory: stakes, the pool, what is owed, and what of it can be asked for.

Deliberately dumb: whatever can be worked out again from what happened is worked out again, by a loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, Self

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import Rejected
from tests.first_edition.judgement import Account, Books, Case, Record, State
from tests.first_edition.messages import NATIVE, Status, Terms
from tests.first_edition.transactions import copied


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


class Holdings:
    """The court's books. Senders are not asked whether they have the coins that they bring."""

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

    def _closed(self, round: int) -> Record:
        """Return what a round rests on that has closed.

        Raises:
            LookupError: it has not; nobody asks that of the contract.
        """
        record = self.chain.record(round)
        if record is None:
            raise LookupError(f"round {round} has not closed")
        return record

    def _take(self, amount: int, value: int | None) -> None:
        """Check what came along: in the chain's own currency all of it, in a coin nothing. None: what is right."""
        expected = amount if self.chain.terms.coin == NATIVE else 0
        if value is not None and value != expected:
            raise Rejected("WrongAmount")

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
