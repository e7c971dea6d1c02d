"""What the contracts keep of a seat, a round, an account and a tournament: records that a change replaces.

A record that is stored is never changed in place: ``Storage`` hands out a copy to whoever writes (``Storage.changed``).
So whoever holds an older storage, or a copy of one, holds all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.contexts import NO_CONTEXT
from rayfed.protocol.court import MatchState
from rayfed.protocol.messages import Round


class CopiedSlot:
    """A record that can be copied; what it holds is copied along where it can change."""

    def copied(self) -> Self:
        """Return another record with the same content."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update({k: v.copy() if type(v) is dict else v for k, v in self.__dict__.items()})
        return twin


class StandingPhase(IntEnum):
    """Where a federation stands as a whole. The numbers are the contract's."""

    FORMING = 0
    OPEN = 1
    WAITING = 2
    DONE = 3


class Head(IntEnum):
    """Where a round stands. The numbers are the contract's (``RoundHeads``)."""

    COMMIT = 1
    VOTE = 2
    ATTEST = 3
    FINAL = 4
    VOID = 5
    SETTLED = 6
    OVER = 7


@dataclass(eq=False)
class SeatSlot(CopiedSlot):
    """What is kept of an address that has, or had, a seat; ``seat`` is its index, or None."""

    seat: int | None = None
    streak: int = 0
    drops: int = 0
    dropped_at: int = 0
    sequence: int = 0
    announced: int = 0
    card: bytes = b""


@dataclass(eq=False)
class RoundSlot(CopiedSlot):
    """A round; ``awaited`` are the members who have yet to speak in its phase, ``voting`` is what its votes rest on.

    ``seen`` is what was last read of it: a slot that is stored does not change, so that this need not be made twice.
    """

    round: int
    head: Head
    deadline: int
    roster: int
    awaited: int
    base_round: int
    base: Root
    base_context: bytes
    context: bytes
    finals_before: int
    seen: Round | None = field(default=None, repr=False)
    voting: bytes = NO_CONTEXT
    committed: int = 0
    abstained: int = 0
    voted: int = 0
    missers: int = 0
    included: int = 0
    excused: int = 0
    first: Root = NO_ROOT
    agreed: int = 0
    dissenters: int = 0
    final_entry: int = 0
    roots: dict[int, Root] = field(default_factory=dict)
    accepts: dict[int, int] = field(default_factory=dict)
    misses: dict[int, int] = field(default_factory=dict)

    def copied(self) -> Self:
        """See ``CopiedSlot``; what was read of it is forgotten, for the copy will change."""
        twin = super().copied()
        twin.seen = None
        return twin

    @property
    def in_use(self) -> bool:
        """Whether the round holds its slot and its roster: it is open, or closed and not settled."""
        return self.head < Head.SETTLED

    @property
    def is_unsettled(self) -> bool:
        """Whether it has closed, and what was attested in it can still be judged."""
        return self.head in (Head.FINAL, Head.VOID)

    @property
    def quorum(self) -> int:
        """How many must attest one root."""
        return 2 * self.roster.bit_count() // 3 + 1

    @property
    def spoken(self) -> int:
        """Who has spoken in its phase."""
        return self.roster & ~self.awaited

    @property
    def has_quorum(self) -> bool:
        """Whether one root has been attested by enough."""
        return self.agreed >= self.quorum or self.final_entry != 0


@dataclass(eq=False)
class DocketSlot(CopiedSlot):
    """A round's tournament, if it has two entries or more; ``start`` is T0, ``pot`` is slashed stake."""

    start: int = 0
    count: int = 0
    outsiders: int = 0
    cursor: int = 0
    fallen: bool = False
    first_punished: bool = False
    pot: int = 0
    placed: int = 0


@dataclass(eq=False)
class EntrySlot(CopiedSlot):
    """An entry beyond the first."""

    root: Root
    attesters: int = 0
    entrant: Address = ""
    collected: bool = False


@dataclass(eq=False)
class MatchSlot(CopiedSlot):
    """A match; sides by entry, ``winner`` is an entry's number + 1, or 0 if both lost.

    At a leaf ``value_i`` and ``value_j`` are what the sides say at the coordinate; ``inputs`` are what the updates say
    there, and what they weigh.
    """

    i: int = 0
    j: int = 0
    since: int = 0
    clock_i: int = 0
    clock_j: int = 0
    first: int = 0
    count: int = 0
    shown: int = 0
    state: MatchState = MatchState.ABSENT
    winner: int = 0
    node_i: bytes = NO_ROOT
    node_j: bytes = NO_ROOT
    coordinate: int = 0
    value_i: int = 0
    value_j: int = 0
    proven: int = 0
    inputs: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(eq=False)
class CostsSlot(CopiedSlot):
    """What moves cost that were for the left side, the right one, or both; of a match, or of one mover in it."""

    left: int = 0
    right: int = 0
    both: int = 0

    def due(self, side: int) -> int:
        """Return what of it the losers' bonds have to pay, if this side won (3: both lost)."""
        return self.both + (self.left if side == 1 else self.right if side == 2 else 0)


@dataclass(eq=False)
class AccountSlot(CopiedSlot):
    """What an address has: in the coin, and in the chain's own currency."""

    stake: int = 0
    credit: int = 0
    bonds: int = 0
    native_credit: int = 0
    locked_until: int = 0
    slashed: int = 0
    forfeited: int = 0
    earned: int = 0
