"""The coordinate-wise median (Yin et al. 2018, "Byzantine-Robust Distributed Learning", definition 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayfed.aggregation.rules import check_shapes
from rayfed.aggregation.rules.trimmed_mean import merge_middle

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Median:
    """Per coordinate: the middle value, or for even n the floored mean of the middle two; weights are unused."""

    name = "median"
    code = 3
    needs_base = False

    def merge(
        self,
        values: Sequence[npt.NDArray[np.int32]],
        weights: Sequence[int],
        out: npt.NDArray[np.int32],
        threads: int | None = None,
        base: npt.NDArray[np.int32] | None = None,
    ) -> None:
        """See ``Rule.merge``."""
        check_shapes(values, weights, out, out)
        merge_middle(values, (len(values) - 1) // 2, out, threads)
