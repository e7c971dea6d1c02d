"""The Merkle tree whose root names a blob: SHA-256, shaped as in RFC 6962, over leaves of 512 bytes.

A leaf hashes to ``H(0x00 || leaf)``, an inner node to ``H(0x01 || left || right)``; a tree over n leaves is split at
the largest power of two below n (RFC 6962, section 2.1). Built from the bottom this means: pair up a level from the
left, and carry an odd last node up as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rayfed.encoding import blocks, sha256

if TYPE_CHECKING:
    from typing_extensions import Buffer

LEAF = 512
"""Bytes in a leaf."""

PARTS = 32
"""The most parts into which a range of leaves is split at a time (``part_of``)."""

_VALUE = 4
_HASH = 32
_ROWS_A_TASK = 256
_WORTH_COMPILING = 1 << 27
"""Bytes after which a process has spent as long in hashlib as the start of ``sha256`` takes: time to change over."""

_hashed = 0  # bytes so far; threads may lose each other's additions, which only delays the change


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole tree, for proofs.

    ``levels[0]`` holds the leaves' hashes one after the other, 32 bytes each, every next level the nodes above, the
    last one just the root.
    """

    levels: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The 32 bytes that name the data."""
        return self.levels[-1]

    @property
    def count(self) -> int:
        """How many leaves there are; at least 1."""
        return len(self.levels[0]) // _HASH

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Return the siblings on the way from a leaf to the root, lowest first (RFC 6962, section 2.1.1).

        Raises:
            IndexError: there is no such leaf.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} of a tree of {self.count}")
        path = []
        for level in self.levels[:-1]:
            sibling = level[(index ^ 1) * _HASH : ((index ^ 1) + 1) * _HASH]
            if sibling:  # an odd last node has none: it moves up as it is
                path.append(sibling)
            index >>= 1
        return tuple(path)

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        """Return the roots of a range's parts, at most PARTS: ``part_of(count)`` leaves each, the last what is left.

        Args:
            first: the range's first leaf.
            count: how many leaves it has, at least 2. The range is the whole tree or a part of a range of it.
        """
        size = part_of(count)
        level, start = self.levels[size.bit_length() - 1], first // size
        return tuple(level[i * _HASH : (i + 1) * _HASH] for i in range(start, start + -(-count // size)))


def leaves(values: int) -> int:
    """Return how many leaves a blob of so many int32 values has: the header's, and theirs."""
    return 1 - -values * _VALUE // LEAF


def position(leaf: int, coordinate: int) -> int:
    """Return which of a model's values is this one of this leaf."""
    return (leaf - 1) * (LEAF // _VALUE) + coordinate


def part_of(count: int) -> int:
    """Return how many leaves each part of a range has: the smallest power of two that makes no more than PARTS."""
    size = 1
    while -(-count // size) > PARTS:
        size *= 2
    return size


def root_of(nodes: Sequence[bytes]) -> bytes:
    """Return the root over the roots of parts, at least one, each over the same power of two of leaves but the last."""
    level = list(nodes)
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) // 2 * 2 :]
    return level[0]


def leaf_hash(leaf: Buffer) -> bytes:
    """Return the hash of a leaf's LEAF bytes."""
    return hashlib.sha256(b"\x00" + memoryview(leaf).cast("B")).digest()


def root(data: Buffer, threads: int | None = None) -> bytes:
    """Return the 32-byte root of data, any C-contiguous buffer of a whole number of leaves, at least one.

    Args:
        data: the bytes.
        threads: how many to hash on; None means ``blocks.default_threads()``.

    Raises:
        ValueError: the length is zero or no multiple of LEAF.
    """
    return tree(data, threads).root


def tree(data: Buffer, threads: int | None = None) -> Tree:
    """Return the whole tree of data. Arguments and errors as for ``root``."""
    global _hashed
    view = memoryview(data).cast("B")
    if not view.nbytes or view.nbytes % LEAF:
        raise ValueError(f"{view.nbytes} bytes are not a whole number of leaves of {LEAF} bytes, at least one")
    _hashed += view.nbytes
    lanes = sha256.load() if _hashed > _WORTH_COMPILING else None
    levels = [_hash_rows(view, LEAF, 0, lanes, threads)]
    while (nodes := len(levels[-1]) // _HASH) > 1:
        pairs = memoryview(levels[-1])[: nodes // 2 * 2 * _HASH]
        carried = levels[-1][pairs.nbytes :]
        levels.append(_hash_rows(pairs, 2 * _HASH, 1, lanes, threads) + carried)
    return Tree(tuple(levels))


def verify(root: bytes, leaf: Buffer, index: int, count: int, proof: Sequence[bytes]) -> bool:
    """Say whether ``leaf`` is leaf ``index`` of the ``count`` under ``root`` (RFC 9162, section 2.1.3.2).

    Nothing in the arguments is trusted: whatever is malformed is simply not a proof.
    """
    data = memoryview(leaf).cast("B")
    if data.nbytes != LEAF or not 0 <= index < count:
        return False
    node = hashlib.sha256(b"\x00" + data).digest()
    last = count - 1  # index of the last node on the current level
    position = index
    siblings = iter(proof)
    while last:
        if position & 1 or position < last:
            sibling = next(siblings, None)
            if sibling is None or len(sibling) != 32:
                return False
            pair = sibling + node if position & 1 else node + sibling
            node = hashlib.sha256(b"\x01" + pair).digest()
        position >>= 1
        last >>= 1
    return next(siblings, None) is None and node == root


def _hash_rows(
    rows: memoryview, length: int, prefix: int, lanes: tuple[sha256.Rows, int] | None, threads: int | None
) -> bytes:
    """Return ``H(prefix || row)`` of each row of ``length`` bytes, one after the other."""
    count = rows.nbytes // length
    digests = bytearray(_HASH * count)
    start = hashlib.sha256(bytes([prefix]))

    def one_by_one(first: int, last: int) -> None:
        done = []
        for place in range(first * length, last * length, length):
            row = start.copy()  # has the prefix in it already: nothing is copied to put it in front
            row.update(rows[place : place + length])
            done.append(row.digest())
        digests[first * _HASH : last * _HASH] = b"".join(done)

    def worker() -> Callable[[tuple[int, int]], None]:
        if lanes is None:
            return lambda task: one_by_one(*task)
        hash_groups, width = lanes
        data, out = (np.frombuffer(buffer, np.uint8).ctypes.data for buffer in (rows, digests))

        def work(task: tuple[int, int]) -> None:
            first, last = task
            groups = (last - first) // width
            if groups:
                hash_groups(data + first * length, groups, length, prefix, out + first * _HASH)
            one_by_one(first + groups * width, last)

        return work

    blocks.run(blocks.ranges(count, _ROWS_A_TASK * LEAF // length), worker, threads)
    return bytes(digests)
