"""Screens: the tests by which a node decides its ballot.

Whether an update deserves a place in the merge is a judgement, so screens may use floating point, private data and
opinions of their own; only the merge itself has to be the same everywhere. ``valid`` comes first and always: what it
refuses cannot even be merged. The others are chosen in the config and applied in order, each seeing what those before
it accepted. A node never refuses its own update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import ConfigError
from rayfed.messages import Verdict, bitmap


@dataclass(frozen=True)
class Evidence:
    """What a screen may look at.

    Attributes:
        base: fixed-point values of the round's base, (n_values,) int32.
        updates: fixed-point values by member index, each (n_values,) int32, read-only.
        weights: examples by member index, as the headers say.
        own: this node's index, or None if it has no update in this round.
        distance: Euclidean distance of an update from the base, in units of the fixed point, by member index;
            computed once in a process however many screens and nodes ask.
    """

    base: NDArray[np.int32]
    updates: Mapping[int, NDArray[np.int32]]
    weights: Mapping[int, int]
    own: int | None
    distance: Callable[[int], float]

    def without(self, refused: set[int]) -> Evidence:
        """Return the evidence that is left once some updates are refused."""
        left = {i: u for i, u in self.updates.items() if i not in refused}
        return Evidence(self.base, left, self.weights, self.own, self.distance)


class Screen(Protocol):
    """One test. Pure: the same evidence gives the same verdicts."""

    @property
    def name(self) -> str:
        """The word under which its verdicts are recorded."""

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for every update in ``evidence``."""


def ballot(screens: Sequence[Screen], evidence: Evidence) -> tuple[int, tuple[Verdict, ...]]:
    """Apply the screens in order; return the bitmap of accepted updates and all verdicts."""
    verdicts: list[Verdict] = []
    for screen in screens:
        judged = screen.judge(evidence)
        verdicts += judged
        refused = {v.index for v in judged if not v.accepted and v.index != evidence.own}
        evidence = evidence.without(refused)
    return bitmap(evidence.updates), tuple(verdicts)


def make(name: str, settings: Mapping[str, Any]) -> Screen:
    """Build a screen by its name in the config.

    Raises:
        ConfigError: there is no such screen, or it does not take these settings.
    """
    from rayfed.screens.norm import Norm

    known: dict[str, Callable[..., Screen]] = {"norm": Norm}
    if name not in known:
        raise ConfigError("screens", f"there is no screen {name!r}; there are {', '.join(sorted(known))}")
    try:
        return known[name](**settings)
    except TypeError as error:
        raise ConfigError(f"screens.{name}", f"these settings do not fit: {error}") from error
