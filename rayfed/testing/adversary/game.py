"""What a search plays: a federation whose dishonest members may do anything that its ledger allows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Move:
    """Something that the dishonest may try.

    Attributes:
        name: says it, for people; names are unique among the moves that there are at one time.
        act: what it is to the game; None: nothing, so that the honest act, or else time passes.
    """

    name: str
    act: Hashable = None


YIELD = Move("the honest act, or time passes")


class Game(Protocol):
    """One state of a federation, with all that its members know. It never changes."""

    def moves(self) -> Sequence[Move]:
        """Return what the dishonest may try now; some of it the ledger will refuse. YIELD is among it."""

    def play(self, move: Move) -> Self | None:
        """Return what comes of a move; None if the ledger refuses it."""

    def key(self) -> Hashable:
        """Return what tells this state from all others."""

    def cell(self) -> Hashable:
        """Return what a state is like, coarsely: a guided search tries to see states of every kind."""

    def broken(self) -> str:
        """Return which promise is broken, and how; empty: none."""

    def reached(self) -> Sequence[str]:
        """Return the names of what the ledger has said since the last move began."""

    def is_over(self) -> bool:
        """Say whether nothing of interest can happen any more."""

    def damage(self) -> float:
        """Return how bad things are for the honest, against what it cost the dishonest: what a search maximises."""
