"""Refuse an update that does harm on data that its author has never seen: the node's own.

Sources: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning" (loss based rejection:
leave one out and look whether the merge gets better), and Xie, Koyejo and Gupta 2019, "Zeno" (the loss against the
base's). Here every node uses its own private images, and the vote does the rest: one node's images may have
nothing of what an honest peer has learnt, most nodes' together do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.means import Means
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError

AMONG = 10
"""With fewer updates than this, honest ones that are the only ones of their kind do a mean much good and much harm."""


@dataclass(frozen=True)
class Holdout:
    """Refuse an update without which the others' mean would do better here, or which is ruinous by itself.

    The first is judged on the means, weighted by examples, of all updates and of all but one: a model trained on few
    classes is bad on the others' images, and its honest author must not be voted out for that, but in a mean it
    helps. Harm is what the loss would fall by without the update, in parts of the mean's loss. Refused is harm of more
    than ``harm``, and harm of more than a fifth of that which is ``factor`` median absolute deviations above the
    median of all; but nobody for less than ``least`` nats, which the last rounds' small losses give by chance.

    Where the median absolute deviation of the harms is below ``alike``, data is alike and harm stands out: ``least`` is
    not asked for then, and two thirds of ``factor`` are enough. A little harm in every round would pass for ever.

    The second, asked only where the mean of all is worse than the base, for several ruinous updates hide each other
    from the first: a loss that is more than ``slack`` nats above the base's *and* more than ``ruin`` median absolute
    deviations above the median of all.

    All limits are for ``AMONG`` updates or more. The fewer there are, the more each one changes the mean, and the less
    is known of what is usual among them: limits grow with the square of how many are missing to that number.
    """

    harm: float = 0.125
    least: float = 0.015
    alike: float = 0.04
    factor: float = 1.5
    slack: float = 0.5
    ruin: float = 5.0

    def __post_init__(self) -> None:
        for name in ("harm", "factor", "ruin"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"screens.holdout.{name}", f"must be greater than 0, is {getattr(self, name)}")
        for name in ("least", "alike", "slack"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"screens.holdout.{name}", f"must not be negative, is {getattr(self, name)}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "holdout"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the harm; infinite for an update whose loss is not a number."""
        if evidence.loss is None or not evidence.updates:
            return []
        # All that were valid, not those that earlier screens have left: to refuse some must not loosen the limits.
        scale = max(1.0, (AMONG / len(evidence.weights)) ** 2)
        base = _finite(evidence.base_loss)
        rest, ruined = list(evidence.indices), dict[int, float]()
        means = Means(evidence, rest)
        whole = _finite(evidence.loss(means.of_all()))
        if not whole <= base:
            ruined = self._ruined(evidence, base, scale)
        if ruined:
            rest = [index for index in rest if index not in ruined]
            means = Means(evidence, rest)
            whole = _finite(evidence.loss(means.of_all())) if rest else math.inf
        harms = dict.fromkeys(rest, 0.0)
        if len(rest) > 2:  # of two, nobody can say which one does the harm
            harms = {index: _harm(whole, _finite(evidence.loss(means.without(index)))) for index in rest}
        factor = self.factor * 2 / 3
        if _spread(harms) >= self.alike:
            factor = self.factor
            harms = {index: 0.0 if 0 < harm * whole < self.least else harm for index, harm in harms.items()}
        above = _above(harms)
        verdicts = []
        for index in evidence.indices:
            harm, reason = harms.get(index, math.inf), ""
            if index in ruined:
                reason = f"ruins the model: loss {ruined[index]:.2f} where the base has {base:.2f}"
            elif harm > self.harm * scale or (harm > self.harm * scale / 5 and above[index] > factor * scale):
                reason = f"without it the others' mean has {100 * harm:.0f} % less loss"
            verdicts.append(Verdict(self.name, index, not reason, harm, reason))
        return verdicts

    def _ruined(self, evidence: Evidence, base: float, scale: float) -> dict[int, float]:
        """Return by member the loss of the updates that are ruinous by themselves."""
        assert evidence.loss is not None
        losses = {index: _finite(evidence.loss(evidence.updates[index])) for index in evidence.indices}
        above = _above(losses)
        return {
            index: loss
            for index, loss in losses.items()
            if loss == math.inf or (above[index] > self.ruin * scale and loss > base + self.slack * scale)
        }


def _harm(whole: float, left: float) -> float:
    """Return by what part a mean's loss falls to what is left without an update; 0 where a loss is no number."""
    return (whole - left) / whole if 0 < whole < math.inf and left < math.inf else 0.0


def _spread(scores: Mapping[int, float]) -> float:
    """Return the median absolute deviation; 0 of none."""
    if not scores:
        return 0.0
    middle = median(scores.values())
    return median(abs(score - middle) for score in scores.values())


def _above(scores: Mapping[int, float]) -> dict[int, float]:
    """Return how many median absolute deviations each score lies above the median."""
    middle = median(scores.values()) if scores else 0.0
    if not math.isfinite(middle):
        return dict.fromkeys(scores, 0.0)
    spread = _spread(scores)
    if not spread:  # most are alike: any difference from them is a large one
        return {index: math.copysign(math.inf, s - middle) if s != middle else 0.0 for index, s in scores.items()}
    return {index: (score - middle) / spread for index, score in scores.items()}


def _finite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
