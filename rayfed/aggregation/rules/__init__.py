"""Merge rules: exact integer functions of the included updates, the same bits on every machine.

Mean, trimmed mean and median act on each coordinate alone, so the contract can recompute any coordinate that is
disputed (``code`` is its number for them). The others look at whole updates and can only be attested (code 0). All work
on int32 values; no order of the nodes matters; sums are int64 and divisions floor (towards minus infinity), as the
contract's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from rayfed.encoding.primitives import MAX_MEMBERS
from rayfed.errors import ConfigError

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

    @property
    def code(self) -> int:
        """The contract's number for the rule: 1 mean, 2 trimmed mean, 3 median; 0 if it cannot recompute it."""

    @property
    def needs_base(self) -> bool:
        """Whether ``merge`` must be told the round's base."""

    def merge(
        self,
        values: Sequence[npt.NDArray[np.int32]],
        weights: Sequence[int],
        out: npt.NDArray[np.int32],
        threads: int | None = None,
        base: npt.NDArray[np.int32] | None = None,
    ) -> None:
        """Merge n updates.

        Args:
            values: n >= 1 arrays of shape (n_values,), C-contiguous; read only.
            weights: n weights from the updates' headers; a rule may leave them unused.
            out: (n_values,), written; may be none of ``values``.
            threads: how many to work on; None means ``blocks.default_threads()``.
            base: (n_values,), what the round started from; unused unless ``needs_base``.

        Raises:
            ValueError: no update, more than 256, or lengths that differ.
        """


MIXINGS = ("none", "nnm", "bucketing")
"""What may be done to the updates before the rule: nothing, nearest-neighbour mixing, bucketing."""


def make(
    name: str,
    trim: int = 0,
    max_weight: int = 1_000_000,
    *,
    mixing: str = "none",
    f: int = 0,
    bucket: int = 2,
    clip: int = 10_000,
    iterations: int = 8,
) -> Rule:
    """Return the rule of this name.

    Args:
        name: ``mean``, ``trimmed_mean``, ``median``, ``norm_clipping``, ``centred_clipping``, ``geometric_median``.
        trim: for ``trimmed_mean``: the part cut from each end, per 10,000; 0 <= trim < 5000.
        max_weight: for ``mean`` and ``norm_clipping``: weights are capped to 1..max_weight <= MAX_WEIGHT.
        mixing: one of ``MIXINGS``.
        f: how many of the updates may be Byzantine; ``nnm`` needs it.
        bucket: updates in a bucket of ``bucketing``.
        clip: of the clipping rules: the radius in parts of 10,000 of the median distance from the base.
        iterations: steps of ``centred_clipping`` and ``geometric_median``.

    Raises:
        ConfigError: naming the setting under ``merge``.
    """
    from rayfed.aggregation.rules.clipping import CentredClipping, NormClipping
    from rayfed.aggregation.rules.geometric_median import GeometricMedian
    from rayfed.aggregation.rules.mean import Mean
    from rayfed.aggregation.rules.median import Median
    from rayfed.aggregation.rules.mixing import Buckets, Mixed, NearestNeighbours
    from rayfed.aggregation.rules.trimmed_mean import TrimmedMean

    known: dict[str, Callable[[], Rule]] = {
        "mean": lambda: Mean(max_weight),
        "trimmed_mean": lambda: TrimmedMean(trim),
        "median": lambda: Median(),
        "norm_clipping": lambda: NormClipping(clip, max_weight),
        "centred_clipping": lambda: CentredClipping(clip, iterations),
        "geometric_median": lambda: GeometricMedian(iterations),
    }
    if name not in known:
        raise ConfigError("merge.rule", f"there is no rule {name!r}; choose one of {', '.join(known)}")
    if mixing not in MIXINGS:
        raise ConfigError("merge.mixing", f"there is no mixing {mixing!r}; choose one of {', '.join(MIXINGS)}")
    rule = known[name]()
    if mixing == "none":
        return rule
    return Mixed(rule, NearestNeighbours(f) if mixing == "nnm" else Buckets(bucket))


def check_shapes(
    values: Sequence[npt.NDArray[np.int32]],
    weights: Sequence[int],
    out: npt.NDArray[np.int32],
    base: npt.NDArray[np.int32] | None,
) -> None:
    """Raise ValueError unless there are 1..256 updates, a weight for each, all int32 and as long as ``out``."""
    if not 1 <= len(values) <= MAX_MEMBERS or len(values) != len(weights):
        raise ValueError(f"{len(values)} updates with {len(weights)} weights; there must be 1..{MAX_MEMBERS} of both")
    if base is None:
        raise ValueError("this rule needs the round's base")
    for array in (*values, out, base):
        if array.dtype != "<i4" or array.shape != (out.size,):
            raise ValueError(f"expected int32 of shape ({out.size},), not {array.dtype} of shape {array.shape}")
