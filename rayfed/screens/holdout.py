"""Refuse an update that does harm on data that its author has never seen: the node's own.

Sources: Fang et al. 2020, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning" (loss based rejection:
leave one out and look whether the merge gets better), and Xie, Koyejo and Gupta 2019, "Zeno" (the loss against the
base's). Here every node uses its own private pictures, and the vote does the rest: one node's pictures may have
nothing of what an honest peer has learnt, most nodes' together do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import ConfigError
from rayfed.messages import Verdict
from rayfed.screens import Evidence

AMONG = 10
"""With fewer updates than this, honest ones that are the only ones of their kind do a mean much good and much harm."""


@dataclass(frozen=True)
class Holdout:
    """Refuse an update without which the others' mean would do better here, or which is ruinous by itself.

    The first is judged on the means, weighted by examples, of all updates and of all but one: a model trained on few
    classes is bad on the others' pictures, and its honest author must not be voted out for that, but in a mean it
    helps. Harm is what the loss would fall by without the update, in parts of the mean's loss. Refused is harm of more
    than ``harm``, and harm of more than a fifth of that which is ``factor`` median absolute deviations above the
    median of all; but nobody for less than ``least`` nats, which the last rounds' small losses give by chance.

    The second: a loss that is more than ``slack`` nats above the base's *and* more than ``ruin`` median absolute
    deviations above the median of all.

    All limits are for ``AMONG`` updates or more. The fewer there are, the more each one changes the mean, and the less
    is known of what is usual among them: limits grow with the square of how many are missing to that number.
    """

    harm: float = 0.1
    least: float = 0.02
    factor: float = 1.5
    slack: float = 0.5
    ruin: float = 5.0

    def __post_init__(self) -> None:
        for name in ("harm", "factor", "ruin"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"screens.holdout.{name}", f"must be greater than 0, is {getattr(self, name)}")
        for name in ("least", "slack"):
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
        # All that were valid, not those that earlier screens have left: refusing liars must not loosen the limits.
        scale = max(1.0, (AMONG / len(evidence.weights)) ** 2)
        base = _finite(evidence.loss(evidence.base))
        losses = {index: _finite(evidence.loss(evidence.updates[index])) for index in evidence.indices}
        ruined = {
            i for i, up in _above(losses).items() if up > self.ruin * scale and losses[i] > base + self.slack * scale
        }
        harms = _harms(evidence, ruined | {i for i, loss in losses.items() if loss == math.inf}, self.least)
        above = _above(harms)
        verdicts = []
        for index, loss in losses.items():
            harm = harms.get(index, math.inf)
            reason = ""
            if index not in harms:
                reason = f"ruinous: a loss of {loss:.2f} where the base has {base:.2f}"
            elif harm > self.harm * scale or (harm > self.harm * scale / 5 and above[index] > self.factor * scale):
                reason = f"without it the others' mean has {100 * harm:.0f} % less loss"
            verdicts.append(Verdict(self.name, index, not reason, harm, reason))
        return verdicts


def _harms(evidence: Evidence, ruined: set[int], least: float) -> dict[int, float]:
    """Return by member by what part the mean's loss would fall without its update; of those that are not ruined.

    A fall of less than ``least`` nats is none; a rise is negative.
    """
    assert evidence.loss is not None
    rest = [index for index in evidence.indices if index not in ruined]
    if len(rest) < 3:  # of two, nobody can say which one does the harm
        return dict.fromkeys(rest, 0.0)
    size = evidence.base.size
    total = np.zeros(size, np.float64)
    part, mean = np.empty(size, np.float64), np.empty(size, np.int32)
    for index in rest:
        np.multiply(evidence.updates[index], float(evidence.weights[index]), out=part)
        total += part
    weight = sum(evidence.weights[index] for index in rest)
    whole = _finite(evidence.loss(_rounded(total / weight, mean)))
    harms = {}
    for index in rest:
        np.multiply(evidence.updates[index], -float(evidence.weights[index]), out=part)
        part += total
        part /= weight - evidence.weights[index]
        left = _finite(evidence.loss(_rounded(part, mean)))
        known = 0 < whole < math.inf and left < math.inf and not 0 < whole - left < least
        harms[index] = (whole - left) / whole if known else 0.0
    return harms


def _rounded(values: NDArray[np.float64], out: NDArray[np.int32]) -> NDArray[np.int32]:
    np.copyto(out, np.rint(values, out=values), casting="unsafe")  # a mean of int32
    return out


def _above(scores: Mapping[int, float]) -> dict[int, float]:
    """Return how many median absolute deviations each score lies above the median."""
    middle = median(scores.values()) if scores else 0.0
    if not math.isfinite(middle):
        return dict.fromkeys(scores, 0.0)
    spread = median(abs(score - middle) for score in scores.values())
    if not spread:  # most are alike: any difference from them is a large one
        return {index: math.copysign(math.inf, s - middle) if s != middle else 0.0 for index, s in scores.items()}
    return {index: (score - middle) / spread for index, score in scores.items()}


def _finite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
