from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rayfed.messages import Verdict
from rayfed.screens import Evidence
from rayfed.screens.holdout import _above, _finite, _harm, _spread
from rayfed.screens.means import Means

AMONG = 10


@dataclass(frozen=True)
class Harm:
    harm: float = 0.125
    least: float = 0.015
    near: float = 0.002
    alike: float = 0.04
    factor: float = 1.5
    slack: float = 0.5
    ruin: float = 5.0
    every: int = 0
    parole: float = 0.1
    ruinous: float = 0.1

    @property
    def name(self) -> str:
        return "harm"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        if evidence.loss is None or not evidence.updates:
            return []
        scale = max(1.0, (AMONG / len(evidence.weights)) ** 2)
        base = _finite(evidence.base_loss)
        rest, ruined = list(evidence.indices), dict[int, float]()
        means = Means(evidence, rest)
        whole = _finite(evidence.loss(means.of_all()))
        if not whole <= base + self.ruinous:
            losses = {index: _finite(evidence.loss(evidence.updates[index])) for index in evidence.indices}
            above = _above(losses)
            ruined = {i: l for i, l in losses.items() if l == math.inf or (above[i] > self.ruin * scale and l > base + self.slack * scale)}
            # alone is bad, but in the mean?
        if ruined:
            rest = [index for index in rest if index not in ruined]
            means = Means(evidence, rest)
            whole = _finite(evidence.loss(means.of_all())) if rest else math.inf
        harms = dict.fromkeys(rest, 0.0)
        if len(rest) > 2:
            harms = {index: _harm(whole, _finite(evidence.loss(means.without(index)))) for index in rest}
        factor = self.factor * 2 / 3
        floor = self.near
        if _spread(harms) >= self.alike:
            factor = self.factor
            floor = self.least
        harms = {i: 0.0 if 0 < h * whole < (self.parole if self.every and (evidence.round + i) % self.every == 0 else floor) else h for i, h in harms.items()}
        above = _above(harms)
        verdicts = []
        for index in evidence.indices:
            harm, reason = harms.get(index, math.inf), ""
            if index in ruined:
                reason = f"ruinous: a loss of {ruined[index]:.2f} where the base has {base:.2f}"
            elif harm > self.harm * scale or (harm > self.harm * scale / 5 and above[index] > factor * scale):
                reason = f"without it the others' mean has {100 * harm:.0f} % less loss"
            verdicts.append(Verdict(self.name, index, not reason, harm, reason))
        return verdicts
