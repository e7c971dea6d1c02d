"""A federation whose updates are differences of 8 bits, through the real command line, and a forged merge of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.cli.main import main
from rayfed.encoding import codec
from rayfed.encoding.header import MERGED, UPDATE
from rayfed.protocol.charter import Charter
from tests.integration.federations import PATIENCE, SMALL, STANDS, run, summary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

FOUR = ["federation.nodes=4", "federation.min_members=1", "federation.max_missed=0", "cluster.nodes_per_actor=4"]
FORGING = ["attack=forged_merge", "attack.nodes=3", "attack.options.round=1", "attack.options.defend=true"]
FORGING += ["stake.clock_seconds=60", "stake.proof_seconds=60"]


def test_a_wrong_merge_of_8_bits_is_undone_in_court(tmp_path: Path) -> None:
    """Three of four forge the model and go to court for it; the contract widens what it merges by the base's leaf."""
    ended = run(*SMALL, *FOUR, *FORGING, "merge.bits=8", "train.threads=1", "federation.rounds=3", folder=tmp_path)
    assert (ended.code, ended.left) == (0, []), ended
    told = summary(tmp_path)
    assert sum(closed["status"] in STANDS for closed in told["rounds"]) == 3
    assert told["rounds"][0]["status"] == "undone"
    assert [node["slashed"] for node in told["nodes"]] == [0, 100, 100, 100]
    layout = Charter.from_json((tmp_path / "run" / "charter.json").read_text().rstrip("\n")).blob_layout
    found = [file for file in (tmp_path / "run" / "nodes").rglob("?" * 64) if file.is_file()]
    sizes = {(codec.read_header(file.read_bytes()).kind, file.stat().st_size) for file in found}
    assert sizes == {(UPDATE, layout.update_size), (MERGED, layout.blob_size)}
    assert 3 * layout.update_size < layout.blob_size
    assert told["update_bytes"] == layout.update_size
    assert main(["audit", str(tmp_path / "run"), "--strict"]) == 0
