"""What MLflow has of a run whose end the chain has taken back: the end that stands."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayfed.config.files import tracking_uri
from rayfed.reporting.summary import Summary
from tests.fake_run import fake_run
from tests.integration.federations import PATIENCE
from tests.integration.test_track import TinyNet, runs_of, tracker

pytest.importorskip("mlflow")
from mlflow import MlflowClient

OTHER, ANOTHER = "0x" + "0e" * 32, "0x" + "0f" * 32


def ended_with(summary: Summary, root: str, accuracy: float) -> Summary:
    """Return the same run with another last round."""
    last = dataclasses.replace(summary.rounds[-1], root=root, accuracy=accuracy)
    return dataclasses.replace(
        summary, rounds=(*summary.rounds[:-1], last), final_root=root, final_accuracy=accuracy, mlflow_run_id=None
    )


def test_an_end_that_was_taken_back_is_written_over(tmp_path: Path) -> None:
    uri, run = tracking_uri(None, tmp_path), fake_run(bad=None)
    first = ended_with(run.summary(), OTHER, 0.5)
    second = ended_with(run.summary(), ANOTHER, 0.75)
    offered: dict[str, Any] = {"input_example": np.ones((2, 1, 8, 8), np.float32), "register": "digits-by-all"}
    offered |= {"model_format": "pickle", "timeout": PATIENCE}
    for told, records in ((first, run.records), (second, ()), (second, ())):
        tracked = tracker(uri, identity="one federation")
        for record in records:
            tracked.record(record, 1_700_000_000_000 + record.round)
        assert tracked.finish(told, model=TinyNet(), **offered), tracked.problem()
    client = MlflowClient(uri)
    parent, children = runs_of(client)
    assert {one.info.status for one in (parent, *children.values())} == {"FINISHED"}
    assert (
        parent.data.tags["rayfed.final_root"] == parent.data.tags[f"rayfed.root.round-{len(run.outcomes)}"] == ANOTHER
    )
    assert parent.data.metrics["final/accuracy"] == parent.data.metrics["eval/accuracy"] == 0.75
    assert ANOTHER in parent.data.tags["mlflow.note.content"]
    told = json.loads(Path(client.download_artifacts(parent.info.run_id, "summary.json")).read_text())
    assert (told["final_root"], told["final_accuracy"]) == (ANOTHER, 0.75)
    steps = [point.step for point in client.get_metric_history(parent.info.run_id, "updates/attesters")]
    assert sorted(steps) == [*range(1, len(run.outcomes) + 1), len(run.outcomes)], "only the round that is another one"
    versions = client.search_model_versions("name = 'digits-by-all'")
    assert len(versions) == 2, "the end that was told twice is registered once"
    newest = max(versions, key=lambda version: int(version.version))
    assert parent.data.tags["rayfed.model"] == newest.source
