"""Where a merged blob differs from what it must be, and the leaves that prove it. Pure: blobs in, proofs out.

The contract recomputes one coordinate: it needs that coordinate's leaf from every included update, and the same leaf of
the merged blob (``ICourt.challenge``, ``ICourt.prove``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rayfed.encoding import merkle
from rayfed.protocol.judgement import MERGED, NO_HEADER, Proof

WORD = 32
HEADER_WORDS = 9
VALUE = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place in which two blobs differ.

    Attributes:
        leaf: 0 is the header.
        coordinate: which 32-byte word of the header, or which int32 of another leaf.
    """

    leaf: int
    coordinate: int


def difference(claimed: memoryview, true: memoryview) -> Difference | None:
    """Return the first place in which two blobs of the same size differ; None if they are the same.

    Raises:
        ValueError: their sizes differ.
    """
    one, other = (np.frombuffer(blob, np.uint64) for blob in (claimed, true))
    if one.size != other.size:
        raise ValueError(f"blobs of {one.nbytes} and {other.nbytes} bytes")
    at = _first(one, other)
    if at is None:
        return None
    leaf, inside = divmod(at * 8, merkle.LEAF)
    if leaf == 0:
        return Difference(0, inside // WORD)
    # Two values lie in the eight bytes that differ.
    values = (np.frombuffer(blob, "<i4", 2, at * 8) for blob in (claimed, true))
    first, second = values
    return Difference(leaf, inside // VALUE + int(first[0] == second[0]))


def _first(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> int | None:
    block = 1 << 16
    for start in range(0, one.size, block):
        different = one[start : start + block] != other[start : start + block]
        if different.any():
            return start + int(different.argmax())
    return None


def leaf(blob: memoryview, index: int) -> bytes:
    """Return one leaf's bytes, ``merkle.LEAF`` of them."""
    return bytes(blob[index * merkle.LEAF : (index + 1) * merkle.LEAF])


def prove(blob: memoryview, which: int, index: int, *, weighted: bool) -> Proof:
    """Return the proof of leaf ``index`` of one blob.

    Args:
        blob: the whole of it.
        which: its position among the included updates, or ``MERGED``.
        index: of the leaf.
        weighted: whether the rule asks for the update's weight, which its header has.
    """
    tree = merkle.tree(blob)
    header: tuple[bytes, ...] = NO_HEADER
    header_path: tuple[bytes, ...] = ()
    if weighted and which != MERGED:
        first = leaf(blob, 0)
        header = tuple(first[i * WORD : (i + 1) * WORD] for i in range(HEADER_WORDS))
        header_path = tree.proof(0)
    return Proof(which, leaf(blob, index), tree.proof(index), header, header_path)


def missing(proven: int, inputs: int, merged_proven: bool) -> Sequence[int]:
    """Return which proofs a challenge still lacks: positions of updates, then ``MERGED``."""
    left = [which for which in range(inputs) if not proven >> which & 1]
    return left if merged_proven else [*left, MERGED]
