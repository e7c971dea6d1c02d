"""Weights to blob and back: the layout, the header, and the fixed point in between.

A blob is a header leaf (leaf 0: words of 32 bytes as the contract's ABI has them, then zeros), and then every
tensor of the layout in turn as little-endian int32, padded with zeros to a whole number of leaves.

What becomes of a float on the way is in ``rayfed.encoding.fixed_point``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rayfed.encoding import blocks, differences, fixed_point
from rayfed.encoding.fixed_point import HIGH, LOW
from rayfed.encoding.header import UPDATE, Header, read_header
from rayfed.encoding.layout import Layout, TensorSpec
from rayfed.encoding.merkle import LEAF
from rayfed.errors import CodecError

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Buffer

__all__ = [
    "HIGH",
    "LOW",
    "Encoded",
    "Header",
    "Layout",
    "TensorSpec",
    "blank",
    "check",
    "decode",
    "encode",
    "read_header",
    "values",
]

_Piece = tuple[int, int, int]  # (index of the tensor, first value in it, past its last value)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A blob, and how many of its values did not fit the fixed point and were clipped."""

    blob: memoryview
    saturated: int


def encode(
    layout: Layout,
    state: Mapping[str, Any],
    header: Header,
    out: Buffer | None = None,
    threads: int | None = None,
    within: Layout | None = None,
) -> Encoded:
    """Write weights as a blob.

    Args:
        layout: names and shapes that ``state`` must have.
        state: torch tensors (any device) or NumPy arrays by name. More names than the layout's are an error.
        header: what goes into leaf 0; layout hash and number of values are filled in.
        out: a writable buffer of ``layout.blob_size`` bytes to write to. A new one costs more time than the
            encoding itself (the system has to clear its pages), so whoever encodes every round should keep one.
        threads: how many to work on; None means ``blocks.default_threads()``.
        within: of the blob, where ``layout`` is only its beginning: the values behind it are then zero.

    Raises:
        CodecError: naming the tensor: missing, unknown, of another shape or kind; a NaN or an infinity in it; a whole
            number that does not fit int32.
    """
    whole = within or layout
    blob = blank(whole, header, out)
    target = values(blob, whole.size)
    target[layout.size :] = 0
    layout.check_names(state)
    sources = [fixed_point.flat(spec, state[spec.name]) for spec in layout.tensors]
    clipped: list[int] = []

    def worker() -> Callable[[list[_Piece]], None]:
        scratch = np.empty(blocks.BLOCK, np.float64)

        def work(pieces: list[_Piece]) -> None:
            for tensor, start, stop in pieces:
                spec, offset = layout.tensors[tensor], layout.offsets[tensor]
                source, piece = sources[tensor][start:stop], target[offset + start : offset + stop]
                if spec.kind == "int":
                    fixed_point.encode_ints(spec, source, piece)
                else:
                    clipped.append(fixed_point.encode_floats(spec, source, piece, scratch))

        return work

    blocks.run(_batches(layout), worker, threads)
    return Encoded(blob, sum(clipped))


def decode(
    layout: Layout,
    blob: Buffer,
    out: Mapping[str, Any] | None = None,
    threads: int | None = None,
    within: Layout | None = None,
) -> dict[str, Any]:
    """Read the weights out of a blob.

    Args:
        layout: of the blob.
        blob: ``layout.blob_size`` bytes; the header is not looked at, see ``check``.
        out: torch tensors or NumPy arrays to write to, by name, such as a model's own ``state_dict()``: this saves
            the clearing of new pages and a ``load_state_dict``.
        threads: how many to work on; None means ``blocks.default_threads()``.
        within: of the blob, where ``layout`` is only its beginning.

    Returns:
        By name in layout order: the tensors of ``out``, or without it new NumPy arrays of the layout's shapes and
        dtypes (bfloat16, which NumPy lacks, as float32). ``torch.from_numpy`` takes them without a copy.

    Raises:
        CodecError: another size than the layout's, or names or shapes in ``out`` that differ from it.
    """
    return state_of(layout, values(_sized(within or layout, blob), layout.size), out, threads)


def state_of(
    layout: Layout,
    source: npt.NDArray[np.int32],
    out: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Do what ``decode`` does with values that are in no blob, (n_values,); see there."""
    if out is None:
        result: dict[str, Any] = {spec.name: np.empty(spec.shape, spec.numpy_dtype) for spec in layout.tensors}
    else:
        layout.check_names(out)
        result = {spec.name: out[spec.name] for spec in layout.tensors}
    targets, late = [], []  # late: what cannot be written in place, and is copied in the end
    for spec in layout.tensors:
        spec.check(result[spec.name])
        target = fixed_point.writable(result[spec.name])
        if target is None:
            target = np.empty(spec.size, spec.numpy_dtype)
            late.append((result[spec.name], target.reshape(spec.shape)))
        targets.append(target)

    def worker() -> Callable[[list[_Piece]], None]:
        def work(pieces: list[_Piece]) -> None:
            for tensor, start, stop in pieces:
                spec, offset = layout.tensors[tensor], layout.offsets[tensor]
                target = targets[tensor][start:stop]
                np.copyto(target, source[offset + start : offset + stop], casting="unsafe")
                if spec.kind == "float" and spec.exponent:
                    np.multiply(target, target.dtype.type(2.0**-spec.exponent), out=target)

        return work

    blocks.run(_batches(layout), worker, threads)
    for tensor, array in late:
        if isinstance(tensor, np.ndarray):
            np.copyto(tensor, array)
        else:
            import torch

            tensor.detach().copy_(torch.from_numpy(array))
    return result


def blank(layout: Layout, header: Header, out: Buffer | None = None) -> memoryview:
    """Return a blob with this header, whose values are still to be written (``values`` gives the place).

    Args:
        layout: whose hash and number of values go into the header.
        header: the rest of it.
        out: as in ``encode``.

    Raises:
        CodecError: ``out`` has another size; the header speaks of another layout.
    """
    blob = np.empty(layout.blob_size, np.uint8).data if out is None else _sized(layout, out)
    blob[:LEAF] = header.bound(layout).to_bytes()
    end = LEAF + 4 * layout.size
    blob[end:] = bytes(layout.blob_size - end)
    return blob


def values(blob: Buffer, size: int | None = None) -> npt.NDArray[np.int32]:
    """Return a blob's values, shape (n_values,), as a view: no copy; writable if the blob is.

    Args:
        blob: the whole blob.
        size: how many there are; None means as many as the header says.

    Raises:
        CodecError: the header is malformed, or the blob is shorter than it says.
    """
    view = memoryview(blob).cast("B")
    count = read_header(view).size if size is None else size
    if view.nbytes < LEAF + 4 * count:
        raise CodecError(f"{view.nbytes} bytes are too few for {count} values")
    return np.frombuffer(view, np.dtype("<i4"), count, LEAF)


def check(layout: Layout, blob: Buffer, expected: Header) -> str:
    """Say what is wrong with a blob that came from somewhere else; empty if nothing is.

    Everything in the header must be as expected, except that an update may have any weight of at least 1.
    """
    view = memoryview(blob).cast("B")
    size = layout.update_size if expected.kind == UPDATE else layout.blob_size
    if view.nbytes != size:
        return f"{view.nbytes} bytes instead of {size}"
    try:
        header = read_header(view)
    except CodecError as error:
        return str(error)
    if difference := header.differs(expected.bound(layout)):
        return difference
    if expected.kind == UPDATE and layout.bits != 32:
        return differences.fault(layout, view)
    if any(view[LEAF + 4 * layout.size :]):
        return "the padding after the values is not zero"
    numbers = values(view, layout.size)
    for spec, offset in zip(layout.tensors, layout.offsets, strict=True):
        low, high = spec.limits
        piece = numbers[offset : offset + spec.size]
        if spec.kind == "int" and spec.size and not (low <= int(piece.min()) and int(piece.max()) <= high):
            return f"{spec.name}: a value outside of {spec.dtype}"
    return ""


def _batches(layout: Layout) -> list[list[_Piece]]:
    """Cut the tensors into lists of pieces of about a block each: large tensors split, small ones together."""
    batches: list[list[_Piece]] = []
    batch: list[_Piece] = []
    room = blocks.BLOCK
    for index, spec in enumerate(layout.tensors):
        start = 0
        while start < spec.size:
            stop = min(spec.size, start + room)
            batch.append((index, start, stop))
            room -= stop - start
            start = stop
            if not room:
                batches.append(batch)
                batch, room = [], blocks.BLOCK
    if batch:
        batches.append(batch)
    return batches


def _sized(layout: Layout, blob: Buffer) -> memoryview:
    view = memoryview(blob).cast("B")
    if view.nbytes != layout.blob_size:
        raise CodecError(f"the buffer has {view.nbytes} bytes; a blob of this layout has {layout.blob_size}")
    return view
