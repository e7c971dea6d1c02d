"""Every way to merge, in a federation: all nodes come to one root, and so does an auditor."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.audit import audit
from rayfed.charter import MergeTerms
from rayfed.messages import NO_ROOT, Status
from tests.audited import AuditedWorld

TERMS = [
    MergeTerms("norm_clipping"),
    MergeTerms("centred_clipping", iterations=3),
    MergeTerms("geometric_median"),
    MergeTerms("trimmed_mean", trim=2500, mixing="nnm", f=1),
    MergeTerms("median", mixing="bucketing"),
]


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: f"{terms.mixing}-{terms.rule}")
def test_all_nodes_and_an_auditor_come_to_one_root(tmp_path: Path, terms: MergeTerms) -> None:
    world = AuditedWorld(tmp_path, merge=terms)
    view = world.run()
    assert [world.chain.outcomes[r].status for r in (1, 2, 3)] == [Status.FINAL] * 3
    assert view.base != NO_ROOT
    assert {node._model for node in world.nodes.values()} == {view.base}
    report = audit(world.record(), [world.folder])
    assert [round.merge for round in report.rounds] == ["verified"] * 4
    assert report.clean


def test_without_its_base_a_clipped_merge_is_not_checkable(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, merge=TERMS[0])
    world.run()
    world.shared.file(world.chain.outcomes[1].root).unlink()
    report = audit(world.record(), [world.folder])
    assert [round.merge for round in report.rounds] == ["verified", "verified", "not checkable", "verified"]
