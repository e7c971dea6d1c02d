from __future__ import annotations

import hashlib

import numpy as np
import pytest

from rayfed.encoding import merkle, sha256
from rayfed.encoding.merkle import LEAF


def reference(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: recursion from the top, where merkle.py builds from the bottom."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + reference(leaves[:split]) + reference(leaves[split:])).digest()


@pytest.fixture(params=["hashlib", "lanes"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the same hashes: one by one, and side by side where this machine can."""
    monkeypatch.setattr(merkle, "_hashed", 0)
    if request.param == "lanes":
        if sha256.load() is None:
            pytest.skip("needs llvmlite and AVX-512, or AVX2 where there are no SHA instructions")
        monkeypatch.setattr(merkle, "_WORTH_COMPILING", 0)
    return str(request.param)


def leaves_of(count: int) -> list[bytes]:
    return [hashlib.sha256(index.to_bytes(4, "big")).digest() * (LEAF // 32) for index in range(count)]


@pytest.mark.parametrize("count", [*range(1, 20), 255, 256, 257, 511, 700])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.usefixtures("kernel")
def test_the_root_is_that_of_the_recursive_definition(count: int, threads: int) -> None:
    leaves = leaves_of(count)
    data = b"".join(leaves)
    assert merkle.root(data, threads) == reference(leaves)
    assert merkle.tree(data, threads).root == reference(leaves)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 257])
def test_every_proof_verifies_in_its_own_place_only(count: int) -> None:
    leaves = leaves_of(count)
    tree = merkle.tree(b"".join(leaves))
    assert tree.count == count
    for index in range(count):
        proof = tree.proof(index)
        assert merkle.verify(tree.root, leaves[index], index, count, proof)
        assert not merkle.verify(tree.root, leaves[index], (index + 1) % count, count, proof) or count == 1


def test_tampering_with_any_part_of_a_proof_is_seen() -> None:
    leaves = leaves_of(11)
    tree = merkle.tree(b"".join(leaves))
    proof = tree.proof(9)
    other = bytes([leaves[9][0] ^ 1]) + leaves[9][1:]
    assert not merkle.verify(tree.root, other, 9, 11, proof)
    assert not merkle.verify(bytes(32), leaves[9], 9, 11, proof)
    assert not merkle.verify(tree.root, leaves[9], 9, 11, proof[:-1])
    assert not merkle.verify(tree.root, leaves[9], 9, 11, (*proof, bytes(32)))
    assert not merkle.verify(tree.root, leaves[9], 9, 11, (proof[0][:31], *proof[1:]))
    for place in range(len(proof)):
        swapped = (*proof[:place], bytes(32), *proof[place + 1 :])
        assert not merkle.verify(tree.root, leaves[9], 9, 11, swapped)


@pytest.mark.parametrize(("index", "count"), [(-1, 4), (4, 4), (0, 0), (9, 4)])
def test_places_that_do_not_exist_are_no_proof(index: int, count: int) -> None:
    leaves = leaves_of(4)
    tree = merkle.tree(b"".join(leaves))
    assert not merkle.verify(tree.root, leaves[0], index, count, tree.proof(0))


def test_a_leaf_of_another_length_is_no_proof() -> None:
    data = bytes(LEAF)
    assert merkle.verify(merkle.root(data), data, 0, 1, ())
    assert not merkle.verify(merkle.root(data), data[:-1], 0, 1, ())


def test_a_leaf_is_not_taken_for_an_inner_node() -> None:
    """The prefixes: 64 bytes that are the children of a node must not hash as that node."""
    leaves = leaves_of(2)
    assert merkle.root(b"".join(leaves)) != hashlib.sha256(b"".join(leaves)).digest()


@pytest.mark.parametrize("count", [2, 3, 31, 32, 33, 63, 64, 65, 700, 1023, 1025])
def test_a_descent_comes_from_the_root_to_every_leaf(count: int) -> None:
    """Each range's parts hash to its root, and the parts' parts to theirs, down to the leaves: the court's moves."""
    leaves = leaves_of(count)
    tree = merkle.tree(b"".join(leaves))
    seen: list[bytes] = []

    def descend(root: bytes, first: int, size: int) -> None:
        if size == 1:
            assert root == merkle.leaf_hash(leaves[first])
            seen.append(root)
            return
        parts, each = tree.parts(first, size), merkle.part_of(size)
        assert len(parts) == -(-size // each) <= merkle.PARTS
        assert merkle.root_of(parts) == root == reference(leaves[first : first + size])
        for number, part in enumerate(parts):
            descend(part, first + number * each, min(each, size - number * each))

    descend(tree.root, 0, count)
    assert len(seen) == count


def test_any_contiguous_buffer_will_do() -> None:
    data = b"".join(leaves_of(3))
    root = merkle.root(data)
    assert merkle.root(bytearray(data)) == root
    assert merkle.root(memoryview(data)) == root
    assert merkle.root(np.frombuffer(data, np.int32)) == root
    assert merkle.root(np.frombuffer(data, np.uint8).reshape(3, LEAF)) == root


@pytest.mark.parametrize("size", [0, 1, LEAF - 1, LEAF + 1])
def test_other_lengths_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="whole number of leaves"):
        merkle.root(bytes(size))


def test_there_is_no_proof_of_a_leaf_that_is_not_there() -> None:
    tree = merkle.tree(bytes(2 * LEAF))
    with pytest.raises(IndexError, match="leaf 2 of a tree of 2"):
        tree.proof(2)
    with pytest.raises(IndexError):
        tree.proof(-1)


def test_many_bytes_make_it_change_over_to_the_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join(leaves_of(40))
    asked: list[None] = []

    def load() -> None:
        asked.append(None)

    monkeypatch.setattr(sha256, "load", load)
    monkeypatch.setattr(merkle, "_hashed", 0)
    monkeypatch.setattr(merkle, "_WORTH_COMPILING", 2 * len(data))
    roots = {merkle.root(data) for _ in range(3)}
    assert len(roots) == 1
    assert len(asked) == 1, "the third call is the first that goes past the limit"
