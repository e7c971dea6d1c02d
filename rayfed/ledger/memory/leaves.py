"""What a match at a leaf is judged by (docs/protocol.md, section 6): the merged header to the byte, and merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding import differences, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Root
from rayfed.errors import Rejected
from rayfed.protocol.court import InputProof
from rayfed.protocol.messages import Terms

MEAN, TRIMMED_MEAN, MEDIAN = 1, 2, 3
UNIT = 10_000
"""``trim`` counts in parts of this."""

VALUES = merkle.LEAF // 4
"""Values in a leaf that is not the header."""

_WEIGHT = 7
"""The header's word that holds the weight."""


def merged_header(terms: Terms, round: int) -> bytes:
    """Return leaf 0 of the model that a round made: one merge has one."""
    header = Header.merged(round, terms.layout)
    return replace(header, size=terms.values, encoding=terms.encoding, frozen=terms.frozen).to_bytes()


def leaf_hash(leaf: bytes) -> Root:
    """Return the hash of a leaf.

    Raises:
        Rejected: it has another length.
    """
    if len(leaf) != merkle.LEAF:
        raise Rejected("WrongLeafLength")
    return merkle.leaf_hash(leaf)


def value(leaf: bytes, coordinate: int) -> int:
    """Return one of a leaf's values."""
    return int.from_bytes(leaf[4 * coordinate : 4 * coordinate + 4], "little", signed=True)


def read_base(terms: Terms, proof: InputProof, root: Root, position: int) -> int:
    """Return what the round's base says at a position.

    Raises:
        Rejected: it is not proved, or has a header, which nobody asks for.
    """
    leaf, offset = differences.place(position, 32)
    leaf_hash(proof.leaf)
    is_proved = merkle.verify(root, proof.leaf, leaf, merkle.leaves(terms.values), proof.path)
    if not is_proved or proof.header or proof.header_path:
        raise Rejected("WrongProof")
    return value(proof.leaf, offset)


def read(terms: Terms, proof: InputProof, root: Root, position: int, base: int) -> tuple[int, int]:
    """Return what an update says at a position, and what it weighs (0 where the rule is no mean); as they lie.

    Args:
        terms: say how updates are encoded.
        proof: of the update's leaf in which the position is.
        root: of the update.
        position: of the value among all.
        base: the base's value there; not looked at where updates are as wide as models.

    Raises:
        Rejected: it is not proved.
    """
    count = differences.leaves(terms.values, terms.bits)
    leaf, offset = differences.place(position, terms.bits)
    leaf_hash(proof.leaf)
    if not merkle.verify(root, proof.leaf, leaf, count, proof.path):
        raise Rejected("WrongProof")
    found = differences.value(proof.leaf, offset, terms.bits, base)
    if terms.rule != MEAN:
        return found, 0
    leaf_hash(proof.header)
    if not merkle.verify(root, proof.header, 0, count, proof.header_path):
        raise Rejected("WrongProof")
    weight = int.from_bytes(proof.header[32 * _WEIGHT : 32 * _WEIGHT + 32], "big")
    return found, min(weight, terms.max_weight)


def merge(terms: Terms, values: Sequence[int], weights: Sequence[int]) -> int:
    """Merge one coordinate of n >= 1 updates, in plain integers; ``rules`` does the same for all of them at once."""
    if terms.rule == MEAN:
        capped = [min(max(weight, 1), terms.max_weight) for weight in weights]
        return sum(w * v for w, v in zip(capped, values, strict=True)) // sum(capped)
    n = len(values)
    cut = n * terms.trim // UNIT if terms.rule == TRIMMED_MEAN else (n - 1) // 2
    kept = sorted(values)[cut : n - cut]
    return sum(kept) // len(kept)


def differs(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Return the first place in which two lists differ."""
    return next(k for k, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
