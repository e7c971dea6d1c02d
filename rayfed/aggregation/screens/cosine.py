"""Refuse an update that points away from the others.

Source: Fung et al. 2020, "The Limitations of Federated Learning in Sybil Settings", and Cao et al. 2021, "FLTrust",
judge updates by their angle; here the direction to compare with is the other updates' own, each at unit length, so
that nobody's size counts.

A direction alone does not tell who does harm. In a model that has converged the one whose images it does not fit yet is
the only one that still moves, and against where the others stand, round after round.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rayfed.aggregation.screens import Evidence, way_back
from rayfed.aggregation.screens.camps import singled_out
from rayfed.aggregation.screens.few import width
from rayfed.aggregation.screens.means import Means
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


@dataclass(frozen=True)
class Cosine:
    """Refuse an update whose cosines with the others have a median that lies too far below what the others' have.

    Too far is ``gap`` below the median of all these medians, or below 0 where that is positive. Honest nodes with other
    classes than everybody else stand at right angles, and honest updates of a model that has converged cancel out: each
    points a little backwards from most of them, round after round, and all about equally. ``gap`` is for ten updates or
    more: a few that share few classes pull in different directions, and it grows with the fourth root of
    ``few.width``. Where more lie there than can be dishonest, nobody is refused (``camps``).

    Nor is anybody refused where the others' mean without those who point away has not at least ``least`` nats less loss
    on the node's own data (times ``few.width`` among fewer than ten); who has been left out of ``patience`` rounds in a
    row is forgiven up to ``forgiven`` times as much (``way_back``). A node without data goes by the direction.
    """

    gap: float = 0.25
    least: float = 0.0025
    patience: int = 3
    forgiven: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.gap <= 2:
            raise ConfigError("screens.cosine.gap", f"must be greater than 0 and at most 2, is {self.gap}")
        if not self.least >= 0:
            raise ConfigError("screens.cosine.least", f"must not be negative, is {self.least}")
        way_back.check(self.name, self.patience, self.forgiven)

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "cosine"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the median of the cosines with all other updates; fewer than three: all pass."""
        n = len(evidence.indices)
        if n < 3:
            return [Verdict(self.name, index, True, 1.0) for index in evidence.indices]
        others = ~np.eye(n, dtype=bool)
        scores = np.median(evidence.gram.cosines[others].reshape(n, n - 1), axis=1).tolist()
        # All that were valid, not those that earlier screens have left: refusing some must not loosen the limit.
        gap = self.gap * width(len(evidence.weights)) ** 0.25
        usual = min(0.0, median(scores))
        depths = {index: usual - score for index, score in zip(evidence.indices, scores, strict=True)}
        refused = singled_out({index: depth for index, depth in depths.items() if depth > gap}, len(evidence.weights))
        if refused:
            found = self._harm(evidence, refused)
            least = self.least * width(len(evidence.weights))
            if found < least:
                refused = frozenset()
            elif found < self.forgiven * least:
                refused = refused.difference(way_back.waiting(evidence, self.patience))
        verdicts = []
        for index, score in zip(evidence.indices, scores, strict=True):
            accepted = index not in refused
            reason = (
                "" if accepted else f"its update direction is unlike the others': median cosine similarity {score:.2f}"
            )
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts

    def _harm(self, evidence: Evidence, away: Collection[int]) -> float:
        """Return by how many nats the mean does better on the node's own data without these; they are never all."""
        if evidence.loss is None:
            return math.inf
        means = Means(evidence, evidence.indices)
        harm = means.loss() - means.loss(sorted(away))
        return harm if math.isfinite(harm) else math.inf  # a loss that is no number is harm
