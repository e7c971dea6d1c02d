"""A whole run by a node of the chain that answers oddly now and then, and ends; a second one takes over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rayfed.cli.main import main
from rayfed.ledger.ethereum.devchain import DevChain
from tests.integration.federations import PATIENCE, SMALL, STANDS, start, summary
from tests.integration.odd_node import OddNode

ROUNDS = 3

pytestmark = pytest.mark.timeout(2 * PATIENCE)


def test_odd_answers_cost_a_retry_and_a_node_that_ends_costs_nothing_where_there_is_a_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with DevChain() as chain, OddNode(chain.rpc_url) as odd, OddNode(chain.rpc_url) as spare:
        key = tmp_path / "purse.key"
        key.write_text(chain.funder.key.hex())
        key.chmod(0o600)
        command = start(
            *SMALL,
            f"federation.rounds={ROUNDS}",
            "ledger=rpc",
            f"ledger.rpc_url={odd.url}",
            f"ledger.spare_rpc_url={spare.url}",
            f"ledger.key_file={key}",
            "ledger.allow_demo_times=true",
            "ledger.confirmations=0",
            folder=tmp_path,
        )
        try:
            command.says("round 1: accuracy")  # its records are written
            assert main(["status", str(tmp_path / "run"), "--json", "--html", str(tmp_path / "status.html")]) == 0
            told = json.loads(capsys.readouterr().out)
            labels = sorted(member["label"] for member in told["members"])  # who was slow to ask has a later seat
            assert labels == ["node 0", "node 1", "node 2"]
            assert (told["rounds"], told["terms"]["stake"]) == (ROUNDS, "100")
            odd.stop()  # for good
            ended = command.wait()
        finally:
            command.end()
        assert (ended.code, ended.left) == (0, []), ended
        made = summary(tmp_path)
        assert [closed["status"] in STANDS for closed in made["rounds"]] == [True] * ROUNDS
        assert [len(closed["included"]) for closed in made["rounds"]] == [3] * ROUNDS
        assert [node["error"] for node in made["nodes"]] == [""] * 3, "what is over is not the last word"
        assert main(["audit", str(tmp_path / "run"), "--strict"]) == 0
        assert all(odd.odd[what] + spare.odd[what] for what in ("range", "null", "header", "429"))
