"""Leaf 0 of a blob: what the values are and whose. Words of 32 bytes, big-endian, as the contract's ABI has them.

==== ============================================================================
word what it holds
==== ============================================================================
0    MAGIC: SHA-256 of ``rayfed.blob.v1``
1    kind: 1 update, 2 merged model or genesis
2    chain id (0 in a merged header)
3    address of the federation's contract (0 in a merged header)
4    round: the one that the update is for, or that made the model; 0 for genesis
5    address of the node (0 in a merged header)
6    SHA-256 of the layout's canonical JSON
7    weight: examples that the update was trained on (0 in a merged header)
8    number of values
==== ============================================================================

All other bytes of the leaf are zero. An update's header binds it to one node in one round of one federation, so a
copied one fails verification; a merged header names none of these, so the same training gives the same final root
on every chain.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.errors import CodecError
from tests.first_edition.merkle import LEAF

MAGIC = hashlib.sha256(b"rayfed.blob.v1").digest()
UPDATE = 1
MERGED = 2

_WORD = 32
_NO_ADDRESS = "0x" + "00" * 20
_WORDS = ("magic", "kind", "chain id", "federation", "round", "node", "layout hash", "weight", "number of values")
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
        layout_hash: 32 bytes.
        weight: examples; 1 <= weight < 2^32 in an update, 0 in a merged header.
        size: number of values.
    """

    kind: int
    chain_id: int
    federation: Address
    round: int
    node: Address
    layout_hash: bytes
    weight: int
    size: int = 0

    def __post_init__(self) -> None:
        for name in ("federation", "node"):
            address = getattr(self, name)
            if not re.fullmatch(r"0x[0-9a-fA-F]{40}", address):
                raise CodecError(f"header: {address!r} is not an address")
            object.__setattr__(self, name, address.lower())
        if self.kind not in (UPDATE, MERGED):
            raise CodecError(f"header: there is no kind {self.kind}")
        if len(self.layout_hash) != 32:
            raise CodecError("header: a layout hash has 32 bytes")
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

    def to_bytes(self) -> bytes:
        """Return the whole leaf: LEAF bytes."""
        return b"".join(self._words()).ljust(LEAF, b"\x00")

    def _words(self) -> list[bytes]:
        numbers = [self.kind, self.chain_id, int(self.federation, 16), self.round, int(self.node, 16)]
        words = [MAGIC, *(number.to_bytes(_WORD, "big") for number in numbers), self.layout_hash]
        return [*words, self.weight.to_bytes(_WORD, "big"), self.size.to_bytes(_WORD, "big")]
