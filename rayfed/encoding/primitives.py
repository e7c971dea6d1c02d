"""The values that every layer names: roots, addresses, and sets of members as bitmaps.

A *bitmap* is an ``int`` whose bit ``i`` speaks of the member with index ``i`` (0..255), as in the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Root = bytes
"""32 bytes: the SHA-256 Merkle root of a blob, and its key in every store."""

Address = str
"""An Ethereum address, EIP-55 checksummed, ``0x`` first."""

NO_ROOT: Root = bytes(32)
MAX_MEMBERS = 256


def bits(bitmap: int) -> Iterator[int]:
    """Yield the indices of the set bits, lowest first."""
    while bitmap:
        low = bitmap & -bitmap
        yield low.bit_length() - 1
        bitmap ^= low


def bitmap(indices: Iterable[int]) -> int:
    """Return the bitmap in which exactly these bits are set."""
    value = 0
    for index in indices:
        value |= 1 << index
    return value
