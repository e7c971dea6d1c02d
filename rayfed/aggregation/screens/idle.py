"""Refuse updates behind which there is no work: the base itself, or the base and some noise.

Source: free-riders, Lin, Du and Liu 2019, "Free-riders in Federated Learning: Attacks and Defenses". Two signs of
noise must come together. In many dimensions it stands at right angles to everything: its cosine with any direction has
standard deviation 1/sqrt(n_values); but so, now and then, does honest work on other classes than everybody else's. And
its values are spread evenly, with a kurtosis of 3 (standard deviation sqrt(24/n_values)) or less, while gradients are
large in few places and small in most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

import numpy as np

from rayfed.aggregation.gram import cosine
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.blocks import ranges
from rayfed.errors import ConfigError

CROWDED = 0.2
"""Where noise would often reach a cosine as large as this, there are too few values to tell it from work."""


@dataclass(frozen=True)
class Idle:
    """Refuse an update that moved less than ``min`` of the median distance, or in a direction of pure chance.

    Chance: both the cosine with the sum of the others and the kurtosis are within ``sigmas`` standard deviations of
    what noise has.
    """

    min: float = 0.02
    sigmas: float = 3.0

    def __post_init__(self) -> None:
        if not 0 <= self.min < 1:
            raise ConfigError("screens.idle.min", f"must be at least 0 and less than 1, is {self.min}")
        if not self.sigmas >= 0:
            raise ConfigError("screens.idle.sigmas", f"must not be negative, is {self.sigmas}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "idle"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the cosine with the sum of the others, or 0 if the update hardly moved."""
        table, indices = evidence.gram.table, evidence.indices
        n = len(indices)
        moved = evidence.gram.lengths.tolist()
        middle = median(moved) if moved else 0.0
        chance = self.sigmas / sqrt(max(1, evidence.base.size))
        total = [sum(line) for line in table]
        whole = sum(total)
        verdicts = []
        for row, index in enumerate(indices):
            own = table[row][row]
            others = whole - 2 * total[row] + own
            score = cosine(total[row] - own, own, others)
            still = middle > 0 and moved[row] <= self.min * middle
            odd = n > 2 and chance <= CROWDED and others > 0 and abs(score) < chance
            noise = odd and _kurtosis(evidence, index) <= 3 + chance * sqrt(24)
            reason = (
                "does not differ from the base"
                if still
                else "differs from the base only as random noise would"
                if noise
                else ""
            )
            verdicts.append(Verdict(self.name, index, not reason, 0.0 if still else score, reason))
        return verdicts


def _kurtosis(evidence: Evidence, index: int) -> float:
    """Return the fourth moment of an update's differences from the base, in parts of the second one squared."""
    update, base = evidence.updates[index], evidence.base
    second = fourth = 0.0
    for start, stop in ranges(base.size):
        squares = np.subtract(update[start:stop], base[start:stop], dtype=np.float64) ** 2
        second += float(squares.sum())
        fourth += float(squares @ squares)
    return fourth * base.size / second**2 if second else 3.0
