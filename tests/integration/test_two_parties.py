"""Two parties that share a chain, a store and nothing else, each with a CSV of its own, each with a Ray of its own."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import rayfed
from rayfed.cli.main import main
from rayfed.learning.table import inputs
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.charter import Charter
from tests.integration.federations import PATIENCE, STANDS, eventually, run, start, summary

pytestmark = pytest.mark.timeout(2 * PATIENCE)

ROUNDS = 3
TERMS = [
    "+experiment=tabular",
    "data=table",
    "data.target=outcome",
    "data.drop=[patient]",
    "stake=native",
    "federation.nodes=1",
    "federation.start_members=2",
    f"federation.rounds={ROUNDS}",
    "federation.join_seconds=3600",
    "federation.commit_seconds=300",
    "federation.vote_seconds=300",
    "federation.attest_seconds=300",
    "train.epochs=30",
]
HERE = ["federation.alone=false", "cluster.num_cpus=0", "cluster.linger_seconds=60", "track=none"]


def patients(file: Path, seed: int, older: float, weights: tuple[float, float] = (1.0, 1.0), sex: str = "mf") -> Path:
    """Write 200 patients whose outcome hangs on age and pressure; each hospital's have other ages, and its own ids."""
    draw = random.Random(seed)
    with file.open("w", newline="") as to:
        rows = csv.writer(to)
        rows.writerow(["patient", "age", "sex", "pressure", "outcome"])
        for number in range(200):
            age, pressure = draw.gauss(50 + older, 12), draw.gauss(120, 15)
            risk = weights[0] * (age - 55) / 12 + weights[1] * (pressure - 120) / 15 + draw.gauss(0, 0.3)
            outcome = "ill" if risk > 0 else "well"
            rows.writerow([f"{file.stem} {number}", f"{age:.1f}", draw.choice(sex), f"{pressure:.0f}", outcome])
    return file


def test_two_hospitals_learn_from_rows_that_neither_shows(chain: DevChain, key_file: Path, tmp_path: Path) -> None:
    north, south = patients(tmp_path / "north.csv", 1, older=0), patients(tmp_path / "south.csv", 2, older=10)
    strange = patients(tmp_path / "strange.csv", 3, older=0, sex="x")
    rpc = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", f"ledger.key_file={key_file}"]
    rpc += ["ledger.confirmations=0", "ledger.allow_demo_times=true"]
    store = ["store=files", f"store.path={tmp_path / 'blobs'}"]
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    founder = start(*TERMS, *HERE, *rpc, *store, f"data.root={north}", folder=tmp_path / "a", env=home)
    joiner = None
    try:
        invitation = tmp_path / "a" / "run" / "invitation.json"
        eventually("it invites", lambda: invitation.is_file() or founder.process.poll() is not None)
        assert founder.process.poll() is None, founder.wait()
        words = ["join", str(invitation), *HERE, *rpc]
        # Rows that the federation does not know are refused by line and column, before anything is started or paid.
        complaint = run(*words, f"data.root={strange}", folder=tmp_path / "c", env=home).complaint
        assert complaint.startswith(f"data.root: {strange}, line 2, column 'sex': 'x' ")
        joiner = start(*words, f"data.root={south}", folder=tmp_path / "b", env=home)
        assert joiner.wait().code == 0, joiner.wait()
        ended = founder.wait()
        assert (ended.code, ended.err, ended.left) == (0, "", []), ended
    finally:
        for command in (founder, joiner):
            if command is not None:
                command.end()

    told = summary(tmp_path / "a")
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * ROUNDS
    assert {len(closed["included"]) for closed in told["rounds"]} == {2}, "both are in the model, in each round"
    assert told["final_accuracy"] > 0.8
    # Each has the same model, and rows prepared by the founder's means; the other's rows are nowhere.
    charter = Charter.from_json((tmp_path / "a" / "run" / "charter.json").read_text())
    assert [column["name"] for column in charter.data.prepare["columns"]] == ["age", "sex", "pressure"]
    model = rayfed.load_model(tmp_path / "a" / "run")
    with south.open(newline="") as file:
        wanted = torch.tensor([charter.data.classes.index(row["outcome"]) for row in csv.DictReader(file)])
    right = model(torch.from_numpy(inputs(south, charter.data.prepare))).argmax(1) == wanted
    assert right.float().mean() > 0.8, "the founder's copy knows the joiner's patients"
    first, second = (load_file(tmp_path / who / "run" / "model.safetensors") for who in "ab")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    for who, other in (("a", "south"), ("b", "north")):
        for kept in (tmp_path / who).rglob("*"):
            assert not kept.is_file() or f"{other} 7".encode() not in kept.read_bytes(), kept
    assert main(["audit", str(tmp_path / "a" / "run"), "--store", f"files:{tmp_path / 'blobs'}", "--strict"]) == 0
