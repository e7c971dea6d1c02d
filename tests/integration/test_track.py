"""Tracking against a real MLflow: SQLite, and a server that dies in the middle of a run."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rayfed.config.files import tracking_uri
from rayfed.protocol.charter_parts import DataTerms
from rayfed.protocol.messages import NodeRecord
from rayfed.reporting.mlflow import Tracker, artifact_location
from rayfed.reporting.mlflow.datasets import LearnedFrom
from tests.fake_run import FEDERATION, FakeRun, fake_run
from tests.integration.mlflow_server import Server

mlflow = pytest.importorskip("mlflow")
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402

PATIENCE = 400.0
"""Seconds for what must happen; only a test that fails ever waits so long."""
TAGS = {"federation": FEDERATION, "chain_id": 31337, "charter_hash": "0x07", "deploy_tx": "0x01"}
CHARTER = '{"rounds":5}'
DATA = LearnedFrom.of("digits", DataTerms(tuple("0123456789"), (1, 8, 8), (305_000,), (376_000,)), bytes(32))


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fail only when all patience is used up."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def tracker(uri: str, **options: object) -> Tracker:
    params = {"seed": 0, "model._target_": "rayfed.learning.models.SmallCNN", "screens[0]": "x" * 7000}
    return Tracker(uri, "digits", "digits-0", params, CHARTER, TAGS, nodes=4, data=DATA, **options)  # type: ignore[arg-type]


def runs_of(client: MlflowClient) -> tuple[Run, dict[str, Run]]:
    """Return the parent run, and the child runs by name."""
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1
    assert len({run.info.run_name for run in children}) == len(children)
    return parent, {run.info.run_name: run for run in children}


def curve(client: MlflowClient, run: Run, name: str) -> dict[int, float]:
    """Return a metric by step; that no step is there twice is checked on the way."""
    points = client.get_metric_history(run.info.run_id, name)
    assert len({point.step for point in points}) == len(points)
    return {point.step: point.value for point in points}


def check_curves(client: MlflowClient, run: FakeRun) -> None:
    """Check that exactly what the nodes reported is in MLflow."""
    parent, children = runs_of(client)
    assert set(children) == {f"node-{i}" for i in range(4)}
    for name, child in children.items():
        own = [r for r in run.records if f"node-{r.slot}" == name]
        assert curve(client, child, "eval/accuracy") == {r.round: r.accuracy for r in own if r.accuracy is not None}
        assert curve(client, child, "seconds/train") == {r.round: r.seconds["train"] for r in own}
        assert child.data.tags["rayfed.tx.round-1"].startswith(f"commit {own[0].transactions['commit']} vote 0x")
    rounds = run.summary().rounds
    assert curve(client, parent, "eval/accuracy") == {c.round: c.accuracy for c in rounds if c.accuracy is not None}
    assert curve(client, parent, "gas/commit") == {c.round: c.gas["commit"] for c in rounds}


class TinyNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)  # (n, 10)


class Untraceable(TinyNet):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        return y if float(y.sum()) > 0 else 2 * y  # which way depends on the data


def test_settings_mean_the_users_folder(tmp_path: Path) -> None:
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    assert tracking_uri("sqlite:///runs/x.db", tmp_path) == f"sqlite:///{tmp_path}/runs/x.db"
    assert tracking_uri("sqlite:////srv/x.db", tmp_path) == "sqlite:////srv/x.db"
    assert tracking_uri("http://127.0.0.1:5000", tmp_path) == "http://127.0.0.1:5000"
    assert artifact_location("http://127.0.0.1:5000", "x") is None
    assert artifact_location(f"sqlite:///{tmp_path}/mlflow.db", "a/b") == f"file://{tmp_path}/mlruns/a%252Fb"


def test_a_whole_run_in_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "actor"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # an actor's working folder is not the user's
    uri = tracking_uri(None, tmp_path)
    run = fake_run()
    tracked = tracker(uri, texts={"config.yaml": "seed: 0\n"})
    for at, record in enumerate(run.records):
        tracked.record(record, 1_700_000_000_000 + at)
    images = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32)
    model = TinyNet()
    offered: dict[str, Any] = {"model": model, "input_example": images, "texts": {"report.html": "<p>"}}
    assert tracked.finish(run.summary(), **offered, timeout=PATIENCE), tracked.problem()

    client = MlflowClient(uri)
    check_curves(client, run)
    parent, children = runs_of(client)
    assert parent.info.run_id == tracked.run_id()
    assert parent.info.status == "FINISHED"
    assert {name: child.info.status for name, child in children.items()} == {
        "node-0": "FINISHED",
        "node-1": "FINISHED",
        "node-2": "FINISHED",
        "node-3": "FAILED",
    }
    assert parent.data.params["model._target_"] == "rayfed.learning.models.SmallCNN"
    assert parent.data.tags["rayfed.deploy_tx"] == "0x01"
    assert parent.data.tags["rayfed.final_root"] == run.summary().final_root
    assert parent.data.tags["rayfed.root.round-1"] == "0x" + "01" * 32
    assert curve(client, children["node-1"], "eval/alone_accuracy")[5] == run.statuses[1].alone_curve[4]

    experiment = client.get_experiment(parent.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    sections = sorted({name.rpartition("/")[0] for name in parent.data.metrics})
    assert sections == ["eval", "final", "gas", "seconds", "train", "updates"], "the first charts are of the accuracy"
    told = {child.info.run_id: int(child.data.params["node.examples"]) for child in children.values()}
    for one in (parent, *children.values()):
        (given,) = one.inputs.dataset_inputs
        assert given.dataset.name == "digits"
        assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
        assert (given.dataset.digest == DATA.digest) == (one is parent)
        examples = json.loads(given.dataset.profile or "{}").get("num_examples")
        assert examples == told.get(one.info.run_id), "the parent run's are nobody's"
        assert "[-1, 1, 8, 8]" in given.dataset.schema

    artifacts = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert artifacts >= {"charter.json", "config.yaml", "summary.json", "rounds.json", "transactions.json"}
    assert {file.path for file in client.list_artifacts(parent.info.run_id, "figures")} == {
        f"figures/{name}.png" for name in ("accuracy", "ballots", "seconds", "gas")
    }
    summary = Path(client.download_artifacts(parent.info.run_id, "summary.json"))
    assert json.loads(summary.read_text()) == run.summary().to_dict()
    assert (parent.info.artifact_uri or "").startswith((tmp_path / "mlruns").as_uri()), "beside the database"
    assert not any(elsewhere.iterdir()), "nothing in the actor's own folder"

    (logged,) = client.search_logged_models([parent.info.experiment_id])
    loaded = mlflow.pyfunc.load_model(logged.model_uri)
    assert loaded.metadata.signature is not None
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(images[:3])).numpy()
    np.testing.assert_allclose(loaded.predict(images[:3]), expected, rtol=1e-5, atol=1e-6)


def test_the_model_is_registered_and_the_load_recorded_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    uri, run = tracking_uri(None, tmp_path), fake_run(rounds=1)
    client = MlflowClient(uri)
    client.create_experiment("digits")  # somebody made it by hand, and it has no kind
    images = np.ones((2, 1, 8, 8), dtype=np.float32)
    for version in ("1", "2"):
        tracked = tracker(uri, system=True)

        def looked(tracked: Tracker = tracked) -> bool:
            run_id = tracked.run_id()
            return run_id is not None and "system/cpu_utilization_percentage" in client.get_run(run_id).data.metrics

        eventually(looked, tracked.problem())
        offered: dict[str, Any] = {"model": TinyNet(), "input_example": images, "register": "digits-by-all"}
        assert tracked.finish(run.summary(), **offered, timeout=PATIENCE), tracked.problem()
        found = client.get_model_version("digits-by-all", version)
        assert found.run_id == tracked.run_id()
    assert len(client.search_model_versions("name = 'digits-by-all'")) == 2
    loaded = mlflow.pyfunc.load_model("models:/digits-by-all/2")
    assert loaded.metadata.signature is not None
    assert client.get_experiment_by_name("digits").tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_folder_with_special_characters_is_the_one_that_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "a?b%20c"
    folder.mkdir()
    uri = tracking_uri(None, folder)
    run = fake_run(rounds=1)
    tracked = tracker(uri)
    assert tracked.finish(run.summary(), timeout=PATIENCE), tracked.problem()
    assert (folder / "mlflow.db").is_file()
    assert any((folder / "mlruns").rglob("summary.json"))
    assert not list(tmp_path.glob("*.db"))
    assert not (tmp_path / "a").exists()


def test_a_database_that_cannot_be_opened_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    tracked = tracker(tracking_uri(None, tmp_path))
    assert not tracked.finish(fake_run(rounds=1).summary(), timeout=0.5)
    assert tracked.problem()


def test_a_model_that_cannot_be_traced_is_pickled(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = tracking_uri(None, tmp_path)
    run = fake_run(rounds=1)
    tracked = tracker(uri)
    images = np.ones((2, 1, 8, 8), dtype=np.float32)
    assert tracked.finish(run.summary(), model=Untraceable(), input_example=images, timeout=PATIENCE)
    assert "cannot be logged as pt2" in caplog.text
    client = MlflowClient(uri)
    parent, _ = runs_of(client)
    models = client.search_logged_models([parent.info.experiment_id])
    (ready,) = [model for model in models if str(model.status) == "READY"]
    assert isinstance(mlflow.pytorch.load_model(ready.model_uri), Untraceable)


def test_a_restarted_tracker_goes_on_in_the_same_runs(tmp_path: Path) -> None:
    uri = tracking_uri(None, tmp_path)
    run = fake_run()
    early = [record for record in run.records if record.round <= 2]
    first = tracker(uri, identity="one federation")
    for record in early:
        first.record(record, 1_700_000_000_000 + record.round)
    client = MlflowClient(uri)

    def two_rounds_are_there() -> bool:
        if first.run_id() is None:
            return False
        return len(client.get_metric_history(first.run_id(), "updates/saturated")) == 2

    eventually(two_rounds_are_there, first.problem())
    # The first one is left as it is, as if its actor had been killed. A node that was not sure reports again.
    second = tracker(uri, identity="one federation")
    for record in run.records:
        second.record(record, 1_700_000_000_000 + record.round)
    assert second.finish(run.summary(), timeout=PATIENCE), second.problem()
    assert second.run_id() == first.run_id()
    check_curves(client, run)


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
def test_a_server_that_is_not_there_costs_only_the_time_that_finish_was_given(
    hangs: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port
        if hangs:
            silent.listen()  # connections are taken, and nothing is ever answered
        tracked = tracker(f"http://127.0.0.1:{silent.getsockname()[1]}", capacity=3)
        for record in fake_run().records:
            tracked.record(record)
        assert not tracked.finish(fake_run().summary(), timeout=0.5)
    assert "20 records" in caplog.text, "3 wait, and the oldest 17 had to make room"
    assert tracked.run_id() is None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_dies_costs_a_warning_and_no_record(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="rayfed")
    run = fake_run()
    tracked = tracker(server.uri)
    by_round: dict[int, list[NodeRecord]] = {}
    for record in run.records:
        by_round.setdefault(record.round, []).append(record)

    def tell(round: int) -> None:
        for record in by_round[round]:
            tracked.record(record, 1_700_000_000_000 + round)

    client = MlflowClient(server.uri)
    tell(1)

    def first_round_is_there() -> bool:
        run_id = tracked.run_id()
        return run_id is not None and bool(client.get_metric_history(run_id, "updates/saturated"))

    eventually(first_round_is_there, tracked.problem())
    server.kill()
    tell(2)
    eventually(lambda: tracked.problem() != "", "it notices")
    tell(3)
    tell(4)
    assert caplog.text.count("refuses what it is sent") == 1
    server.start()
    tell(5)
    eventually(lambda: tracked.problem() == "", "it comes back")
    assert tracked.finish(run.summary(), timeout=PATIENCE), tracked.problem()
    assert "answers again" in caplog.text
    check_curves(client, run)
    parent, _ = runs_of(client)
    assert parent.info.status == "FINISHED"
    assert "summary.json" in {file.path for file in client.list_artifacts(parent.info.run_id)}
