"""Merge rules: exact integer functions of the included updates, the same bits on every machine.

Mean, trimmed mean and median act on each coordinate alone, so the contract can recompute any coordinate that is
disputed (``code`` is its number for them). The others look at whole updates and can only be attested (code 0). All work
on int32 values; no order of the nodes matters; sums are int64 and divisions floor (towards minus infinity), as the
contract's do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import MAX_MEMBERS
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_WEIGHT = (1 << 24) - 1
"""The largest cap on a weight: 256 of it sum below 2^32, so |weighted sum| < 2^31 * 2^32 = 2^63, and int64 holds it."""

TRIM_UNIT = 10_000
"""``trim`` counts in parts of this: 1000 cuts a tenth of the updates from each end."""


@dataclass(frozen=True, slots=True)
class Updates:
    """What a rule merges: n updates, checked.

    Attributes:
        values: n >= 1 arrays of shape (n_values,), int32, C-contiguous; read only.
        weights: n weights from the updates' headers; a rule may leave them unused.
        base: (n_values,), what the round started from; None unless the rule ``needs_base``.
    """

    values: Sequence[npt.NDArray[np.int32]]
    weights: Sequence[int]
    base: npt.NDArray[np.int32] | None = None

    @property
    def start(self) -> npt.NDArray[np.int32]:
        """The base, for rules that need it.

        Raises:
            ValueError: it was not given.
        """
        if self.base is None:
            raise ValueError("this rule needs the round's base")
        return self.base


class Rule(ABC):
    """A merge function. A rule of one's own says its ``name``, what it needs, and how to ``write`` a merge."""

    name: str
    """The rule's name in ``merge.rule``."""

    code: int = 0
    """The contract's number for the rule: 1 mean, 2 trimmed mean, 3 median; 0 if it cannot recompute it."""

    needs_base: bool = False
    """Whether ``merge`` must be told the round's base."""

    by_coordinate: bool = False
    """Whether a value of the merge follows from the updates' values in the same place alone: then any range of values
    can be merged by itself. Mean, trimmed mean and median can; norm and centred clipping, the geometric median, mixing
    and steps of an optimizer cannot."""

    @abstractmethod
    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """Write the merge of these updates.

        Args:
            updates: all of them, or of a rule ``by_coordinate`` perhaps the same range of each.
            out: (n_values,) of ``updates``; none of its arrays.
            threads: as in ``merge``.
        """

    def merge(
        self,
        values: Sequence[npt.NDArray[np.int32]],
        weights: Sequence[int],
        out: npt.NDArray[np.int32],
        threads: int | None = None,
        base: npt.NDArray[np.int32] | None = None,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Merge n updates, or one range of them: the whole is its ranges one behind the other, bit by bit.

        Args:
            values: n >= 1 arrays of shape (n_values,), C-contiguous; read only.
            weights: n weights from the updates' headers; a rule may leave them unused.
            out: (stop - start,), written; may be none of ``values``.
            threads: how many to work on; None means ``blocks.default_threads()``.
            base: (n_values,), what the round started from; unused unless ``needs_base``.
            start, stop: the range of values to merge; all of them by default.

        Raises:
            ValueError: no update, more than 256, or lengths that differ; a range of a rule that is not
                ``by_coordinate``.
        """
        size = values[0].size if values else out.size
        stop = size if stop is None else stop
        if (start, stop) != (0, size):
            if not self.by_coordinate:
                raise ValueError(f"{self.name} looks at whole updates and cannot merge a range of them")
            if not 0 <= start <= stop <= size:
                raise ValueError(f"there are no values {start}..{stop} of {size}")
            values = [update[start:stop] for update in values]
            base = None if base is None else base[start:stop]
        check_shapes(values, weights, out, base if self.needs_base else out)
        self.write(Updates(values, weights, base if self.needs_base else None), out, threads)


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
        name: a word of ``rules.registry``.
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
    from rayfed.aggregation.rules.mixing import Buckets, Mixed, NearestNeighbours
    from rayfed.aggregation.rules.registry import RULES, RuleOptions

    if name not in RULES:
        raise ConfigError("merge.rule", f"there is no rule {name!r}; choose one of {', '.join(RULES)}")
    if mixing not in MIXINGS:
        raise ConfigError("merge.mixing", f"there is no mixing {mixing!r}; choose one of {', '.join(MIXINGS)}")
    rule = RULES[name](RuleOptions(trim, max_weight, clip, iterations))
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
