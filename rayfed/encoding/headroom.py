"""Which fixed point each tensor of a model gets: as fine as leaves its values room to grow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from rayfed.encoding.layout import COARSEST, Frozen, Layout, TensorSpec
from rayfed.errors import CodecError

HEADROOM = 4
"""By how much the largest value of a tensor may grow from genesis on before it saturates."""

GROWTH = 256
"""As ``HEADROOM``, from what two first steps made of a running statistic, as far as it can be had: with torch's
momentum of 0.1 they are a fifth of the way to what the data are, and the weights before it go on growing."""


def fitted(
    state: Mapping[str, Any],
    parameters: Collection[str],
    after: Mapping[str, Any] | None = None,
    frozen: Frozen | None = None,
) -> Layout:
    """Return the layout of a model, whose exponents are ``Layout.of``'s or as much lower as its values need.

    Args:
        state: the genesis tensors by name (torch or NumPy), finite.
        parameters: names of those that are trained.
        after: what first steps made of them; None: nothing is known of it.
        frozen: what the model has besides them.

    Raises:
        CodecError: naming a tensor that cannot travel: its type, values that are too large, or that are all lost.
    """
    layout = Layout.of(state, parameters)
    later = state if after is None else after
    return Layout(
        tuple(
            _fitted(spec, _largest(state[spec.name]), 0.0 if spec.name in parameters else _largest(later[spec.name]))
            if spec.kind == "float" and spec.size
            else spec
            for spec in layout.tensors
        ),
        frozen,
    )


def _fitted(spec: TensorSpec, largest: float, later: float) -> TensorSpec:
    """Return the tensor with an exponent that leaves room; running statistics and parameters stay apart by it."""
    exponent, coarsest = spec.exponent, COARSEST if spec.is_trained else 0
    wanted = max(HEADROOM * largest, GROWTH * later)
    while wanted > 2.0 ** (31 - exponent) and exponent > coarsest:
        exponent -= 1
    reached, most = max(largest, later), 2.0 ** (31 - coarsest) / HEADROOM
    if reached > most:
        raise CodecError(f"{spec.name}: it reaches {reached:g}, and {most:g} is the most that can travel")
    if largest and round(largest * 2.0**exponent) == 0:
        raise CodecError(f"{spec.name}: it is {largest:g} at most, and all below {2.0**-exponent / 2:g} would become 0")
    return replace(spec, exponent=exponent)


def _largest(value: Any) -> float:
    return float(abs(value).max())
