"""The screens of the default as it was until the long runs of ``benchmarks.fairness``: what the new is measured beside.

``progress`` and ``norm`` refused as many as there were, ``cosine`` judged by an absolute limit, ``duplicate`` did not
ask how near others are to each other, ``holdout`` by parts of the loss however small that was, and one by one however
many there were; the others are as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from rayfed.aggregation import screens
from rayfed.aggregation.screens import Evidence, Screen
from rayfed.aggregation.screens.few import AMONG
from rayfed.aggregation.screens.holdout import above, finite, harm, spread
from rayfed.aggregation.screens.means import Means
from rayfed.aggregation.screens.norm import Norm
from rayfed.aggregation.screens.progress import Progress
from rayfed.aggregation.screens.verdict import Verdict

SETTINGS: dict[str, dict[str, Any]] = {
    "former_progress": {"rest": 0.0},
    "former_norm": {"factor": 3.0, "usual": 0.0},
    "weight": {},
    "idle": {},
    "duplicate": {"usual": math.inf},
    "former_cosine": {},
    "former_holdout": {},
}
"""As ``Defence.screens`` takes them."""

SECOND = "second default"
"""Whose cells the results keep: before ``cosine`` asked for harm, and with smaller least harms in ``holdout``."""

THIRD = "third default"
"""Likewise: today's without a way back (``screens.way_back``), the same where nobody was left out of three rounds in a
row."""


def make(name: str, settings: dict[str, Any]) -> Screen:
    """As ``screens.make``, and knows those of this module by ``former_``."""
    kinds: dict[str, Any] = {
        "former_progress": lambda **chosen: Unlimited(Progress(**chosen)),
        "former_norm": lambda **chosen: Unlimited(Norm(**chosen)),
        "former_cosine": Cosine,
        "former_holdout": Holdout,
    }
    made: Screen = kinds[name](**settings) if name in kinds else screens.make(name, settings)
    return made


class Unlimited:
    """A screen that holds being different against however many there are: there might as well be any number."""

    def __init__(self, screen: Screen) -> None:
        self.name = screen.name
        self._screen = screen

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``."""
        nobody = dict.fromkeys(range(-3 * len(evidence.weights) - 3, 0), 0)
        return self._screen.judge(replace(evidence, weights={**nobody, **evidence.weights}))


@dataclass(frozen=True)
class Cosine:
    """As it was: a limit that does not go with the others."""

    min: float = -0.2

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "cosine"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the median of the cosines with all other updates; fewer than three: all pass."""
        # All that were valid, not those that earlier screens have left: refusing liars must not loosen the limit.
        limit = min(self.min, self.min * max(1.0, AMONG / max(1, len(evidence.weights))))
        verdicts = []
        for row, index in enumerate(evidence.indices):
            others = [evidence.gram.cosine(row, other) for other in range(len(evidence.indices)) if other != row]
            score = median(others) if len(others) > 1 else 1.0
            accepted = score >= limit
            reason = "" if accepted else f"points away from the others: a median cosine of {score:.2f}"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts


@dataclass(frozen=True)
class Holdout:
    """As it was: no least harm where data is alike, and the ruinous sought wherever the mean is worse than the base."""

    harm: float = 0.125
    least: float = 0.015
    alike: float = 0.04
    factor: float = 1.5
    slack: float = 0.5
    ruin: float = 5.0

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "holdout"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the harm; infinite for an update whose loss is not a number."""
        if evidence.loss is None or not evidence.updates:
            return []
        # All that were valid, not those that earlier screens have left: refusing liars must not loosen the limits.
        scale = max(1.0, (AMONG / len(evidence.weights)) ** 2)
        base = finite(evidence.base_loss)
        rest, ruined = list(evidence.indices), dict[int, float]()
        means = Means(evidence, rest)
        whole = finite(evidence.loss(means.of_all()))
        if not whole <= base:
            ruined = self._ruined(evidence, base, scale)
        if ruined:
            rest = [index for index in rest if index not in ruined]
            means = Means(evidence, rest)
            whole = finite(evidence.loss(means.of_all())) if rest else math.inf
        harms = dict.fromkeys(rest, 0.0)
        if len(rest) > 2:  # of two, nobody can say which one does the harm
            harms = {index: harm(whole, finite(evidence.loss(means.without([index])))) for index in rest}
        factor = self.factor * 2 / 3
        if spread(harms) >= self.alike:
            factor = self.factor
            harms = {index: 0.0 if 0 < found * whole < self.least else found for index, found in harms.items()}
        over = above(harms)
        verdicts = []
        for index in evidence.indices:
            score, reason = harms.get(index, math.inf), ""
            if index in ruined:
                reason = f"ruinous: a loss of {ruined[index]:.2f} where the base has {base:.2f}"
            elif score > self.harm * scale or (score > self.harm * scale / 5 and over[index] > factor * scale):
                reason = f"without it the others' mean has {100 * score:.0f} % less loss"
            verdicts.append(Verdict(self.name, index, not reason, score, reason))
        return verdicts

    def _ruined(self, evidence: Evidence, base: float, scale: float) -> dict[int, float]:
        """Return by member the loss of the updates that are ruinous by themselves."""
        assert evidence.loss is not None
        losses = {index: finite(evidence.loss(evidence.updates[index])) for index in evidence.indices}
        over = above(losses)
        return {
            index: loss
            for index, loss in losses.items()
            if loss == math.inf or (over[index] > self.ruin * scale and loss > base + self.slack * scale)
        }
