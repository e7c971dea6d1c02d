"""Frozen values of the court: one tournament a round. The contract's words (``ITournament``), by its names.

An *entry* is a root that stands for a round's merge. Entries are numbered from 0, and stand in a bracket: stage *s*,
block *b* is the match of the survivors of the blocks *2b* and *2b + 1* of the stage before. A *match* is a descent to
the first leaf in which two blobs differ. Anybody moves for either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from rayfed.encoding.primitives import Address, Root

MAX_ENTRIES = 4096


class Fate(IntEnum):
    """How an entry stands. The numbers are the contract's."""

    NONE = 0
    PENDING = 1
    LOST = 2
    WON = 3
    FALLEN = 4
    """The round's base fell: nobody loses."""


class MatchState(IntEnum):
    """How a match stands. The numbers are the contract's."""

    ABSENT = 0
    """Nobody has moved."""
    DESCENT = 1
    PROVING = 2
    """At a leaf; the inputs are to be proved."""
    DECIDED = 3


LEFT, RIGHT = 1, 2
"""Bits of ``Match.shown``."""


@dataclass(frozen=True, slots=True)
class Tournament:
    """A round's tournament.

    Attributes:
        entries: how many there are; with fewer than two there is no tournament.
        start: stage 0's moves are taken after this second; 0 while that is open.
        fallen: the round's base fell: nobody loses.
    """

    round: int
    entries: int
    start: int
    fallen: bool = False

    @property
    def stages(self) -> int:
        """How many stages there are."""
        return max(0, self.entries - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry.

    Attributes:
        attesters: members who attested the root; bitmap.
        entrant: who put a bond down for it; "" where it was attested.
        fate: how it stands now.
        stage: if lost, in which stage.
        collected: it has lost and was dealt with, or its entrant has the bond back.
    """

    number: int
    root: Root
    attesters: int
    entrant: Address
    fate: Fate
    stage: int = 0
    collected: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """Which match a move is in, and the leaves in dispute.

    Attributes:
        round: of the tournament.
        stage: from 0.
        i, j: numbers of the entries on the left and on the right.
        first: the first leaf in dispute; ``count`` is how many there are.
    """

    round: int
    stage: int
    i: int
    j: int
    first: int
    count: int

    @property
    def block(self) -> int:
        """The match's place in its stage."""
        return self.i >> (self.stage + 1)


@dataclass(frozen=True, slots=True)
class Match:
    """A match, as of now.

    Attributes:
        point: where it stands.
        since: when the step began, seconds since the epoch.
        clock_i, clock_j: seconds left to each side from then on.
        shown: LEFT | RIGHT, who has shown the point's parts.
        node_i, node_j: each side's root of the point.
        coordinate: at a leaf, the value in dispute.
        proven: inputs that have been proved, by their position among the included updates; bitmap.
        winner: of a decided match, the entry's number; None: both lost, or it is not decided.
    """

    state: MatchState
    point: Point
    since: int
    clock_i: int
    clock_j: int
    shown: int
    node_i: bytes
    node_j: bytes
    coordinate: int = 0
    proven: int = 0
    winner: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What one side, or both, have shown of a point: its parts' roots, or at one leaf that leaf; else empty."""

    parts_i: tuple[bytes, ...] = ()
    parts_j: tuple[bytes, ...] = ()
    leaf_i: bytes = b""
    leaf_j: bytes = b""


@dataclass(frozen=True, slots=True)
class InputProof:
    """That an update has a leaf, and weighs what it does.

    Attributes:
        which: the update's position among the included ones, by index. Where updates are differences, the base stands
            behind the last one, and comes first in every call.
        leaf: its ``merkle.LEAF`` bytes.
        path: siblings from the leaf up (``merkle.Tree.proof``).
        header, header_path: leaf 0 and its path where the rule is the mean; else empty.
    """

    which: int
    leaf: bytes
    path: tuple[bytes, ...]
    header: bytes = b""
    header_path: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class MergeEvidence:
    """What a round's merge rests on; with it anybody makes the round's ``included`` context again.

    Attributes:
        included: members whose updates are included; bitmap.
        roots: theirs, by index.
        voting: what the votes rested on.
        context: ``contexts.resting(voting, included, roots)``.
        base_round, base: what the round started from.
    """

    round: int
    included: int
    roots: tuple[Root, ...]
    voting: bytes
    context: bytes
    base_round: int
    base: Root
