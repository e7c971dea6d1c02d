"""Momentum and adaptive steps on the merged model: what the updates' merge is to the base is taken for a gradient.

Sources: FedAvgM, Hsu, Qi and Brown 2019, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification"; FedAdam and FedYogi, Reddi et al. 2021, "Adaptive Federated Optimization", algorithm 2. There they run
on a server. Here there is none, so what the server would remember stands in every merged blob, behind the model's
tensors: the momentum, and for the adaptive ones the root of the second moment. All nodes compute it, its root is
attested and audited like the model's, and whoever has the base has all that the next step needs.

All in whole numbers, in units of each tensor's fixed point. Products stay within int64: moments and differences are cut
to int32, and a part of a number is taken as ``q * part + r * part // UNIT`` with ``q, r = divmod(number, UNIT)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from rayfed.aggregation.rules import Rule, Updates
from rayfed.encoding import blocks
from rayfed.encoding.layout import Layout, TensorSpec
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

UNIT = 10_000
"""``momentum`` and ``second_momentum`` count in parts of this."""

RATE_UNIT = 1_000_000
"""``rate`` counts in parts of this."""

TAU_UNIT = 10**9
"""``tau`` counts in parts of this."""

MOMENTS = {"none": (), "fedavgm": ("momentum",), "fedadam": ("momentum", "scale"), "fedyogi": ("momentum", "scale")}
"""By optimiser, what is remembered for each trained value."""

LOW, HIGH = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Optimizer:
    """How far to go from the base, given where the updates' merge lies.

    With ``d`` the merge's difference from the base, and ``m``, ``s`` starting at 0:

    - fedavgm: ``m = momentum * m + d``; the step is ``rate * m``.
    - fedadam: ``m = momentum * m + (1 - momentum) * d``, ``s^2 = second * s^2 + (1 - second) * d^2``; the step is
      ``rate * m / (s + tau)``.
    - fedyogi: the same with ``s^2 = s^2 - (1 - second) * d^2 * sign(s^2 - d^2)``.

    ``m`` and ``d`` are cut towards zero, so that a momentum ends; ``s`` and the step are rounded to the nearest.

    Attributes:
        name: fedavgm, fedadam or fedyogi.
        rate: the server's learning rate, in parts of RATE_UNIT.
        momentum, second: decay of the two moments, in parts of UNIT.
        tau: what keeps adaptive steps small where there is little to go by, in parts of TAU_UNIT of a weight's unit.
    """

    name: str
    rate: int
    momentum: int
    second: int
    tau: int

    def __post_init__(self) -> None:
        if self.name not in MOMENTS or not MOMENTS[self.name]:
            known = ", ".join(MOMENTS)
            raise ConfigError("merge.optimizer", f"there is no optimiser {self.name!r}; choose one of {known}")
        limits = {
            "rate": ("server_lr", 1, 100 * RATE_UNIT),
            "momentum": ("momentum", 0, UNIT - 1),
            "second": ("second_momentum", 0, UNIT - 1),
            "tau": ("tau", 1, TAU_UNIT),
        }
        for name, (setting, low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"merge.{setting}", f"{value!r} parts are out of range: {low}..{high}")

    def step(
        self,
        difference: npt.NDArray[np.int64],
        moments: Sequence[npt.NDArray[np.int32]],
        exponent: int,
        out: Sequence[npt.NDArray[np.int32]],
    ) -> npt.NDArray[np.int64]:
        """Return the step for some values of one fixed point, and write their new moments.

        Args:
            difference: (n,) the merge minus the base; is changed.
            moments: as ``MOMENTS`` names them, each (n,).
            exponent: bits of fraction.
            out: where the new moments go, each (n,).
        """
        np.clip(difference, -HIGH, HIGH, out=difference)
        if self.name == "fedavgm":
            moved = _truncated(moments[0].astype(np.int64) * self.momentum, UNIT) + difference
            np.clip(moved, LOW, HIGH, out=moved)
            np.copyto(out[0], moved, casting="unsafe")
            return _truncated(moved * self.rate, RATE_UNIT)
        before = moments[0].astype(np.int64) * self.momentum
        moved = _truncated(before + difference * (UNIT - self.momentum), UNIT)
        squares = difference * difference
        scale = moments[1].astype(np.int64)
        second = scale * scale
        if self.name == "fedadam":
            second += _part(squares - second, UNIT - self.second)
        else:
            second -= np.sign(second - squares) * _part(squares, UNIT - self.second)
        scale = np.minimum(_root(second), HIGH)
        np.copyto(out[0], moved, casting="unsafe")
        np.copyto(out[1], scale, casting="unsafe")
        rate = (self.rate << exponent) // RATE_UNIT
        scale += max(1, (self.tau << exponent) // TAU_UNIT)
        step: npt.NDArray[np.int64] = np.floor_divide(moved * rate + scale // 2, scale)
        return step

    def check(self, layout: Layout) -> None:
        """Raise ConfigError if a step on such a layout would leave int64."""
        finest = max((spec.exponent for spec in layout.trained), default=0)
        if self.name != "fedavgm" and (self.rate << finest) // RATE_UNIT >= 2**31:
            raise ConfigError(
                "merge.server_lr", f"{self.rate / RATE_UNIT:g} is too large for {finest} bits of fraction"
            )


class Stepped(Rule):
    """A rule, and a step of an optimiser from the base along what the rule gives.

    Blobs have ``extended``'s layout. Of the updates only the model's values count; base and result have the moments
    too. What is not trained (running statistics, counters) becomes what the rule says.
    """

    needs_base = True

    def __init__(self, rule: Rule, optimizer: Optimizer, layout: Layout) -> None:
        optimizer.check(layout)
        self.name = f"{rule.name}+{optimizer.name}"
        self.rule, self.optimizer = rule, optimizer
        self._size, self._whole = layout.size, extended(layout, optimizer.name).size
        self._runs = _runs(layout)

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``; all arrays are (n_values,) of the whole layout."""
        base = updates.start
        if out.size != self._whole:
            raise ValueError(f"expected {self._whole} values, of the model and its moments, not {out.size}")
        model = slice(0, self._size)
        values = [update[model] for update in updates.values]
        self.rule.merge(values, updates.weights, out[model], threads, base[model])
        kinds = len(MOMENTS[self.optimizer.name])
        trained = (self._whole - self._size) // kinds
        tasks = [
            (start + first, start + last, start + first - shift, exponent)
            for start, stop, shift, exponent in self._runs
            for first, last in blocks.ranges(stop - start)
        ]

        def worker() -> Callable[[tuple[int, int, int, int]], None]:
            def work(task: tuple[int, int, int, int]) -> None:
                start, stop, place, exponent = task
                here = slice(start, stop)
                beside = [
                    slice(at, at + stop - start)
                    for at in (self._size + place + kind * trained for kind in range(kinds))
                ]
                difference = np.subtract(out[here], base[here], dtype=np.int64)
                step = self.optimizer.step(
                    difference, [base[at] for at in beside], exponent, [out[at] for at in beside]
                )
                np.add(step, base[here], out=step)
                np.copyto(out[here], np.clip(step, LOW, HIGH, out=step), casting="unsafe")

            return work

        blocks.run(tasks, worker, threads)


def extended(layout: Layout, optimizer: str) -> Layout:
    """Return the layout of a federation's blobs: the model's, then for each moment the trained tensors once more.

    Updates have it too, with zeros there: the contract knows one layout, and one number of leaves for all proofs.
    """
    moments = [
        replace(spec, name=f"optimizer.{moment}/{spec.name}", dtype="float32")
        for moment in MOMENTS[optimizer]
        for spec in layout.trained
    ]
    return Layout((*layout.tensors, *moments), layout.frozen) if moments else layout


Run = tuple[int, int, int, int]
"""First value, past its last, how many values before it are not trained, exponent."""


def _runs(layout: Layout) -> list[Run]:
    """Return the longest runs of trained values of one fixed point."""
    trained = set(layout.trained)

    def alike(item: tuple[TensorSpec, int]) -> tuple[bool, int]:
        return item[0] in trained, item[0].exponent

    runs, skipped = [], 0
    for (counts, exponent), group in groupby(zip(layout.tensors, layout.offsets, strict=True), alike):
        specs = list(group)
        start, size = specs[0][1], sum(spec.size for spec, _ in specs)
        if counts:
            runs.append((start, start + size, skipped, exponent))
        else:
            skipped += size
    return runs


def _truncated(numbers: npt.NDArray[np.int64], divisor: int) -> npt.NDArray[np.int64]:
    """Return the quotients, cut towards zero."""
    quotients: npt.NDArray[np.int64] = (numbers - np.fmod(numbers, divisor)) // divisor
    return quotients


def _part(numbers: npt.NDArray[np.int64], part: int) -> npt.NDArray[np.int64]:
    """Return ``floor(numbers * part / UNIT)`` without the product, which int64 may not hold."""
    quotient, rest = np.divmod(numbers, UNIT)
    whole: npt.NDArray[np.int64] = quotient * part + rest * part // UNIT
    return whole


def _root(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the square roots of numbers in 0..2^63 - 2^33, rounded to the nearest whole number.

    A float's root is at most one off; what follows is exact, whichever way the machine has rounded.
    """
    roots = np.sqrt(numbers.astype(np.float64)).astype(np.int64)
    roots -= roots * roots > numbers
    roots += numbers - roots * roots > 2 * roots
    roots += numbers - roots * roots > roots
    return roots
