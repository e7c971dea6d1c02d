"""Screens: the tests by which a node decides its ballot.

Whether an update deserves a place in the merge is a judgement, so screens may use floating point, private data and
opinions of their own; only the merge itself has to be the same everywhere. ``valid`` comes first and always: what it
refuses cannot even be merged. The others are chosen in the config and applied in order, each seeing what those before
it accepted. A node never refuses its own update.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.gram import Gram, gram
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import bitmap
from rayfed.errors import ConfigError


def _unshared(key: Hashable, make: Callable[[], NDArray[np.int32]]) -> NDArray[np.int32]:
    return make()


def _nobody(rounds: int) -> Collection[int]:
    return ()


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
        products: exact inner products of all the round's valid updates, seen from the base, and the member index of
            each row; None computes them from ``updates`` when a screen asks.
        loss: mean loss on the node's private data of a model with these values, (n_values,) int32; None where there
            is no such data.
        round: which one it is, from 1; 0 where nobody says.
        genesis: gives the values of the model that round 1 started from, (n_values,) int32, or None if nobody has them
            any more; itself None where that is the base.
        along: cosine of an update, seen from the base, with the way from genesis to the base, by member index; to be
            asked only where ``genesis`` gives something.
        shared: given a key and what makes an int32 array of these updates and of nothing private, returns the array,
            read-only: made once in a process however many nodes ask by this key.
        common_loss: given the same, returns the ``loss`` of the model with these values, which is made ready once in a
            process; None: it is made for each node.
        left_out: given a number of rounds, at least 1, returns the members whose updates were left out of so many, the
            last ones, in a row. Everybody's votes decided that, not the node's own verdicts.
    """

    base: NDArray[np.int32]
    updates: Mapping[int, NDArray[np.int32]]
    weights: Mapping[int, int]
    own: int | None
    distance: Callable[[int], float]
    products: Callable[[], tuple[Sequence[int], Gram]] | None = None
    loss: Callable[[NDArray[np.int32]], float] | None = None
    round: int = 0
    genesis: Callable[[], NDArray[np.int32] | None] | None = None
    along: Callable[[int], float] | None = None
    shared: Callable[[Hashable, Callable[[], NDArray[np.int32]]], NDArray[np.int32]] = _unshared
    common_loss: Callable[[Hashable, Callable[[], NDArray[np.int32]]], float] | None = None
    left_out: Callable[[int], Collection[int]] = _nobody
    _losses: dict[str, float] = field(default_factory=dict, repr=False, compare=False)  # shared with what is left of it

    @property
    def base_loss(self) -> float:
        """``loss`` of the base; a pass over the images once, however many screens ask."""
        assert self.loss is not None
        if "base" not in self._losses:
            self._losses["base"] = self.loss_of("base", lambda: self.base)
        return self._losses["base"]

    def loss_of(self, key: Hashable, make: Callable[[], NDArray[np.int32]]) -> float:
        """Return ``loss`` of what ``make`` gives: values that all who have these updates call by this key."""
        assert self.loss is not None
        return self.loss(make()) if self.common_loss is None else self.common_loss(key, make)

    def without(self, refused: set[int]) -> Evidence:
        """Return the evidence that is left once some updates are refused."""
        return replace(self, updates={i: u for i, u in self.updates.items() if i not in refused})

    @property
    def indices(self) -> tuple[int, ...]:
        """The members whose updates are judged, lowest first: the order of ``gram``'s rows."""
        return tuple(sorted(self.updates))

    @cached_property
    def gram(self) -> Gram:
        """Exact inner products of the updates, seen from the base; rows in the order of ``indices``."""
        if self.products is None:
            return gram([self.updates[i] for i in self.indices], self.base)
        members, whole = self.products()
        place = {member: row for row, member in enumerate(members)}
        return whole.chosen([place[i] for i in self.indices])


class Screen(Protocol):
    """One test. The same evidence gives the same verdicts, but that a screen may learn from the rounds before.

    One that does has ``remember(folder)``, is told there where to keep what it has learnt, and works without.
    """

    @property
    def name(self) -> str:
        """The word under which its verdicts are recorded."""

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for every update in ``evidence``."""


def ballot(screens: Sequence[Screen], evidence: Evidence) -> tuple[int, tuple[Verdict, ...]]:
    """Apply the screens in order; return the bitmap of accepted updates and all verdicts."""
    verdicts: list[Verdict] = []
    for screen in screens:
        judged = [_fair(verdict, evidence.own) for verdict in screen.judge(evidence)]
        verdicts += judged
        refused = {v.index for v in judged if not v.accepted}
        evidence = evidence.without(refused)
    return bitmap(evidence.updates), tuple(verdicts)


def _fair(verdict: Verdict, own: int | None) -> Verdict:
    """Return the verdict; on the node's own update, whose making it has seen, an accepting one."""
    return verdict if verdict.accepted or verdict.index != own else replace(verdict, accepted=True, reason="")


_RENAMED = {("cosine", "min"): "gap, and says how far below the others' median similarity an update may lie"}
"""Settings that had another name before: screen and old name, and what to set now."""


def names() -> tuple[str, ...]:
    """Return the words by which the config knows the screens, in the order in which they are best applied."""
    return tuple(_KNOWN)


def make(name: str, settings: Mapping[str, Any], folder: Path | None = None) -> Screen:
    """Build a screen by its name in the config.

    Args:
        name, settings: from the config.
        folder: where a screen that learns keeps what it has learnt; None: nowhere.

    Raises:
        ConfigError: there is no such screen, or it does not take these settings.
    """
    if name not in _KNOWN:
        raise ConfigError("screens", f"there is no screen {name!r}; there are {', '.join(_KNOWN)}")
    for setting in settings:
        if (name, setting) in _RENAMED:
            raise ConfigError(f"screens.{name}.{setting}", f"is called {_RENAMED[name, setting]}")
    module, _, kind = _KNOWN[name].rpartition(".")
    try:
        made: Screen = getattr(import_module(f"rayfed.aggregation.screens.{module}"), kind)(**settings)
    except TypeError as error:
        raise ConfigError(f"screens.{name}", f"these settings do not fit: {error}") from error
    if folder is not None and hasattr(made, "remember"):
        made.remember(folder)
    return made


def check(name: str, settings: Mapping[str, Any], nodes: int | None) -> None:
    """Say what is wrong with a screen's settings before anything starts.

    Args:
        name, settings: as for ``make``.
        nodes: of the federation; None where it is not known.

    Raises:
        ConfigError: naming the setting.
    """
    screen = make(name, settings)
    if nodes is not None and hasattr(screen, "check"):
        screen.check(nodes)


_KNOWN = {
    "progress": "progress.Progress",
    "norm": "norm.Norm",
    "weight": "weight.Weight",
    "idle": "idle.Idle",
    "duplicate": "duplicate.Duplicate",
    "cosine": "cosine.Cosine",
    "holdout": "holdout.Holdout",
    "krum": "krum.Krum",
    "multi_krum": "krum.MultiKrum",
}
"""Module and class by name: what is cheap and obvious first, what compares all with all last."""
