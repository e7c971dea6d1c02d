"""Where two blobs differ, and the leaves that prove it."""

from __future__ import annotations

import random

import pytest

from rayfed.encoding import merkle
from rayfed.node import fraud_proofs
from rayfed.protocol.judgement import MERGED, NO_HEADER

LEAVES = 7


@pytest.fixture
def true() -> bytearray:
    return bytearray(random.Random(1).randbytes(LEAVES * merkle.LEAF))


def test_blobs_that_are_the_same_do_not_differ(true: bytearray) -> None:
    assert fraud_proofs.difference(memoryview(true), memoryview(bytes(true))) is None


@pytest.mark.parametrize("seed", range(50))
def test_the_first_byte_that_differs_is_in_the_place_that_is_named(true: bytearray, seed: int) -> None:
    dice = random.Random(seed)
    claimed = bytearray(true)
    places = sorted(dice.sample(range(len(true)), 3))
    for place in places:
        claimed[place] ^= 1 + dice.randrange(255)
    found = fraud_proofs.difference(memoryview(claimed), memoryview(true))
    leaf, inside = divmod(places[0], merkle.LEAF)
    assert found == fraud_proofs.Difference(leaf, inside // (fraud_proofs.WORD if leaf == 0 else fraud_proofs.VALUE))


def test_the_header_is_counted_in_words(true: bytearray) -> None:
    claimed = bytearray(true)
    claimed[4 * fraud_proofs.WORD + 31] ^= 1
    assert fraud_proofs.difference(memoryview(claimed), memoryview(true)) == fraud_proofs.Difference(0, 4)


def test_sizes_have_to_be_equal(true: bytearray) -> None:
    with pytest.raises(ValueError, match="bytes"):
        fraud_proofs.difference(memoryview(true), memoryview(true)[: merkle.LEAF])


@pytest.mark.parametrize("index", range(LEAVES))
def test_proofs_hold(true: bytearray, index: int) -> None:
    blob = memoryview(bytes(true))
    root = merkle.root(blob)
    proof = fraud_proofs.prove(blob, 3, index, weighted=True)
    assert merkle.verify(root, proof.data, index, LEAVES, proof.path)
    assert b"".join(proof.header) == bytes(blob[: 9 * fraud_proofs.WORD])
    assert merkle.verify(root, fraud_proofs.leaf(blob, 0), 0, LEAVES, proof.header_path)


def test_the_merged_blob_has_no_weight(true: bytearray) -> None:
    proof = fraud_proofs.prove(memoryview(bytes(true)), MERGED, 1, weighted=True)
    assert (proof.header, proof.header_path) == (NO_HEADER, ())


def test_what_is_missing_is_asked_for_in_order() -> None:
    assert list(fraud_proofs.missing(0b101, 4, merged_proven=False)) == [1, 3, MERGED]
    assert list(fraud_proofs.missing(0b1111, 4, merged_proven=True)) == []
