"""A federation is founded on another one's last model, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import rayfed
from rayfed.cli.main import main
from rayfed.protocol.charter import Charter
from rayfed.runtime import models
from tests.integration.federations import PATIENCE, SMALL, run, summary

pytestmark = pytest.mark.timeout(2 * PATIENCE)

WORDS = [*SMALL, "train.epochs=1", "train.threads=1", "federation.rounds=1"]


def test_another_federation_s_last_model_is_where_it_begins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(*WORDS, folder=first).code == 0
    ended = run(*WORDS, "seed=5", f"model.pretrained={first / 'run'}", folder=second)
    assert (ended.code, ended.err, ended.left) == (0, "", []), ended
    assert main(["audit", str(second / "run"), "--strict"]) == 0
    charter = Charter.from_json((second / "run" / "charter.json").read_text())
    told = summary(first)
    assert charter.genesis_source["root"] == told["final_root"]
    assert charter.genesis_source["federation"] == told["federation"]
    genesis = models.from_folder(charter, charter.genesis, second / "run").state_dict()
    for name, value in rayfed.load_model(first / "run").state_dict().items():
        torch.testing.assert_close(genesis[name], value, rtol=0, atol=1e-4)

    file = first / "run" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + bytes(4))
    third = run(*WORDS, f"model.pretrained={first / 'run'}", folder=tmp_path / "third")
    assert "is not the model of the final root" in third.complaint
    assert not (tmp_path / "third" / "run" / "charter.json").exists()
