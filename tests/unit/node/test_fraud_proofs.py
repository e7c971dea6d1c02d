"""What a party shows of its own merge, and the proofs of what that was made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.encoding import merkle
from rayfed.errors import BlobMissing
from rayfed.node.fraud_proofs import ProvableMerge, leaf
from tests.unit.node.test_watchtower import MEMBERS, Table

LEAVES = 25


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def provable(table: Table) -> ProvableMerge:
    round, root = table.play()
    evidence = table.chain.merge_evidence(round)
    assert evidence is not None
    return ProvableMerge(root, evidence, table.tools("somebody"), MEMBERS)


def test_parts_and_leaves_hash_to_the_root(table: Table) -> None:
    merge = provable(table)
    parts = merge.parts(0, LEAVES)
    assert merkle.root_of(parts) == merge.root
    assert [merkle.leaf_hash(merge.leaf(index)) for index in range(LEAVES)] == list(parts)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("index", [0, 1, 12, LEAVES - 1])
def test_the_proofs_of_inputs_hold(table: Table, index: int, weighted: bool) -> None:
    merge = provable(table)
    roots = table.roots(1)
    proofs = merge.inputs([3, 0], index, weighted=weighted)
    assert [proof.which for proof in proofs] == [3, 0]
    for proof in proofs:
        root = roots[proof.which]
        assert merkle.verify(root, proof.leaf, index, LEAVES, proof.path)
        assert proof.leaf == leaf(table.blob(root), index)
        if weighted:
            assert merkle.verify(root, proof.header, 0, LEAVES, proof.header_path)
        else:
            assert (proof.header, proof.header_path) == (b"", ())


def test_a_merge_that_is_lost_is_made_again_and_an_input_that_is_lost_is_missing(table: Table) -> None:
    merge = provable(table)
    del table.store.blobs[merge.root]
    assert merkle.root_of(merge.parts(0, LEAVES)) == merge.root
    table.store.blobs.clear()
    lost = ProvableMerge(merge.root, table.chain.merge_evidence(1), table.tools("another"), MEMBERS)  # type: ignore[arg-type]
    with pytest.raises(BlobMissing, match=table.roots(1)[0].hex()[:12]):
        lost.parts(0, LEAVES)
