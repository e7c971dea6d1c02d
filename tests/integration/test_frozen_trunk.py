"""A federation that trains a head on a frozen trunk, through the real command line: what travels, what comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import rayfed
from rayfed.cli.main import main
from rayfed.encoding import codec
from rayfed.encoding.layout import FROZEN_FILE
from rayfed.protocol.charter import Charter
from tests.integration.federations import PATIENCE, SMALL, STANDS, run, summary
from tests.unit.learning import odd_models

pytestmark = pytest.mark.timeout(3 * PATIENCE)

WORDS = [*(word for word in SMALL if not word.startswith("model.")), "train.threads=1", "federation.rounds=2"]
OWN = ["~model.width", "~model.hidden", "~model.dropout"]
HEAD = {"head.weight", "head.bias"}


def of(model: str) -> list[str]:
    return [*WORDS, *OWN, f"model._target_={odd_models.__name__}.{model}"]


def charter_of(folder: Path) -> Charter:
    return Charter.from_json((folder / "run" / "charter.json").read_text().rstrip("\n"))


def blobs(folder: Path) -> list[Path]:
    return [file for file in (folder / "run" / "nodes").rglob("?" * 64) if file.is_file()]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    ended = run(*of("FrozenTrunk"), folder=folder)
    assert (ended.code, ended.err, ended.left) == (0, "", [])
    return folder


def test_a_blob_has_the_head_alone_and_names_the_rest(small: Path) -> None:
    assert [closed["status"] in STANDS for closed in summary(small)["rounds"]] == [True, True]
    charter, found = charter_of(small), blobs(small)
    assert {spec.name for spec in charter.layout.tensors} == HEAD
    assert {file.stat().st_size for file in found} == {1024}, "a header, and 90 values"
    headers = [codec.read_header(file.read_bytes()) for file in found]
    assert {header.frozen for header in headers} == {charter.layout.frozen_digest}
    assert {header.kind for header in headers} == {1, 2}


def test_its_strict_audit_looks_at_the_frozen_part_too(small: Path, tmp_path: Path) -> None:
    told = tmp_path / "audit.json"
    assert main(["audit", str(small / "run"), "--strict", "--json", str(told)]) == 0
    assert json.loads(told.read_text())["frozen"] == "verified"
    (file,) = (small / "run" / "nodes").rglob(FROZEN_FILE)
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        assert main(["audit", str(small / "run"), "--json", str(told)]) == 1
    finally:
        file.write_bytes(good)
    assert json.loads(told.read_text())["frozen"] == "wrong"


def test_it_ends_in_the_model_that_it_ends_in_where_all_travels(small: Path, tmp_path: Path) -> None:
    """Bit for bit, weights and statistics of the trunk included: they come from where the model was built."""
    ended = run(*of("AllTravels"), folder=tmp_path)
    assert (ended.code, ended.err, ended.left) == (0, "", [])
    large = charter_of(tmp_path)
    assert large.layout.frozen is None
    assert large.layout.size == 698
    one, other = (rayfed.load_model(folder / "run").state_dict() for folder in (small, tmp_path))
    assert one.keys() - other.keys() == {"trunk.table"}
    assert all(torch.equal(one[name], value) for name, value in other.items())
    built = nn.Module.state_dict(odd_models.FrozenTrunk((1, 8, 8), 10))
    assert not torch.equal(one["head.weight"], built["head.weight"])


def test_a_wrong_merge_of_heads_is_undone_in_court(tmp_path: Path) -> None:
    """Three of four forge the model and go to court for it; the contract merges a leaf of updates whose headers name
    what is frozen."""
    forging = ["attack=forged_merge", "attack.nodes=3", "attack.options.round=1", "attack.options.defend=true"]
    forging += ["stake.clock_seconds=60", "stake.proof_seconds=60"]
    four = ["federation.nodes=4", "federation.min_members=1", "federation.max_missed=0", "cluster.nodes_per_actor=4"]
    ended = run(*of("FrozenTrunk"), *four, *forging, "federation.rounds=4", folder=tmp_path)
    assert (ended.code, ended.left) == (0, []), ended
    told = summary(tmp_path)
    assert sum(closed["status"] in STANDS for closed in told["rounds"]) == 4
    assert told["rounds"][0]["status"] == "undone"
    assert [node["slashed"] for node in told["nodes"]] == [0, 100, 100, 100]
    assert main(["audit", str(tmp_path / "run"), "--strict"]) == 0
