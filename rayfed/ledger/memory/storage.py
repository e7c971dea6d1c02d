"""What a federation's contracts store, in memory, and what they log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.ledger.memory.slots import (
    AccountSlot,
    CopiedSlot,
    CostsSlot,
    DocketSlot,
    EntrySlot,
    Head,
    MatchSlot,
    RoundSlot,
    SeatSlot,
    StandingPhase,
)
from rayfed.protocol.court import MergeEvidence, Shown
from rayfed.protocol.messages import Outcome, Terms

K = TypeVar("K")
S = TypeVar("S", bound=CopiedSlot)

Block = tuple[int, int, int]
"""A match's place: round, stage, block."""


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


@dataclass(eq=False)
class Storage:
    """What a federation's contracts store; a transaction changes a copy, which is kept if it goes through.

    Attributes:
        terms, clock: what it was founded on, and the chain's time.
        round, standing, finals, voids, unsettled, origin, installs, since, deadline: the contract's ``Standing``.
        active: members that the next round will count on.
        holders: address by index, where a seat is taken.
        streaks: absences in a row by index.
        seats: what is kept of each address that ever had a seat.
        rounds: what the ring holds, by slot.
        outcomes, evidence: what became of each round that closed, and what its merge rests on.
        dockets, entries, entry_of: tournaments by round; entries by round and number; their numbers by round and root.
        matches, shown, costs, costs_of, pots: by round, stage and block; costs besides by mover, pots with the side.
        accounts: by address.
        pool, burned, native_burned, epoch: the contract's ``Books``.
        shares: of the pool by epoch; ``shares_of`` also by funder.
        spent: what the losers' bonds of an entry left for who moved, as another ledger has told; by round and number.
        paid, native_paid: what each address has brought in (negative) and got out, in the coin and the currency.
    """

    terms: Terms
    clock: ManualClock = field(default_factory=ManualClock)
    round: int = 0
    standing: StandingPhase = StandingPhase.FORMING
    finals: int = 0
    voids: int = 0
    unsettled: int = 0
    origin: int = 0
    installs: bool = False
    since: int = 0
    deadline: int = 0
    active: int = 0
    holders: dict[int, Address] = field(default_factory=dict)
    streaks: dict[int, int] = field(default_factory=dict)
    seats: dict[Address, SeatSlot] = field(default_factory=dict)
    rounds: dict[int, RoundSlot] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    evidence: dict[int, MergeEvidence] = field(default_factory=dict)
    dockets: dict[int, DocketSlot] = field(default_factory=dict)
    entries: dict[tuple[int, int], EntrySlot] = field(default_factory=dict)
    entry_of: dict[tuple[int, Root], int] = field(default_factory=dict)
    matches: dict[Block, MatchSlot] = field(default_factory=dict)
    shown: dict[tuple[Block, int, int], Shown] = field(default_factory=dict)
    costs: dict[Block, CostsSlot] = field(default_factory=dict)
    costs_of: dict[tuple[Block, Address], CostsSlot] = field(default_factory=dict)
    pots: dict[Block, tuple[int, int]] = field(default_factory=dict)
    accounts: dict[Address, AccountSlot] = field(default_factory=dict)
    pool: int = 0
    burned: int = 0
    native_burned: int = 0
    epoch: int = 0
    shares: dict[int, int] = field(default_factory=dict)
    shares_of: dict[tuple[int, Address], int] = field(default_factory=dict)
    spent: dict[tuple[int, int], int] = field(default_factory=dict)
    paid: dict[Address, int] = field(default_factory=dict)
    native_paid: dict[Address, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log: list[Said] = []  # shared by all copies; this one has said the first ``told`` of it
        self.told = 0

    # -- copies ------------------------------------------------------------------

    def copied(self) -> Self:
        """Return another storage of the same content, for a transaction to change."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update({k: v.copy() if type(v) is dict else v for k, v in self.__dict__.items()})
        return twin

    def under(self, clock: ManualClock) -> Self:
        """Return the same storage at another clock's time; it shares all else, and nobody writes to either."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__, clock=clock)
        return twin

    def changed(self, where: dict[K, S], key: K, new: Callable[[], S] | None = None) -> S:
        """Return a record to be changed: a copy of what is stored, or a new one, which is stored from now on."""
        record = where.get(key)
        if record is None and new is None:
            raise LookupError(f"there is nothing at {key}")
        where[key] = fresh = record.copied() if record is not None else new()  # type: ignore[misc]
        return fresh

    # -- questions that more than one part asks ------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The chain's time."""
        return self.clock.now

    @property
    def slot(self) -> RoundSlot:
        """The round opened last."""
        return self.rounds[self.slot_of(self.round)]

    def slot_of(self, round: int) -> int:
        """Return the number of a round's slot."""
        return round % self.terms.ring

    def held(self, round: int) -> RoundSlot | None:
        """Return a round, if its slot holds it."""
        slot = self.rounds.get(self.slot_of(round))
        return slot if slot is not None and slot.round == round else None

    def seat_of(self, address: Address) -> int | None:
        """Return the index of an address's seat, or None."""
        word = self.seats.get(address)
        return None if word is None else word.seat

    def attesters(self, round: int, number: int) -> int:
        """Return who attested an entry's root. The first entry has no slot for it: all who attested and no other."""
        if number:
            entry = self.entries.get((round, number))
            return 0 if entry is None else entry.attesters
        slot = self.rounds[self.slot_of(round)]
        return slot.spoken & ~slot.dissenters

    def root_of(self, round: int, number: int) -> Root:
        """Return an entry's root."""
        if not number:
            return self.rounds[self.slot_of(round)].first
        entry = self.entries.get((round, number))
        return NO_ROOT if entry is None else entry.root

    def base_settled(self, base_round: int) -> bool:
        """Whether nothing can undo a base: genesis, or what a round made."""
        held = self.held(base_round) if base_round else None
        return held is None or held.head is Head.SETTLED

    # -- notes ------------------------------------------------------------------

    def add_entry(self, round: int, root: Root) -> int:
        """Note one more entry of a round; return its number. The first one has no docket, and no slot of its own."""
        docket = self.changed(self.dockets, round, DocketSlot)
        number = docket.count or 1
        docket.count = number + 1
        self.entry_of[round, root] = number
        self.entries[round, number] = EntrySlot(root)
        return number

    def account(self, address: Address) -> AccountSlot:
        """Return an account to be changed."""
        return self.changed(self.accounts, address, AccountSlot)

    def emit(self, event: str, /, **values: Any) -> None:
        """Log an event."""
        if len(self.log) != self.told:  # another copy has gone on from here: the log is shared no more
            self.log = self.log[: self.told]
        self.log.append(Said(event, values, self.clock.now))
        self.told += 1
