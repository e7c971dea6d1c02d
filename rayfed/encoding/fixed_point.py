"""The fixed point: pieces of tensors as int32, the same bits on every machine.

Fixed point: a float x of a tensor with exponent e becomes ``q = clip(round_half_even(x * 2**e), LOW, HIGH)``. The
product is exact in every binary float format (it only moves the exponent), so there is one rounding and every
machine gets the same q. HIGH is the largest int32 that float32 can hold too, so the format makes no difference at
the limit either. Back: ``x = float32(q) * 2**-e``, again one rounding (half to even), and none while |q| <= 2^24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rayfed.encoding.layout import TensorSpec
from rayfed.errors import CodecError

if TYPE_CHECKING:
    import numpy.typing as npt

LOW = -(2**31)
HIGH = 2**31 - 128
"""What a float saturates at, both inclusive."""


def encode_floats(
    spec: TensorSpec, source: npt.NDArray[Any], target: npt.NDArray[np.int32], scratch: npt.NDArray[np.float64]
) -> int:
    """Write one piece; return how many of its values saturated.

    Args:
        spec: of the tensor that it belongs to.
        source: (n,) floats.
        target: (n,), written.
        scratch: at least n values of float64, overwritten.

    Raises:
        CodecError: a NaN or an infinity.
    """
    dtype = np.dtype(np.float64 if source.dtype == np.float64 else np.float32)
    scaled = scratch.view(dtype)[: source.size]
    with np.errstate(over="ignore", invalid="ignore"):  # an infinity is seen below
        np.multiply(source, dtype.type(2.0**spec.exponent), out=scaled)
        np.rint(scaled, out=scaled)
    saturated = 0
    if not (scaled.min() >= LOW and scaled.max() <= HIGH):  # also where one of the two is NaN
        if not np.isfinite(source).all():
            raise CodecError(f"{spec.name}: a weight is NaN or infinite; a lower train.optimizer.lr may help")
        saturated = int(np.count_nonzero((scaled < LOW) | (scaled > HIGH)))
        np.clip(scaled, LOW, HIGH, out=scaled)
    np.copyto(target, scaled, casting="unsafe")
    return saturated


def encode_ints(spec: TensorSpec, source: npt.NDArray[Any], target: npt.NDArray[np.int32]) -> None:
    """Write one piece of whole numbers.

    Raises:
        CodecError: one does not fit 32 bits.
    """
    low, high = int(source.min()), int(source.max())
    if not (low >= LOW and high < 2**31):
        raise CodecError(f"{spec.name}: {low if low < LOW else high} does not fit 32 bits")
    np.copyto(target, source, casting="unsafe")


def flat(spec: TensorSpec, value: Any) -> npt.NDArray[Any]:
    """Return a tensor's values in logical order, shape (size,); a view where it can be one."""
    spec.check(value)
    if not isinstance(value, np.ndarray | np.generic):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.contiguous().numpy()
    values: npt.NDArray[Any] = np.ascontiguousarray(value).reshape(-1)
    return values


def writable(value: Any) -> npt.NDArray[Any] | None:
    """Return a flat view through which a tensor can be written in place, or None if there is no such view."""
    if not isinstance(value, np.ndarray):
        if value.device.type != "cpu" or str(value.dtype) == "torch.bfloat16" or not value.is_contiguous():
            return None
        value = value.detach().numpy()
    if not (value.flags.c_contiguous and value.flags.writeable):
        return None
    flat: npt.NDArray[Any] = value.reshape(-1)
    return flat
