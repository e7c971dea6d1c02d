"""The table in which a sweep ends: from what its runs have left in their folders."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from rayfed.protocol.metric import Metric
from rayfed.reporting import sweep
from rayfed.reporting.summary import Summary
from tests.fake_run import fake_run

RMSE = Metric("rmse", higher=False, pool="rms", percent=False)


def ran(folder: Path, words: list[str], summary: Summary | None) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(words))
    if summary is not None:
        (folder / "summary.json").write_text(summary.to_json())
    return folder


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """Eleven runs, of which one has failed and one was interrupted."""
    for number in range(11):
        words = ["federation.nodes=4", f"seed={number}", *([] if number % 2 else ["+model.width=8"])]
        summary = replace(fake_run(rounds=2 + number % 3, void=(2,)).summary(), final_accuracy=number / 100)
        ran(tmp_path / str(number), words, None if number in (3, 10) else summary)
    (tmp_path / "multirun.yaml").write_text("hydra: {}")
    return tmp_path


def test_runs_come_in_their_order_with_what_differs(swept: Path) -> None:
    runs = sweep.read(swept, {swept / "3": "federation.nodes: must be more than 0"})
    assert [run.folder.name for run in runs] == [str(number) for number in range(11)]
    assert sweep.differing(runs) == ["seed", "model.width"]
    assert runs[3].error == "federation.nodes: must be more than 0"
    assert runs[4].final == 0.04
    assert runs[4].alone == pytest.approx(0.73)
    assert [run.rounds for run in runs[:3]] == [(1, 2), (2, 3), (3, 4)]
    assert (runs[10].final, runs[10].alone, runs[10].rounds, runs[10].error) == (None, None, (0, 0), "")


def test_the_file_has_a_line_a_run(swept: Path) -> None:
    runs = sweep.read(swept, {swept / "3": "federation.nodes: must be more than 0"})
    sweep.write(runs, swept / sweep.FILE)
    with (swept / sweep.FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == [str(number) for number in range(11)]
    assert [row["model.width"] for row in rows[:2]] == ["8", ""]
    assert (rows[4]["metric"], rows[4]["final"], rows[4]["folder"]) == ("accuracy", "0.04", str(swept / "4"))
    assert float(rows[4]["wall_seconds"]) == 61.235
    assert rows[4]["final_root"] == runs[4].told["final_root"]
    assert [(row["final"], row["error"]) for row in (rows[3], rows[10])] == [
        ("", "federation.nodes: must be more than 0"),
        ("", ""),
    ]


def shown(runs: list[sweep.SweptRun], folder: Path, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    sweep.show(runs, folder, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_table_tells_each_run(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(swept.parent)
    monkeypatch.setenv("PWD", str(swept.parent))
    lines = shown(sweep.read(swept, {swept / "3": "federation.nodes: must be more than 0"}), swept)
    assert lines[0] == f"sweep of 11 runs, in {swept.name}"
    rows = {line.split()[0]: line.split() for line in lines if line.strip()[:1].isdecimal()}
    assert rows["4"] == ["4", "4", "8", "4.0", "%", "73.0", "%", "2", "of", "3", "1", "min", "1", "s"]
    assert rows["3"] == ["3", "3", "failed"]
    assert rows["10"] == ["10", "10", "8", "not", "over"]
    assert lines[-1] == f"as a file: {swept.name}/sweep.csv"
    assert max(map(len, lines)) <= 80
    heads = next(line for line in lines if "seed" in line)
    assert heads.split() == ["folder", "seed", "model.width", "accuracy", "alone", "rounds", "time"]


def test_runs_of_several_tasks_tell_their_own_metric(tmp_path: Path) -> None:
    one = fake_run(rounds=1).summary()
    ran(tmp_path / "0", ["task=classification"], one)
    ran(tmp_path / "1", ["task=regression"], replace(one, metric=RMSE, final_accuracy=52.25))
    runs = sweep.read(tmp_path, {})
    assert [run.metric.name for run in runs] == ["accuracy", "rmse"]
    assert runs[1].final == 52.25
    text = "\n".join(shown(runs, tmp_path, width=120))
    assert "rmse 52.25" in text
    assert f"accuracy {one.metric.shown(one.final_accuracy)}" in text


def test_a_sweep_in_which_nothing_differs_is_still_told(tmp_path: Path) -> None:
    ran(tmp_path / "0", [], fake_run(rounds=1, void=(1,)).summary())
    runs = sweep.read(tmp_path, {})
    assert sweep.differing(runs) == []
    assert "none" in "\n".join(shown(runs, tmp_path)), "no round was final"
