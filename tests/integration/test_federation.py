"""The main job through the real command line: Ray, Anvil and MLflow started, used and stopped by it."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from rayfed.cli.main import main
from tests.integration.federations import PATIENCE, SMALL, STANDS, Ended, run, start, summary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

KEYS = {
    "federation",
    "chain_id",
    "charter_hash",
    "final_root",
    "final_accuracy",
    "alone_accuracy",
    "rounds",
    "gas_per_node_round",
    "wall_seconds",
    "mlflow_run_id",
}
ROUND_KEYS = {"round", "status", "root", "included", "attesters", "accuracy", "seconds", "gas"}
THREADS = "train.threads=1"


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended]:
    """What a user gets who types ``python -m rayfed``, but for one process in the place of four."""
    folder = tmp_path_factory.mktemp("main")
    return folder, run("cluster.nodes_per_actor=4", THREADS, folder=folder, env={"RAY_AUTH_MODE": None})


def test_it_ends_well_and_leaves_nothing_behind(main_job: tuple[Path, Ended]) -> None:
    _, ended = main_job
    assert (ended.code, ended.err, ended.left) == (0, "", [])


def test_it_tells_all_that_it_should(main_job: tuple[Path, Ended]) -> None:
    folder, ended = main_job
    told = summary(folder)
    assert told.keys() >= KEYS
    assert all(closed.keys() >= ROUND_KEYS for closed in told["rounds"])
    assert [(closed["round"], closed["status"] in STANDS) for closed in told["rounds"]] == [
        (r, True) for r in range(1, 6)
    ]
    assert told["rounds"][-1]["root"] == told["final_root"]
    for closed in told["rounds"]:
        assert len(closed["included"]) == 4
        assert len(closed["attesters"]) == 4
        assert closed["gas"].keys() >= {"commit", "vote", "attest"}
        assert closed["seconds"].keys() >= {"train", "merge"}
    assert len(told["alone_accuracy"]) == 4
    # 100 DLC at stake each, and 10 DLC a settled round for those whose update was merged and who attested.
    earned = 2.5 * sum(closed["status"] == "settled" for closed in told["rounds"])
    assert [(node["stake"], node["earned"], node["slashed"]) for node in told["nodes"]] == [(100, earned, 0)] * 4
    assert {node["bonds"] for node in told["nodes"]} == {0.16}
    assert told["unsettled"] == sum(closed["status"] == "final" for closed in told["rounds"])
    for said in (told["final_root"], told["federation"]):
        assert said in ended.out


def test_together_is_better_than_alone(main_job: tuple[Path, Ended]) -> None:
    told = summary(main_job[0])
    assert told["final_accuracy"] >= 0.93
    assert told["final_accuracy"] > max(told["alone_accuracy"].values())


def test_what_it_leaves_passes_a_strict_audit(main_job: tuple[Path, Ended]) -> None:
    """The chain has gone with the run; its record and the nodes' disks are enough."""
    folder, _ = main_job
    told = folder / "audit.json"
    assert main(["audit", str(folder / "run"), "--strict", "--json", str(told)]) == 0
    report = json.loads(told.read_text())
    assert [one["merge"] for one in report["rounds"]] == ["verified"] * 6
    assert report["signed"] == report["messages"] >= 4 * (1 + 5 * 2)
    assert report["rounds"][-1]["root"] == summary(folder)["final_root"]


def test_mlflow_has_it_all(main_job: tuple[Path, Ended]) -> None:
    import mlflow
    import numpy as np
    from mlflow import MlflowClient

    folder, _ = main_job
    told = summary(folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    parent = client.get_run(told["mlflow_run_id"])
    runs = client.search_runs([parent.info.experiment_id])
    children = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(runs) == 1 + len(children) == 1 + 4
    assert {one.info.status for one in runs} == {"FINISHED"}
    curve = {point.step: point.value for point in client.get_metric_history(parent.info.run_id, "eval/accuracy")}
    assert curve == {closed["round"]: pytest.approx(closed["accuracy"]) for closed in told["rounds"]}
    for child in children:
        own = client.get_metric_history(child.info.run_id, "eval/accuracy")
        assert [point.step for point in own] == [1, 2, 3, 4, 5]
        assert any(tag.startswith("rayfed.tx.") for tag in child.data.tags)
        assert [child.data.metrics[f"money/{name}"] for name in ("stake", "bonds", "slashed")] == [100, 0.16, 0]
        assert child.data.metrics["money/earned"] == told["nodes"][0]["earned"]
    assert parent.data.metrics["final/earned"] == sum(node["earned"] for node in told["nodes"])
    assert parent.data.metrics["final/unsettled"] == told["unsettled"]
    assert parent.data.tags["rayfed.final_root"] == told["final_root"]
    figures = {item.path for item in client.list_artifacts(parent.info.run_id, "figures")}
    assert len(figures) >= 4
    assert all(picture.endswith(".png") for picture in figures)
    (logged,) = mlflow.search_logged_models([parent.info.experiment_id], output_format="list")
    model = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    scores = np.asarray(model.predict(np.zeros((2, 1, 8, 8), np.float32)))
    assert scores.shape == (2, 10)


def test_the_same_seed_gives_the_same_model(
    main_job: tuple[Path, Ended], tmp_path: Path, shared: tuple[str, ...]
) -> None:
    """Other processes, another chain, another contract, other keys: the same bits."""
    words = ("cluster.nodes_per_actor=2", "cluster.num_cpus=0", "federation.alone=false", "track=none", THREADS)
    ended = run(*shared, *words, folder=tmp_path)
    assert (ended.code, ended.err, ended.left) == (0, "", [])
    ours, theirs = summary(main_job[0]), summary(tmp_path)
    assert ours["final_root"] == theirs["final_root"]
    assert [closed["root"] for closed in ours["rounds"]] == [closed["root"] for closed in theirs["rounds"]]
    assert ours["charter_hash"] == theirs["charter_hash"]
    assert (ours["federation"], ours["alone_accuracy"]) != (theirs["federation"], theirs["alone_accuracy"])


def test_another_seed_gives_another_model(tmp_path: Path, shared: tuple[str, ...]) -> None:
    roots = set()
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        assert run(*SMALL, *shared, "federation.rounds=1", f"seed={seed}", folder=folder).code == 0
        roots.add(summary(folder)["final_root"])
    assert len(roots) == 2


def test_64_nodes_on_two_actors(tmp_path: Path, shared: tuple[str, ...]) -> None:
    words = ("federation.nodes=64", "cluster.nodes_per_actor=32", "partition=iid", "federation.rounds=1")
    ended = run(
        *SMALL, *shared, *words, *(f"federation.{p}_seconds=900" for p in ("commit", "vote", "attest")), folder=tmp_path
    )
    assert (ended.code, ended.err, ended.left) == (0, "", [])
    (closed,) = summary(tmp_path)["rounds"]
    assert closed["status"] in STANDS
    assert len(closed["included"]) == 64
    assert len(closed["attesters"]) >= 43  # the quorum; whoever came later may have been counted too


def test_a_dead_mlflow_costs_a_warning_and_no_round(tmp_path: Path, shared: tuple[str, ...]) -> None:
    ended = run(
        *SMALL, *shared, "track=mlflow", "track.tracking_uri=http://127.0.0.1:9", "federation.rounds=2", folder=tmp_path
    )
    assert (ended.code, ended.left) == (0, [])
    told: dict[str, Any] = summary(tmp_path)
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True, True]
    assert told["mlflow_run_id"] is None
    (warning,) = ended.err.splitlines()
    assert warning.startswith("rayfed: track.tracking_uri: ")
    begun, _, after = ended.out.partition("round 1/")
    assert "track.tracking_uri: MLflow at http://127.0.0.1:9 cannot be reached: " in begun, "not at the end alone"
    assert "cannot be reached" not in after


MOMENTS = {
    "while Ray starts": ("starting Ray", signal.SIGINT),
    "while the nodes start": ("starting 3 nodes", signal.SIGINT),
    "while they train": ("round 1/", signal.SIGINT),
    "while the results are recorded": ("merged", signal.SIGINT),
    "while they train, by SIGTERM": ("round 1/", signal.SIGTERM),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_at_any_time_it_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    words, number = MOMENTS[moment]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # That moment lasts for as long as MLflow takes, which here says nothing.
        uri = f"track.tracking_uri=http://127.0.0.1:{silent.getsockname()[1]}"
        rounds = ("federation.rounds=1", uri) if words == "merged" else ("federation.rounds=1000",)
        command = start(*SMALL, "track=mlflow", *rounds, folder=tmp_path)
        try:
            command.says(words)
            command.interrupt(number)
            ended = command.wait()
        finally:
            command.end()
    said = {signal.SIGINT: "rayfed: interrupted", signal.SIGTERM: "rayfed: terminated"}[number]
    assert (ended.code, ended.err.splitlines(), ended.left) == (128 + number, [said], [])
