"""The Merkle tree whose root names a blob: SHA-256, shaped as in RFC 6962, over leaves of 4096 bytes.

A leaf hashes to ``H(0x00 || leaf)``, an inner node to ``H(0x01 || left || right)``; a tree over n leaves is split at
the largest power of two below n (RFC 6962, section 2.1). Built from the bottom this means: pair up a level from the
left, and carry an odd last node up as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

LEAF = 4096
"""Bytes in a leaf."""

_HASH = 32


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


def root(data: bytes) -> bytes:
    """Return the 32-byte root of data, a whole number of leaves, at least one."""
    return tree(data).root


def tree(data: bytes) -> Tree:
    """Return the whole tree of data."""
    level = [hashlib.sha256(b"\x00" + data[i : i + LEAF]).digest() for i in range(0, len(data), LEAF)]
    levels = [b"".join(level)]
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        levels.append(b"".join(level))
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
