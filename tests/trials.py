"""Blobs that can be proved, for trials in court: updates, their merge, and merges that are wrong in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256

import numpy as np

from rayfed.encoding import differences, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Root
from rayfed.ledger.memory import leaves
from rayfed.protocol.court import InputProof
from rayfed.protocol.messages import Terms


@dataclass(frozen=True)
class Blob:
    """A blob's bytes."""

    data: bytes

    @cached_property
    def tree(self) -> merkle.Tree:
        """Its tree."""
        return merkle.tree(self.data)

    @property
    def root(self) -> Root:
        """Its root."""
        return self.tree.root

    def leaf(self, index: int) -> bytes:
        """Return one of its leaves."""
        return self.data[merkle.LEAF * index : merkle.LEAF * (index + 1)]

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        """Return the roots of a range's parts."""
        return self.tree.parts(first, count)

    def value(self, position: int) -> int:
        """Return a value by its position in the model, or in the padding behind it."""
        return leaves.value(self.leaf(1 + position // leaves.VALUES), position % leaves.VALUES)

    def with_value(self, position: int, value: int) -> Blob:
        """Return the same blob with another value."""
        return self.with_bytes(merkle.LEAF + 4 * position, (value % 2**32).to_bytes(4, "little"))

    def with_bytes(self, at: int, changed: bytes) -> Blob:
        """Return the same blob with other bytes in a place."""
        return Blob(self.data[:at] + changed + self.data[at + len(changed) :])

    def with_word(self, word: int, value: int) -> Blob:
        """Return the same blob with another word in its header."""
        return self.with_bytes(32 * word, value.to_bytes(32, "big"))

    def proof(self, which: int, leaf: int, with_header: bool = True) -> InputProof:
        """Return the proof of one of its leaves, as the included update in this place."""
        header, path = (self.leaf(0), self.tree.proof(0)) if with_header else (b"", ())
        return InputProof(which, self.leaf(leaf), self.tree.proof(leaf), header, path)


def blob(header: Header, terms: Terms, values: Sequence[int]) -> Blob:
    """Return a blob of a header and values, of which those that are not given are zero."""
    head = replace(header, size=terms.values, layout_hash=terms.layout, encoding=terms.encoding, frozen=terms.frozen)
    body = np.zeros((merkle.leaves(terms.values) - 1) * leaves.VALUES, "<i4")
    body[: len(values)] = values
    return Blob(head.to_bytes() + body.tobytes())


@lru_cache(maxsize=256)
def genesis(terms: Terms) -> Blob:
    """Return a model that round 1 may start from; the terms' own ``genesis`` is not looked at."""
    values = np.random.default_rng(0).integers(-(2**31), 2**31 - 1, terms.values)
    return blob(Header.merged(0), terms, values.tolist())


@lru_cache(maxsize=4096)
def update(terms: Terms, round: int, index: int, variant: int = 0) -> Blob:
    """Return the update of a member in a round: values that follow from all arguments, and a weight. Where updates are
    differences, any bytes are some, so they are any."""
    seed = int.from_bytes(sha256(f"{round} {index} {variant}".encode()).digest()[:4], "big")
    dice = np.random.default_rng(seed)
    values = dice.integers(-(2**31), 2**31 - 1, terms.values)
    weight = int(dice.integers(1, 2**20))
    if terms.bits != 32:
        head = blob(Header.update(1, "0x" + "fe" * 20, round, "0x" + "aa" * 20, weight=weight), terms, ())
        rows = np.frombuffer(dice.bytes((differences.leaves(terms.values, terms.bits) - 1) * merkle.LEAF), np.uint8)
        body = rows.reshape(-1, differences.BLOCK).copy()
        body[:, 0] %= 40  # of the shifts, too, some are too large
        return Blob(head.leaf(0) + body.tobytes())
    return blob(Header.update(1, "0x" + "fe" * 20, round, "0x" + "aa" * 20, weight=weight), terms, values.tolist())


@lru_cache(maxsize=4096)
def merge(terms: Terms, round: int, updates: tuple[Blob, ...], base: Blob | None = None) -> Blob:
    """Return the right merge of a round's included updates, coordinate by coordinate, in plain integers.

    Args:
        base: what the round started from, where updates are differences; None is ``genesis``.
    """
    words = [int.from_bytes(one.data[32 * 7 : 32 * 8], "big") for one in updates]
    weights = [min(word, terms.max_weight) for word in words]
    if terms.bits == 32:
        lists = [np.frombuffer(one.data[merkle.LEAF :], "<i4")[: terms.values].tolist() for one in updates]
    else:
        lists = [[said(terms, one, base or genesis(terms), at) for at in range(terms.values)] for one in updates]
    columns = zip(*lists, strict=True)
    merged = [leaves.merge(terms, column, weights) for column in columns]
    return blob(Header.merged(round), terms, merged)


def said(terms: Terms, update: Blob, base: Blob, position: int) -> int:
    """Return what an update says at a position."""
    if terms.bits == 32:
        return update.value(position)
    leaf, offset = differences.place(position, terms.bits)
    return differences.value(update.leaf(leaf), offset, terms.bits, base.value(position))


def proofs(
    terms: Terms, updates: Sequence[Blob], which: Sequence[int], base: Blob, position: int, with_header: bool
) -> list[InputProof]:
    """Return the proofs of some inputs at a position, as a call brings them."""
    leaf, _ = differences.place(position, terms.bits)
    inputs = [updates[k].proof(k, leaf, with_header) for k in which]
    if terms.bits == 32:
        return inputs
    return [base.proof(len(updates), differences.place(position, 32)[0], False), *inputs]
