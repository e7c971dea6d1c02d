"""Which rules there are; a new one is its own module and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rayfed.aggregation.rules import Rule


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """What rules are told; see ``rules.make``. Each takes what it needs."""

    trim: int
    max_weight: int
    clip: int
    iterations: int


# NumPy comes with the rules, and those who only read settings need not wait for it.


def _mean(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.mean import Mean

    return Mean(options.max_weight)


def _trimmed_mean(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.trimmed_mean import TrimmedMean

    return TrimmedMean(options.trim)


def _median(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.median import Median

    return Median()


def _norm_clipping(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.clipping import NormClipping

    return NormClipping(options.clip, options.max_weight)


def _centred_clipping(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.clipping import CentredClipping

    return CentredClipping(options.clip, options.iterations)


def _geometric_median(options: RuleOptions) -> Rule:
    from rayfed.aggregation.rules.geometric_median import GeometricMedian

    return GeometricMedian(options.iterations)


RULES: dict[str, Callable[[RuleOptions], Rule]] = {
    "mean": _mean,
    "trimmed_mean": _trimmed_mean,
    "median": _median,
    "norm_clipping": _norm_clipping,
    "centred_clipping": _centred_clipping,
    "geometric_median": _geometric_median,
}
"""Makers by the word in ``merge.rule``; the first is the default."""
