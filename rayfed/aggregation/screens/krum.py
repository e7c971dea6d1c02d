"""Accept only the updates that lie closest to their nearest neighbours.

Source: Blanchard et al. 2017, "Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent". Distances are
exact whole numbers, so all nodes come to the same scores. Krum takes honest updates to be alike: where data is skewed
it throws away what the odd ones have learnt, so it is no default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rayfed.aggregation.gram import Gram, root
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


def scores(gram: Gram, f: int) -> list[int]:
    """Return each update's Krum score: the sum of its squared distances from its n - f - 2 nearest neighbours."""
    n = len(gram)
    return [sum(sorted(gram.squared_distance(i, j) for j in range(n) if j != i)[: max(1, n - f - 2)]) for i in range(n)]


@dataclass(frozen=True)
class MultiKrum:
    """Accept the ``keep`` updates with the lowest scores, by default n - f; f of the n may be Byzantine, n > 2f + 2.

    A round in which so few took part that n <= 2f + 2 is judged with the largest f that it tolerates.
    """

    f: int = 1
    keep: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.f, bool) or not isinstance(self.f, int) or self.f < 0:
            raise ConfigError(f"screens.{self.name}.f", f"must be a whole number of at least 0, is {self.f!r}")
        if self.keep is not None and self.keep < 1:
            raise ConfigError(f"screens.{self.name}.keep", f"must be at least 1, is {self.keep}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "multi_krum"

    def check(self, nodes: int) -> None:
        """Raise ConfigError if Krum tolerates fewer Byzantine nodes among so many than it is set to."""
        if nodes <= 2 * self.f + 2:
            raise ConfigError(
                f"screens.{self.name}.f",
                f"{self.f} Byzantine of {nodes} nodes are too many: krum needs more than 2f + 2 = {2 * self.f + 2}",
            )
        if self.keep is not None and self.keep > nodes - self.f:
            raise ConfigError(
                f"screens.{self.name}.keep", f"keeping {self.keep} of {nodes} leaves no room to refuse {self.f}"
            )

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the root of Krum's, in units of the fixed point; ties go to the lower index."""
        indices = evidence.indices
        n = len(indices)
        f = min(self.f, max(0, (n - 3) // 2))
        found = scores(evidence.gram, f) if n > 2 else [0] * n
        keep = min(n, n - f if self.keep is None else self.keep)
        best = set(sorted(range(n), key=lambda row: (found[row], indices[row]))[:keep])
        return [
            Verdict(
                self.name,
                index,
                row in best,
                float(root(found[row])),
                "" if row in best else f"not among the {keep} closest to their neighbours",
            )
            for row, index in enumerate(indices)
        ]


@dataclass(frozen=True)
class Krum(MultiKrum):
    """Accept the one update with the lowest score."""

    keep: int | None = 1

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "krum"
