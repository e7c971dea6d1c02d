"""Merge rules: exact integer functions of the included updates, the same bits on every machine.

A rule acts on each coordinate alone, on int32 values, and does not care about the order of the nodes. Sums are int64
and divisions floor (towards minus infinity), as the contract's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from rayfed.errors import ConfigError
from rayfed.messages import MAX_MEMBERS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_WEIGHT = (1 << 24) - 1
"""The largest cap on a weight: 256 of it sum below 2^32, so |weighted sum| < 2^31 * 2^32 = 2^63, and int64 holds it."""

TRIM_UNIT = 10_000
"""``trim`` counts in parts of this: 1000 cuts a tenth of the updates from each end."""


class Rule(Protocol):
    """A merge function."""

    @property
    def name(self) -> str:
        """The rule's name in ``merge.rule``."""

    def merge(
        self,
        values: Sequence[npt.NDArray[np.int32]],
        weights: Sequence[int],
        out: npt.NDArray[np.int32],
        threads: int | None = None,
    ) -> None:
        """Merge n updates coordinate by coordinate.

        Args:
            values: n >= 1 arrays of shape (n_values,), C-contiguous; read only.
            weights: n weights from the updates' headers; a rule may leave them unused.
            out: (n_values,), written; may be none of ``values``.
            threads: how many to work on; None means ``blocks.default_threads()``.

        Raises:
            ValueError: no update, more than 256, or lengths that differ.
        """


def make(name: str, trim: int = 0, max_weight: int = 1_000_000) -> Rule:
    """Return the rule of this name.

    Args:
        name: ``mean``, ``trimmed_mean`` or ``median``.
        trim: for ``trimmed_mean``: the part cut from each end, per 10,000; 0 <= trim < 5000.
        max_weight: for ``mean``: weights are capped to 1..max_weight; 1 <= max_weight <= MAX_WEIGHT.

    Raises:
        ConfigError: naming ``merge.rule``, ``merge.trim`` or ``merge.max_weight``.
    """
    from rayfed.rules.mean import Mean
    from rayfed.rules.median import Median
    from rayfed.rules.trimmed_mean import TrimmedMean

    known: dict[str, Callable[[], Rule]] = {
        "mean": lambda: Mean(max_weight),
        "trimmed_mean": lambda: TrimmedMean(trim),
        "median": lambda: Median(),
    }
    if name not in known:
        raise ConfigError("merge.rule", f"there is no rule {name!r}; choose one of {', '.join(known)}")
    return known[name]()


def check_shapes(values: Sequence[npt.NDArray[np.int32]], weights: Sequence[int], out: npt.NDArray[np.int32]) -> None:
    """Raise ValueError unless there are 1..256 updates, a weight for each, all int32 and as long as ``out``."""
    if not 1 <= len(values) <= MAX_MEMBERS or len(values) != len(weights):
        raise ValueError(f"{len(values)} updates with {len(weights)} weights; there must be 1..{MAX_MEMBERS} of both")
    for array in (*values, out):
        if array.dtype != "<i4" or array.shape != (out.size,):
            raise ValueError(f"expected int32 of shape ({out.size},), not {array.dtype} of shape {array.shape}")
