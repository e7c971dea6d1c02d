"""The coordinate-wise median (Yin et al. 2018, "Byzantine-Robust Distributed Learning", definition 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.aggregation.rules import Rule, Updates
from rayfed.aggregation.rules.trimmed_mean import merge_middle

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Median(Rule):
    """Per coordinate: the middle value, or for even n the floored mean of the middle two; weights are unused."""

    name = "median"
    code = 3
    by_coordinate = True

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``."""
        merge_middle(updates.values, (len(updates.values) - 1) // 2, out, threads)
