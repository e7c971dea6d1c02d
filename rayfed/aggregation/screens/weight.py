"""Refuse an update that claims to rest on far more examples than the others.

A weight is its author's word, and a mean weighted by examples follows whoever claims the most: with a cap of a million,
one Byzantine node among nodes of some hundred images would determine the merge. Rules that do not weigh need no such
screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


@dataclass(frozen=True)
class Weight:
    """Refuse an update whose weight is more than ``factor`` times the median one."""

    factor: float = 5.0

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise ConfigError("screens.weight.factor", f"must be greater than 1, is {self.factor}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "weight"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the weight as a multiple of the median."""
        if not evidence.indices:
            return []
        middle = max(1.0, median(evidence.weights[index] for index in evidence.indices))
        verdicts = []
        for index in evidence.indices:
            score = evidence.weights[index] / middle
            accepted = score <= self.factor
            reason = "" if accepted else f"claims {score:.1f} times as many examples as the median"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts
