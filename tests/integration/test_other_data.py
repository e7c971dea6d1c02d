"""Federations that learn from rows and from texts, through the real command line, and what they tell of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import rayfed
from rayfed.cli.main import main
from rayfed.learning.table import inputs
from rayfed.protocol.charter import Charter
from rayfed.runtime import models
from tests.integration.federations import PATIENCE, SMALL, STANDS, Ended, run, summary
from tests.without_rayfed import outputs_of

pytestmark = pytest.mark.timeout(2 * PATIENCE)

WORDS = [*(word for word in SMALL if not word.startswith("model.")), "train.threads=1"]


def ended_well(folder: Path, rounds: int, *words: str) -> Ended:
    ended = run(*words, *WORDS, f"federation.rounds={rounds}", folder=folder)
    assert (ended.code, ended.err, ended.left) == (0, "", []), ended
    statuses = [closed["status"] for closed in summary(folder)["rounds"]]
    assert len(statuses) == rounds
    assert set(statuses) <= set(STANDS)
    assert main(["audit", str(folder / "run"), "--strict"]) == 0
    _can_be_taken_away(folder / "run")
    return ended


def _can_be_taken_away(run: Path) -> None:
    """Check that the card's lines, without rayfed, give what the blob of the final root gives."""
    state, inputs, outputs = outputs_of(run)
    charter = Charter.from_json((run / "charter.json").read_text())
    root = json.loads((run / "summary.json").read_text())["final_root"]
    model = models.from_folder(charter, bytes.fromhex(root[2:]), run)
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    torch.testing.assert_close(outputs, model(inputs).detach())
    card = (run / "model.md").read_text()
    assert root in card
    assert "0x" + charter.hash.hex() in card


def test_rows_of_ones_own_with_a_number_to_learn(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=draw)
    y = 1000 + 500 * x[:, 0] - 200 * x[:, 1] + 150 * torch.randn(300, generator=draw)
    colors = ["red" if row % 2 else "blue" for row in range(300)]
    rows = [f"{a:.4f};{c};{b:.4f};{t:.2f}" for (a, b), c, t in zip(x.tolist(), colors, y.tolist(), strict=True)]
    file = tmp_path / "houses.csv"
    file.write_text("\n".join(["size;color;age;price", *rows]) + "\n")
    ended = ended_well(
        tmp_path, 4, "+experiment=tabular", "data=table", f"data.root={file}", "task=regression", "partition=iid"
    )
    told = summary(tmp_path)
    assert told["metric"] == {"name": "rmse", "higher": False, "pool": "rms", "percent": False}
    assert 100 < told["final_rmse"] < 250, "in the target's own unit: a guess of the mean is wrong by 540"
    assert told["rounds"][-1]["rmse"] == told["final_rmse"]
    assert not any("accuracy" in key for key in (*told, *told["rounds"][0], *told["nodes"][0]))
    assert f"round 4: rmse {told['final_rmse']:.4g}" in ended.out
    assert "accuracy" not in ended.out.lower()
    page = (tmp_path / "run" / "report.html").read_text()
    assert "RMSE and cost" in page
    assert "ccuracy" not in page
    charter = Charter.from_json((tmp_path / "run" / "charter.json").read_text())
    assert [column["name"] for column in charter.data.prepare["columns"]] == ["size", "color", "age"]
    model = rayfed.load_model(tmp_path / "run")
    with torch.no_grad():
        found = model(torch.from_numpy(inputs(file, charter.data.prepare)))[:, 0]
    target = charter.data.prepare["target"][0]
    wrong = found * float(target["std"]) + float(target["mean"]) - y
    assert float(wrong.square().mean().sqrt()) == pytest.approx(told["final_rmse"], rel=0.3)


def test_texts(tmp_path: Path) -> None:
    ended = ended_well(tmp_path, 2, "+experiment=text", "model.width=16", "model.depth=1", "data.length=16")
    told = summary(tmp_path)
    assert told["metric"]["name"] == "bits_per_token"
    first, last = (closed["bits_per_token"] for closed in told["rounds"])
    assert 8 > first > last > 2
    assert f"bits per token {last:.4g}" in ended.out
    scores = rayfed.load_model(tmp_path / "run")(torch.zeros(1, 16, dtype=torch.int64))
    assert scores.shape == (1, 16, 256)


def test_the_experiment_with_rows(tmp_path: Path) -> None:
    ended_well(tmp_path, 4, "+experiment=tabular")
    assert summary(tmp_path)["final_accuracy"] > 0.85
