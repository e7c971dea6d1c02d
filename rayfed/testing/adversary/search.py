"""Searches for a way to break a promise: through all states of a small game, or by guided guesses in a larger one."""

from __future__ import annotations

import random
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rayfed.testing.adversary.game import YIELD, Game

G = TypeVar("G", bound=Game)

STEPS = 12
"""Moves that a guided search makes before it goes on from somewhere else."""

DRAWN = 4
"""States that are drawn; the search goes on from the one that it wants most."""

LONGEST = 400
"""Moves in a history."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken promise.

    Attributes:
        promise: which, and how.
        moves: the names of the moves that lead there.
    """

    promise: str
    moves: tuple[str, ...]


@dataclass
class Searched:
    """What a search has seen.

    Attributes:
        findings: what is broken, each promise once, by the fewest moves that were found.
        states: different states; ``tried`` moves, ``ended`` histories that came to their end.
        reached: how often the ledger has said what, by name: what a search never reaches it cannot judge.
        complete: whether there are no other states within the bounds.
        worst: the damage done, and the moves that did the most.
        seconds: what it took here.
    """

    findings: dict[str, Breach] = field(default_factory=dict)
    states: int = 0
    tried: int = 0
    ended: int = 0
    reached: dict[str, int] = field(default_factory=dict)
    complete: bool = False
    worst: float = 0.0
    worst_moves: tuple[str, ...] = ()
    seconds: float = 0.0

    def note(self, game: Game, moves: tuple[str, ...]) -> bool:
        """Look at a state; return whether a promise is broken in it."""
        promise = game.broken()
        for name in game.reached():
            self.reached[name] = self.reached.get(name, 0) + 1
        if promise and (promise not in self.findings or len(moves) < len(self.findings[promise].moves)):
            self.findings[promise] = Breach(promise, moves)
        if (done := game.damage()) > self.worst:
            self.worst, self.worst_moves = done, moves
        return bool(promise)


def exhaustive(start: G, most: int = 1_000_000, seconds: float = float("inf"), first: bool = False) -> Searched:
    """Go through every state that the dishonest can bring about; nothing is looked at beyond a broken promise.

    Args:
        start: where to begin.
        most: states after which it gives up (``Searched.complete`` is False then), and ``seconds``, likewise.
        first: stop at the first broken promise.
    """
    found, began = Searched(), time.monotonic()
    seen: set[Hashable] = {start.key()}
    stack: list[tuple[G, tuple[str, ...]]] = [(start, ())]
    while stack:
        game, moves = stack.pop()
        if len(seen) > most or time.monotonic() - began > seconds or (first and found.findings):
            break
        if game.is_over():
            found.ended += 1
            continue
        for move in game.moves():
            found.tried += 1
            after = game.play(move)
            if after is None:
                continue
            # Also where the state is known: what is said on the way there may break a promise.
            broken = found.note(after, (*moves, move.name))
            if (key := after.key()) in seen:
                continue
            seen.add(key)
            if not broken:
                stack.append((after, (*moves, move.name)))
    else:
        found.complete = True
    found.states, found.seconds = len(seen), time.monotonic() - began
    return found


@dataclass
class Cell(Generic[G]):
    """The first state that was seen of a kind, by the fewest moves; how often the search went on from it."""

    game: G
    moves: tuple[str, ...]
    damage: float
    chosen: int = 0

    def weight(self) -> float:
        """Return how much the search wants to go on from here: where it was seldom, and where there is damage."""
        return (1 + self.damage) / (1 + self.chosen)


def guided(start: G, tries: int, seed: int = 0, seconds: float = float("inf"), first: bool = False) -> Searched:
    """Go on at random from states of every kind that was seen, preferably the rarely chosen and the damaging ones.

    After Go-Explore (Ecoffet et al., arXiv 1901.10995): states never change, so that it returns to them for nothing.

    Args:
        start: where to begin.
        tries: moves to try; the same number and seed give the same search.
        seed: of the dice.
        seconds: after which it stops all the same.
        first: stop at the first broken promise.
    """
    dice, found, began = random.Random(seed), Searched(), time.monotonic()
    cells: dict[Hashable, Cell[G]] = {start.cell(): Cell(start, (), start.damage())}
    every = [*cells.values()]
    seen: set[Hashable] = set()
    while found.tried < tries and time.monotonic() - began < seconds and not (first and found.findings):
        some = max((dice.choice(every) for _ in range(DRAWN)), key=Cell.weight)
        some.chosen += 1
        game, moves, eager = some.game, some.moves, dice.choice((0.3, 0.6, 0.9))
        for _ in range(STEPS):
            if game.is_over() or len(moves) >= LONGEST:
                found.ended += 1
                break
            name, after = _any(game, dice, eager, found)
            if after is None:
                break
            game, moves = after, (*moves, name)
            seen.add(game.key())
            if found.note(game, moves):
                break
            kind = game.cell()
            if kind not in cells:
                cells[kind] = Cell(game, moves, game.damage())
                every.append(cells[kind])
            elif len(moves) < len(cells[kind].moves):
                cells[kind].game, cells[kind].moves = game, moves
    found.states, found.seconds = len(seen), time.monotonic() - began
    return found


def _any(game: G, dice: random.Random, eager: float, found: Searched) -> tuple[str, G | None]:
    """Make some move that the ledger allows: with probability ``eager`` one of the dishonest."""
    options = [move for move in game.moves() if move != YIELD]
    while options and dice.random() < eager:
        move = options.pop(dice.randrange(len(options)))
        found.tried += 1
        if (after := game.play(move)) is not None:
            return move.name, after
    found.tried += 1
    return YIELD.name, game.play(YIELD)


def replayed(game: G, moves: tuple[str, ...]) -> G:
    """Play moves by their names; return what came of it.

    Raises:
        LookupError: one of them cannot be played.
    """
    for name in moves:
        move = next((one for one in game.moves() if one.name == name), None)
        after = game.play(move) if move is not None else None
        if after is None:
            raise LookupError(f"{name!r} cannot be played here")
        game = after
    return game
