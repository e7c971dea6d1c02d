"""Refuse an update that does harm on data that its author has never seen: the node's own.

Sources: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning" (loss based rejection:
leave one out and look whether the merge gets better), and Xie, Koyejo and Gupta 2019, "Zeno" (the loss against the
base's). Here every node uses its own private images, and the vote does the rest: one node's images may have
nothing of what an honest peer has learnt, most nodes' together do.

What is judged is harm in nats as well as in parts of the loss. Once a model has converged the loss is next to nothing,
and parts of it are chance; and whoever has been away for a while brings back what the others' images have made the
model forget, which costs them a little and must be let in, or it costs more in every round that it waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rayfed.aggregation.screens import Evidence, way_back
from rayfed.aggregation.screens.few import width
from rayfed.aggregation.screens.means import Means
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


@dataclass(frozen=True)
class Holdout:
    """Refuse an update without which the others' mean would do better here, or which is ruinous by itself.

    The first is judged on the means, weighted by examples, of all updates and of all but one: a model trained on few
    classes is bad on the others' images, and its honest author must not be voted out for that, but in a mean it
    helps. Harm is what the loss would fall by without the update, in parts of the mean's loss. Refused is harm of
    ``harm`` more than the median of all (than 0, if that is less) that is also more than ``apart`` median absolute
    deviations above it, and harm of more than a fifth of ``harm`` that is ``factor`` of them above it; but nobody for
    less than ``least`` nats, which the last rounds' small losses give by chance. With skewed data most updates harm a
    node that has nothing of their classes, each about as much, and are no worse for it.

    Where the median absolute deviation of the harms is below ``alike``, and the node's own update takes no more than
    the part ``own`` off the loss, data is alike and harm stands out: there ``least_alike`` nats and two thirds of
    ``factor`` are enough. A little harm in every round would pass for ever. A member that has been left out of
    ``patience`` rounds in a row is forgiven up to ``forgiven`` times as many nats (``way_back``).

    The second, asked only where the mean of all is more than ``worse`` nats worse than the base, for several ruinous
    updates hide each other from the first: a loss that is more than ``slack`` nats above the base's *and* more than
    ``ruin`` median absolute deviations above the median of all.

    All limits are for ten updates or more, and wider among fewer (``few.width``, of ``least`` its fourth root), but for
    those of harm in a mean that is more than ``worse`` nats worse than the base.

    Of up to ``singly`` updates each is left out by itself. Of more, thirds are left out first: in every round the third
    that points least to where all together go, and in turn one of the others; members one by one only where the mean
    does better without their third. A round without harm then costs four passes over the images.
    """

    harm: float = 0.125
    apart: float = 1.0
    least: float = 0.0175
    least_alike: float = 0.003
    alike: float = 0.04
    own: float = 0.25
    factor: float = 1.5
    worse: float = 0.05
    slack: float = 0.5
    ruin: float = 5.0
    singly: int = 10
    patience: int = 3
    forgiven: float = 3.0

    def __post_init__(self) -> None:
        for name in ("harm", "factor", "ruin"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"screens.holdout.{name}", f"must be greater than 0, is {getattr(self, name)}")
        way_back.check(self.name, self.patience, self.forgiven)
        for name in ("apart", "least", "least_alike", "alike", "own", "worse", "slack"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"screens.holdout.{name}", f"must not be negative, is {getattr(self, name)}")
        if isinstance(self.singly, bool) or not isinstance(self.singly, int) or self.singly < 3:
            raise ConfigError("screens.holdout.singly", f"must be a whole number of at least 3, is {self.singly!r}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "holdout"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the harm; infinite for an update whose loss is not a number."""
        if evidence.loss is None or not evidence.updates:
            return []
        # All that were valid, not those that earlier screens have left: refusing some must not loosen the limits.
        scale = width(len(evidence.weights))
        base = finite(evidence.base_loss)
        rest, ruined = list(evidence.indices), dict[int, float]()
        means = Means(evidence, rest, self._groups(evidence, rest))
        whole = finite(means.loss())
        if not whole <= base + self.worse:
            ruined = self._ruined(evidence, base, scale)
        if ruined:
            rest = [index for index in rest if index not in ruined]
            means = Means(evidence, rest, self._groups(evidence, rest))
            whole = finite(means.loss()) if rest else math.inf
        # Of two, nobody can say which one does the harm.
        tried = self._harms(means, rest, whole) if len(rest) > 2 else {}
        factor, least = self.factor * 2 / 3, self.least_alike
        own = tried.get(evidence.own, 0.0) if evidence.own is not None else 0.0
        if spread(tried) >= self.alike or own < -self.own:
            factor, least = self.factor, self.least * scale**0.25
        harms = dict.fromkeys(rest, 0.0) | tried
        harms = self._counted(harms, whole, least, evidence)
        over = above(harms)
        usual = max(0.0, median(harms.values())) if harms else 0.0
        wide = scale if whole <= base + self.worse else 1.0
        verdicts = []
        for index in evidence.indices:
            score, reason = harms.get(index, math.inf), ""
            if index in ruined:
                reason = f"ruins the model: loss {ruined[index]:.2f} where the base has {base:.2f}"
            elif (score - usual > self.harm * wide and over[index] > self.apart) or (
                score > self.harm * wide / 5 and over[index] > factor * wide
            ):
                reason = f"without it the others' mean has {100 * score:.0f} % less loss"
            verdicts.append(Verdict(self.name, index, not reason, score, reason))
        return verdicts

    def _groups(self, evidence: Evidence, rest: Sequence[int]) -> Sequence[Sequence[int]]:
        """Return what is left out together before anybody is by himself: nobody of few."""
        return _thirds(evidence, rest) if len(rest) > self.singly else ()

    def _harms(self, means: Means, rest: Sequence[int], whole: float) -> dict[int, float]:
        """Return the harm by member; of many, of those alone whose third does harm."""

        def without(indices: Sequence[int]) -> float:
            return harm(whole, finite(means.loss(indices)))

        if len(rest) <= self.singly:
            return {index: without([index]) for index in rest}
        harms: dict[int, float] = {}
        for third in means.groups:
            together = without(third)
            if together > self.harm / 5 and together * whole > self.least_alike:
                harms |= {index: without([index]) for index in third}
        return harms

    def _counted(self, harms: Mapping[int, float], whole: float, least: float, evidence: Evidence) -> dict[int, float]:
        """Return the harms, 0 where they are less than ``least`` nats of the mean's loss, or forgiven."""
        small = {index for index, found in harms.items() if 0 < found * whole < self.forgiven * least}
        spared = {index for index in small if harms[index] * whole < least}
        if small - spared:  # or the past rounds need not be looked at
            spared |= small.intersection(way_back.waiting(evidence, self.patience))
        return {index: 0.0 if index in spared else found for index, found in harms.items()}

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


def _thirds(evidence: Evidence, members: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the third of the members whose updates point least to where all of them together go, and another third.

    The same for all nodes that have the same updates left, or their votes would split.
    """
    rows = np.searchsorted(evidence.indices, members)
    along = evidence.gram.cosines[np.ix_(rows, rows)].sum(axis=1)
    order = [members[place] for place in np.argsort(along, kind="stable")]  # members are in the order of their indices
    third = -(-len(order) // 3)
    return order[:third], order[third:-third] if evidence.round % 2 == 0 else order[-third:]


def harm(whole: float, left: float) -> float:
    """Return by what part a mean's loss falls to what is left without an update; 0 where a loss is no number."""
    return (whole - left) / whole if 0 < whole < math.inf and left < math.inf else 0.0


def spread(scores: Mapping[int, float]) -> float:
    """Return the median absolute deviation; 0 of none."""
    if not scores:
        return 0.0
    middle = median(scores.values())
    return median(abs(score - middle) for score in scores.values())


def above(scores: Mapping[int, float]) -> dict[int, float]:
    """Return how many median absolute deviations each score lies above the median."""
    middle = median(scores.values()) if scores else 0.0
    if not math.isfinite(middle):
        return dict.fromkeys(scores, 0.0)
    deviation = spread(scores)
    if not deviation:  # most are alike: any difference from them is a large one
        return {index: math.copysign(math.inf, s - middle) if s != middle else 0.0 for index, s in scores.items()}
    return {index: (score - middle) / deviation for index, score in scores.items()}


def finite(loss: float) -> float:
    """Return the loss, infinite where it is no number."""
    return loss if math.isfinite(loss) else math.inf
