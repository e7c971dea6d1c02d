"""Refuse an update that points away from the others.

Source: Fung et al. 2020, "The Limitations of Federated Learning in Sybil Settings", and Cao et al. 2021, "FLTrust",
judge updates by their angle; here the direction to compare with is the other updates' own, each at unit length, so
that nobody's size counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError

AMONG = 10
"""The number of updates that the limit is for."""


@dataclass(frozen=True)
class Cosine:
    """Refuse an update whose cosines with the others have a median below ``min``.

    Honest nodes with other classes than everybody else may well stand at right angles; what is refused by default
    points clearly backwards from most of them. ``min`` is for ``AMONG`` updates or more: a few that share few classes
    pull in different directions, and a negative limit grows with how many are missing to that number.
    """

    min: float = -0.2

    def __post_init__(self) -> None:
        if not -1 <= self.min < 1:
            raise ConfigError("screens.cosine.min", f"must be at least -1 and less than 1, is {self.min}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "cosine"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the median of the cosines with all other updates; fewer than three: all pass."""
        # All that were valid, not those that earlier screens have left: to refuse some must not loosen the limit.
        limit = min(self.min, self.min * max(1.0, AMONG / max(1, len(evidence.weights))))
        verdicts = []
        for row, index in enumerate(evidence.indices):
            others = [evidence.gram.cosine(row, other) for other in range(len(evidence.indices)) if other != row]
            score = median(others) if len(others) > 1 else 1.0
            accepted = score >= limit
            reason = (
                "" if accepted else f"its update direction is unlike the others': median cosine similarity {score:.2f}"
            )
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts
