"""Leaf 0 of a blob: what the values are and whose. Words of 32 bytes, big-endian, as the contract's ABI has them.

==== ============================================================================
word what it holds
==== ============================================================================
0    MAGIC: SHA-256 of ``rayfed.blob.v2``
1    kind: 1 update, 2 merged model or genesis
2    chain id (0 in a merged header)
3    address of the federation's contract (0 in a merged header)
4    round: the one that the update is for, or that made the model; 0 for genesis
5    address of the node (0 in a merged header)
6    SHA-256 of the layout's canonical JSON
7    weight: examples that the update was trained on (0 in a merged header)
8    number of values
9    encoding: how values lie in the federation's updates: 8 or 16 (``differences``); zero: int32, as in a model
10   frozen: hash of what the federation's model has besides, and does not train; zero: nothing
==== ============================================================================

All other bytes of the leaf are zero. An update's header binds it to one node in one round of one federation, so a
copied one fails verification; a merged header names none of these, so the same training gives the same final root
on every chain.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rayfed.encoding import differences
from rayfed.encoding.merkle import LEAF
from rayfed.encoding.primitives import Address
from rayfed.errors import CodecError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from rayfed.encoding.layout import Layout

MAGIC = hashlib.sha256(b"rayfed.blob.v2").digest()
UPDATE = 1
MERGED = 2

_WORD = 32
_NO_ADDRESS = "0x" + "00" * 20
_WORDS = (
    "magic",
    "kind",
    "chain id",
    "federation",
    "round",
    "node",
    "layout hash",
    "weight",
    "number of values",
    "encoding",
    "hash of what is frozen",
)
_BITS = {2: 256, 3: 160, 4: 32, 5: 160, 7: 32, 8: 40}  # how large the number in a word may be


@dataclass(frozen=True, slots=True)
class Header:
    """What leaf 0 says. Build one with ``update`` or ``merged``.

    Attributes:
        kind: UPDATE or MERGED.
        chain_id: 0 <= chain_id < 2^256.
        federation: the contract's address, in lower case whatever it was built from.
        round: 0 <= round < 2^32.
        node: the node's address, in lower case whatever it was built from.
        layout_hash: 32 bytes; zeros until ``bound``.
        weight: examples; 1 <= weight < 2^32 in an update, 0 in a merged header.
        size: number of values; 0 until ``bound``.
        encoding, frozen: 32 bytes each; zeros until ``bound``, then as the layout has it.
    """

    kind: int
    chain_id: int
    federation: Address
    round: int
    node: Address
    layout_hash: bytes
    weight: int
    size: int = 0
    encoding: bytes = bytes(32)
    frozen: bytes = bytes(32)

    def __post_init__(self) -> None:
        for name in ("federation", "node"):
            address = getattr(self, name)
            if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
                raise CodecError(f"header: {address!r} is not an address")
            object.__setattr__(self, name, address.lower())
        if self.kind not in (UPDATE, MERGED):
            raise CodecError(f"header: there is no kind {self.kind}")
        for name in ("layout_hash", "encoding", "frozen"):
            if len(getattr(self, name)) != 32:
                raise CodecError(f"header: {name} has 32 bytes")
        numbers = {2: self.chain_id, 4: self.round, 7: self.weight, 8: self.size}
        for word, number in numbers.items():
            if not 0 <= number < 1 << _BITS[word]:
                raise CodecError(f"header: the {_WORDS[word]} {number} is not in 0..2^{_BITS[word]}")
        if self.kind == UPDATE and not self.weight:
            raise CodecError("header: an update's weight is at least 1")
        if self.kind == MERGED and (self.chain_id, self.federation, self.node, self.weight) != (
            0,
            _NO_ADDRESS,
            _NO_ADDRESS,
            0,
        ):
            raise CodecError("header: a merged model names no chain, federation, node or weight")

    @classmethod
    def update(
        cls,
        chain_id: int,
        federation: Address,
        round: int,
        node: Address,
        layout_hash: bytes = bytes(32),
        weight: int = 1,
    ) -> Header:
        """Return the header of one node's update in one round; ``weight`` is the examples it was trained on.

        Raises:
            CodecError: a value is out of its range.
        """
        return cls(UPDATE, chain_id, federation, round, node, layout_hash, weight)

    @classmethod
    def merged(cls, round: int, layout_hash: bytes = bytes(32)) -> Header:
        """Return the header of the model that a round made; round 0 is genesis.

        Raises:
            CodecError: the round is out of range.
        """
        return cls(MERGED, 0, _NO_ADDRESS, round, _NO_ADDRESS, layout_hash, 0)

    def bound(self, layout: Layout) -> Header:
        """Return this header with the layout's hash, number of values and encoding, and the digest of what is frozen.

        Raises:
            CodecError: it speaks of another layout already.
        """
        if self.layout_hash not in (bytes(32), layout.hash) or self.size not in (0, layout.size):
            raise CodecError("header: it is of another layout")
        encoding, frozen = differences.word(layout.bits), layout.frozen_digest
        return replace(self, layout_hash=layout.hash, size=layout.size, encoding=encoding, frozen=frozen)

    def differs(self, expected: Header) -> str:
        """Say in which word this header is not as expected; empty if in none. A weight is never expected."""
        for word, (mine, other) in enumerate(zip(self._words(), expected._words(), strict=True)):
            if mine != other and word != 7:
                return f"header: another {_WORDS[word]} than expected"
        return ""

    def to_bytes(self) -> bytes:
        """Return the whole leaf: LEAF bytes."""
        return b"".join(self._words()).ljust(LEAF, b"\x00")

    def _words(self) -> list[bytes]:
        numbers = [self.kind, self.chain_id, int(self.federation, 16), self.round, int(self.node, 16)]
        words = [MAGIC, *(number.to_bytes(_WORD, "big") for number in numbers), self.layout_hash]
        words += [number.to_bytes(_WORD, "big") for number in (self.weight, self.size)]
        return [*words, self.encoding, self.frozen]


def read_header(blob: Buffer) -> Header:
    """Return what a blob's first leaf says.

    Args:
        blob: a blob, or at least its first LEAF bytes.

    Raises:
        CodecError: it is too short or no header: another magic, a number out of range, or padding that is not zero.
    """
    leaf = bytes(memoryview(blob).cast("B")[:LEAF])
    if len(leaf) < LEAF:
        raise CodecError(f"header: {len(leaf)} bytes are less than a leaf")
    if leaf[:_WORD] != MAGIC:
        raise CodecError("header: these bytes are not a blob (another magic number)")
    if any(leaf[len(_WORDS) * _WORD :]):
        raise CodecError("header: the padding is not zero")
    words = [leaf[_WORD * index : _WORD * (index + 1)] for index in range(len(_WORDS))]
    number = [int.from_bytes(word, "big") for word in words]
    for index, limit in _BITS.items():
        if number[index] >> limit:
            raise CodecError(f"header: the {_WORDS[index]} is too large")
    federation, node = (f"0x{number[index]:040x}" for index in (3, 5))
    return Header(number[1], number[2], federation, number[4], node, words[6], number[7], number[8], *words[9:])
