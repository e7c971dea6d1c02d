"""Every way to merge, in a federation: all nodes come to one root, and so does an auditor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rayfed.audit import audit
from rayfed.encoding import codec
from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.charter import MergeTerms
from rayfed.protocol.messages import Status
from rayfed.store.files import FileStore
from tests.audited import AuditedWorld
from tests.unit.node.test_edge_node import GENESIS, LAYOUT

TERMS = [
    MergeTerms("norm_clipping"),
    MergeTerms("centred_clipping", iterations=3),
    MergeTerms("geometric_median"),
    MergeTerms("trimmed_mean", trim=2500, mixing="nnm", f=1),
    MergeTerms("median", mixing="bucketing"),
]

STEPS = [
    MergeTerms("mean", optimizer="fedavgm"),
    MergeTerms("mean", optimizer="fedadam", server_lr=50_000),
    MergeTerms("centred_clipping", optimizer="fedyogi", server_lr=50_000),
]

NARROW = [
    MergeTerms("mean", bits=8),
    MergeTerms("trimmed_mean", trim=2500, bits=16),
    MergeTerms("median", bits=8),
    MergeTerms("geometric_median", bits=8),
    MergeTerms("mean", optimizer="fedadam", server_lr=50_000, bits=16),
]


def _id(terms: MergeTerms) -> str:
    return f"{terms.mixing}-{terms.rule}-{terms.optimizer}-{terms.bits}"


@pytest.mark.parametrize("terms", TERMS + STEPS + NARROW, ids=_id)
def test_all_nodes_and_an_auditor_come_to_one_root(tmp_path: Path, terms: MergeTerms) -> None:
    world = AuditedWorld(tmp_path, merge=terms)
    view = world.run()
    assert [world.outcome(r).status for r in (1, 2, 3)] == [Status.FINAL] * 3
    assert view.base != NO_ROOT
    assert {node.model for node in world.nodes.values()} == {view.base}
    report = audit(world.record(), [world.folder])
    assert [round.merge for round in report.rounds] == ["verified"] * 4
    assert report.clean


def test_differences_say_in_a_quarter_of_the_bytes_what_whole_values_do(tmp_path: Path) -> None:
    models, sizes = [], []
    for bits in (32, 8):
        world = AuditedWorld(tmp_path / str(bits), merge=MergeTerms("mean", bits=bits))
        view = world.run()
        layout = world.charter.blob_layout
        root = world.chain.merge_evidence(3).roots[0]  # type: ignore[union-attr]
        sizes.append(world.shared.get(root, layout.update_size).nbytes)
        models.append(codec.decode(LAYOUT, world.shared.get(view.base, layout.blob_size))["w"])
    assert sizes == [25 * 512, 7 * 512]
    # All of a block's changes lie between 0.1 and 0.4, so a step is at most 0.5 / 127, in each of three rounds.
    np.testing.assert_allclose(models[0], models[1], atol=3 * 0.5 / 127)
    assert not np.array_equal(*models)


@pytest.mark.parametrize("terms", [TERMS[0], NARROW[0]], ids=["clipped", "of differences"])
def test_without_its_base_such_a_merge_is_not_checkable(tmp_path: Path, terms: MergeTerms) -> None:
    world = AuditedWorld(tmp_path, merge=terms)
    world.run()
    world.shared.file(world.outcome(1).root).unlink()
    report = audit(world.record(), [world.folder])
    assert [round.merge for round in report.rounds] == ["verified", "verified", "not checkable", "verified"]


@pytest.mark.parametrize("terms", STEPS, ids=lambda terms: terms.optimizer)
def test_a_node_without_a_disk_takes_the_optimisers_next_step(tmp_path: Path, terms: MergeTerms) -> None:
    """Restarted on an empty disk after round 2: the base that it fetches has all that round 3's step needs."""
    world = AuditedWorld(tmp_path / "one", merge=terms)
    world.run(lambda view: view.round == 3)
    world.nodes[3] = world.start(3, disk=FileStore(tmp_path / "empty"))
    view = world.run()
    last, index = world.outcome(3), view.index_of(world.address(3))
    assert last.status is Status.FINAL
    assert index is not None
    assert last.attesters >> index & 1, "it came to the same root"


def test_momentum_goes_on_where_the_mean_stands_still(tmp_path: Path) -> None:
    """Of two federations with the same updates in round 1, the one with momentum goes further in round 2."""
    moved = []
    for optimizer in ("none", "fedavgm"):
        world = AuditedWorld(tmp_path / optimizer, merge=MergeTerms("mean", optimizer=optimizer))
        world.run()
        layout = world.charter.blob_layout
        roots = [world.outcome(number).root for number in (1, 2)]
        models = [
            codec.decode(LAYOUT, world.shared.get(root, layout.blob_size), within=layout)["w"].copy() for root in roots
        ]
        moved.append(models)
    (one, two), (first, second) = moved
    np.testing.assert_array_equal(one, first)
    step, pull = first - GENESIS["w"], 0.1 * (2.5 - first)
    np.testing.assert_allclose(two, one + pull, atol=1e-5)
    np.testing.assert_allclose(second, first + 0.9 * step + pull, atol=1e-5)
