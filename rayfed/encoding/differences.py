"""Updates in 16 or 8 bits: differences from the round's base, in blocks that share a power of two.

Behind its header an update's leaf is 8 blocks of 64 bytes. A block's first byte is its shift *s*; then come whole
numbers *q* of 8 bits (63 of them) or 16 (31, little-endian, behind a byte of zero). Each stands for the value
``clip(base + q * 2^min(s, 32 - bits), -2^31, 2^31 - 1)``: any bytes stand for some update, and what a rule merges is
int32 values, as ever. The base, and what is merged, is 32 bits wide. (Block floating point; compare the Open Compute
Project's Microscaling formats, 2023.)

Packing rounds to a multiple of 2^s, up or down by chance, so that the mean of many roundings is what was rounded.
Chance is drawn from the hash of the values that are packed: the same values make the same bytes on every machine,
before and after a restart, and nothing has to be remembered. Whole numbers, running means and variances are rounded
towards the base instead: what is between two good values is good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rayfed.encoding import blocks
from rayfed.encoding.merkle import LEAF
from rayfed.errors import CodecError

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Buffer

    from rayfed.encoding.layout import Layout

BITS = (32, 16, 8)
"""How wide an update's values may be; 32: the values themselves, and no differences."""

BLOCK = 64
"""Bytes of a block: a shift, and the numbers that it is for."""

LOW, HIGH = -(2**31), 2**31 - 1

_BLOCKS_A_LEAF = LEAF // BLOCK
_BLOCKS_A_TASK = 1 << 11


def word(bits: int) -> bytes:
    """Return what a header says of this width: 32 bytes, zeros for 32 bits."""
    return (bits % 32).to_bytes(32, "big")


def bits_of(named: bytes) -> int:
    """Return the width that a header's word names.

    Raises:
        CodecError: it names none.
    """
    bits = int.from_bytes(named, "big") or 32
    if bits not in BITS or named != word(bits):
        raise CodecError(f"header: there is no encoding {bits}")
    return bits


def values_a_block(bits: int) -> int:
    """Return how many values a block holds: 63 of 8 bits, 31 of 16."""
    return 8 * BLOCK // bits - 1


def values_a_leaf(bits: int) -> int:
    """Return how many values a leaf of an update holds: 128, 248 or 504."""
    return LEAF // 4 if bits == 32 else _BLOCKS_A_LEAF * values_a_block(bits)


def leaves(values: int, bits: int) -> int:
    """Return how many leaves an update of so many values has: the header's, and theirs."""
    return 1 - -values // values_a_leaf(bits)


def place(position: int, bits: int) -> tuple[int, int]:
    """Return in which leaf of an update a value lies, and which of that leaf's values it is."""
    leaf, offset = divmod(position, values_a_leaf(bits))
    return 1 + leaf, offset


def value(leaf: bytes, offset: int, bits: int, base: int) -> int:
    """Return one value of an update's leaf, given the base's in the same place; ``unpack`` does it for many."""
    if bits == 32:
        return int.from_bytes(leaf[4 * offset : 4 * offset + 4], "little", signed=True)
    block, number = divmod(offset, values_a_block(bits))
    width, start = bits // 8, BLOCK * block
    at = start + width * (1 + number)
    q = int.from_bytes(leaf[at : at + width], "little", signed=True)
    return min(max(base + (q << min(leaf[start], 32 - bits)), LOW), HIGH)


def unpack(
    blob: Buffer, base: npt.NDArray[np.int32], bits: int, start: int = 0, stop: int | None = None
) -> npt.NDArray[np.int32]:
    """Return what an update stands for, or a range of it.

    Args:
        blob: the update; its header is not looked at.
        base: (n_values,), what the round started from.
        bits: 8 or 16.
        start, stop: the range of values; ``start`` is the first of a leaf.

    Raises:
        CodecError: the blob is too short.
    """
    stop = base.size if stop is None else stop
    per = values_a_block(bits)
    first, last = start // per, -(-stop // per)
    view = memoryview(blob).cast("B")
    if view.nbytes < LEAF + BLOCK * last:
        raise CodecError(f"{view.nbytes} bytes are too few for {stop} values of {bits} bits")
    rows = np.frombuffer(view, np.uint8, BLOCK * (last - first), LEAF + BLOCK * first).reshape(-1, BLOCK)
    out = np.empty(stop - start, np.int32)

    def worker() -> Callable[[tuple[int, int]], None]:
        def work(task: tuple[int, int]) -> None:
            some = rows[slice(*task)]
            numbers = some.view(_dtype(bits))[:, 1:].astype(np.int64)
            numbers <<= np.minimum(some[:, :1], 32 - bits)
            here = slice(task[0] * per, min(task[1] * per, out.size))
            flat = numbers.reshape(-1)[: here.stop - here.start]
            flat += base[start:stop][here]
            np.copyto(out[here], np.clip(flat, LOW, HIGH, out=flat), casting="unsafe")

        return work

    blocks.run(blocks.ranges(len(rows), _BLOCKS_A_TASK), worker)
    return out


def pack(layout: Layout, values: npt.NDArray[np.int32], base: npt.NDArray[np.int32], blob: memoryview) -> int:
    """Write an update's blocks, and return how many values did not fit and were clipped.

    Args:
        layout: says how wide values are, and which are rounded towards the base.
        values: (n,) of the model; of what a blob holds besides, the update says that it is as it was.
        base: (n,), the same of what the round started from.
        blob: of ``layout.update_size`` bytes, written behind its header.
    """
    bits = layout.bits
    per, most = values_a_block(bits), 1 << (bits - 1)
    rows = np.frombuffer(blob, np.uint8)[LEAF:].reshape(-1, BLOCK)
    rows[:] = 0
    whole = -(-values.size // per)
    key = int.from_bytes(hashlib.sha256(np.ascontiguousarray(values, "<i4").data).digest()[:16], "little")
    steady = _steady(layout, values.size)
    clipped: list[int] = []

    def worker() -> Callable[[tuple[int, int]], None]:
        def work(task: tuple[int, int]) -> None:
            here = slice(task[0] * per, min(task[1] * per, values.size))
            change = np.zeros((task[1] - task[0], per), np.int64)
            flat = change.reshape(-1)[: here.stop - here.start]
            np.subtract(values[here], base[here], out=flat, dtype=np.int64)
            shifts = _shifts(change, bits)
            generator = np.random.Philox(key=key, counter=[0, 0, 0, task[0]])
            chance = generator.random_raw(-(-change.size // 2)).astype("<u8", copy=False).view("<u4")[: change.size]
            steps = (np.int64(1) << shifts) - 1
            drawn = chance.reshape(change.shape).astype(np.int64) & steps
            kept = np.zeros(change.size, bool)
            kept[: flat.size] = steady[here]
            kept = kept.reshape(change.shape)
            np.copyto(drawn, np.where(change < 0, steps, 0), where=kept)
            change += drawn
            change >>= shifts
            clipped.append(int(np.count_nonzero((change < -most) | (change >= most))))
            np.clip(change, -most, most - 1, out=change)
            some = rows[slice(*task)]
            some[:, 0] = shifts[:, 0]
            some.view(_dtype(bits))[:, 1:] = change

        return work

    blocks.run(blocks.ranges(whole, _BLOCKS_A_TASK), worker)
    return sum(clipped)


def fault(layout: Layout, blob: memoryview) -> str:
    """Say what is wrong with an update's blocks; empty if they are as ``pack`` could have written them."""
    rows = np.frombuffer(blob, np.uint8)[LEAF:].reshape(-1, BLOCK)
    if int(rows[:, 0].max()) > 32 - layout.bits:
        return "a block's shift is too large"
    if layout.bits == 16 and rows[:, 1].any():
        return "the padding in a block is not zero"
    per = values_a_block(layout.bits)
    whole, rest = divmod(layout.size, per)
    end = LEAF + BLOCK * whole + (layout.bits // 8 * (1 + rest) if rest else 0)
    if any(blob[end:]):
        return "the padding after the values is not zero"
    return ""


def _dtype(bits: int) -> np.dtype[np.signedinteger]:
    return np.dtype(f"<i{bits // 8}")


def _shifts(change: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Return each block's smallest shift with which all of it fits, however it is rounded; (n, 1)."""
    most = (1 << (bits - 1)) - 1
    largest = np.maximum(change.max(axis=1), -change.min(axis=1))
    limits = most * (np.int64(1) << np.arange(32 - bits, dtype=np.int64))
    shifts: npt.NDArray[np.int64] = np.searchsorted(limits, largest).astype(np.int64)[:, None]
    return shifts


def _steady(layout: Layout, size: int) -> npt.NDArray[np.bool_]:
    """Return which of the model's values are rounded towards the base."""
    steady = np.ones(size, bool)
    for spec, offset in zip(layout.tensors, layout.offsets, strict=True):
        if spec.is_trained:
            steady[offset : offset + spec.size] = False
    return steady
