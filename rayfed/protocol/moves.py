"""The commands of the court (``ITournament``); see ``commands``, which has them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rayfed.encoding.primitives import Root
from rayfed.protocol.court import InputProof, Point
from rayfed.protocol.messages import Verb


@dataclass(frozen=True, slots=True)
class EnterRoot:
    """Enter another root against a final one; a bond goes along."""

    verb: ClassVar[Verb] = Verb.ENTER
    round: int
    context: bytes
    root: Root


@dataclass(frozen=True, slots=True)
class Show:
    """Show the parts of the point in dispute, of one side (the other empty) or both; who comes second shows both."""

    verb: ClassVar[Verb] = Verb.SHOW
    point: Point
    parts_i: Sequence[bytes] = ()
    parts_j: Sequence[bytes] = ()

    @property
    def round(self) -> int:
        """Of the tournament."""
        return self.point.round


@dataclass(frozen=True, slots=True)
class ShowLeaf:
    """Show the leaf in dispute, of one side (the other empty) or both; whoever comes second shows both."""

    verb: ClassVar[Verb] = Verb.SHOW_LEAF
    point: Point
    leaf_i: bytes = b""
    leaf_j: bytes = b""

    @property
    def round(self) -> int:
        """Of the tournament."""
        return self.point.round


@dataclass(frozen=True, slots=True)
class Prove:
    """Prove inputs of the coordinate in dispute, some or all; the last one decides.

    Attributes:
        voting: context on which the round was voted (``MergeEvidence.voting``).
        roots: of the included updates, by index.
    """

    verb: ClassVar[Verb] = Verb.PROVE
    point: Point
    voting: bytes
    roots: Sequence[Root]
    inputs: Sequence[InputProof]

    @property
    def round(self) -> int:
        """Of the tournament."""
        return self.point.round


@dataclass(frozen=True, slots=True)
class Resolve:
    """Keep who survives below a block, so that others need not work it out again."""

    verb: ClassVar[Verb] = Verb.RESOLVE
    round: int
    level: int
    block: int


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo a round whose final root has lost a match."""

    verb: ClassVar[Verb] = Verb.UNDO
    round: int
