"""A model with a frozen part, from a file that one party alone has: founded, killed, resumed, joined, tracked and
exported. What comes of it begins another federation, by the invitation alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import torch

import rayfed
from rayfed.cli.main import main
from rayfed.config import load
from rayfed.encoding.layout import FROZEN_FILE
from rayfed.errors import ConfigError
from rayfed.learning import models
from rayfed.ledger.ethereum import keys
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.charter import Charter
from rayfed.protocol.invitation import Invitation
from rayfed.runtime import beginning, drafting
from tests.integration.federations import PATIENCE, SMALL, STANDS, Command, eventually, start, summary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

TINY = {"_target_": "rayfed.learning.models.SmallCNN", "width": 4, "hidden": 16}
QUICK = [
    *(word for word in SMALL if not word.startswith(("federation.nodes", "track", "cluster.linger"))),
    "cluster.linger_seconds=60", "train.epochs=1", "train.threads=1",
]  # fmt: skip


def refused(settings: object, folder: Path) -> str:
    with pytest.raises(ConfigError, match=r"^model\.pretrained: ") as caught:
        beginning.found(settings, folder)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("*.safetensors"))
    return str(caught.value)


def test_it_goes_from_a_founder_s_file_through_others_hands_to_another_federation(
    chain: DevChain, tmp_path: Path
) -> None:
    weights, purse, home = tmp_path / "weights.pt", tmp_path / "purse", tmp_path / "a" / "run"
    torch.save(models.build(TINY, (1, 8, 8), 10, seed=7).state_dict(), weights)
    keys.write_key(purse, chain.funder)
    rpc = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", "ledger.confirmations=0"]
    rpc += ["ledger.allow_demo_times=true", f"ledger.key_file={purse}"]
    shared = [*QUICK, *rpc, "store=files", f"store.path={tmp_path / 'blobs'}", "stake=none", "stake.window_seconds=5"]
    # Two nodes of the founder's wait for a third; meanwhile all of them are killed.
    terms = ["federation.rounds=2", "federation.nodes=2", "federation.start_members=3", "federation.join_seconds=3600"]
    terms.append("federation.commit_seconds=900")  # the joiner may be there before who is carried on
    terms += [
        f"model.pretrained={weights}",
        "model.trained=[classifier.4.*]",
    ]
    founder = start(*shared, *terms, "track=none", folder=tmp_path / "a")
    joiner = None
    try:
        eventually("the frozen part is in the store", lambda: list((tmp_path / "blobs").rglob("?" * 64)))
        invitation = home / "invitation.json"
        made = Invitation.from_json(invitation.read_text())
        second = load([*QUICK, f"model.pretrained={invitation}"])
        assert "is not over, 0 of 2 rounds are final" in refused(second, tmp_path)
        founder.end()
        founder = Command([sys.executable, "-m", "rayfed", "resume=run"], tmp_path / "a")
        tracked = ["track=mlflow", f"track.tracking_uri=sqlite:///{tmp_path}/mlflow.db"]
        joiner = start("join", str(invitation), *QUICK, *rpc, *tracked, folder=tmp_path / "b")
        assert joiner.wait().code == 0, joiner.wait()
        assert founder.wait().code == 0, founder.wait()
    finally:
        for command in (founder, joiner):
            if command is not None:
                command.end()

    told = summary(tmp_path / "a")
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * 2
    assert all(len(closed["included"]) == 3 for closed in told["rounds"]), "the joiner's updates are in it"
    (fetched,) = (tmp_path / "b" / "run" / "nodes").rglob(FROZEN_FILE)
    (own,) = (home / "nodes").rglob(FROZEN_FILE)
    assert fetched.read_bytes() == own.read_bytes()
    one, other = (rayfed.load_model(tmp_path / party / "run").state_dict() for party in "ab")
    begun = torch.load(weights, weights_only=True)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(one[name], begun[name]) == (not name.startswith("classifier.4.")) for name in one)
    assert main(["audit", str(home), "--strict"]) == 0
    assert main(["export", str(tmp_path / "b" / "run"), "--torchscript", str(tmp_path / "b.ts")]) == 0
    assert torch.jit.load(str(tmp_path / "b.ts"))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    recorded = client.get_run(summary(tmp_path / "b")["mlflow_run_id"])
    assert recorded.data.tags["rayfed.final_root"] == told["final_root"]
    assert recorded.info.status == "FINISHED"

    # Another federation begins where this one has ended, by chain and store.
    found = beginning.found(second, tmp_path)
    assert found.source["root"] == told["final_root"]
    charter = drafting.draft(found.settings, source=found.source)
    assert Charter.from_json(charter.canonical_json()).genesis_source["federation"] == made.federation
    begins = models.build(TINY, (1, 8, 8), 10, 0, found.settings.model["pretrained"]).state_dict()
    assert all(torch.equal(begins[name], one[name]) for name in one)
    assert beginning.found(second, tmp_path) == found, "a run that is resumed asks nobody"
    (tmp_path / beginning.FETCHED).unlink()

    other_width = replace(second, model={**second.model, "width": 5})
    assert "this run's model is another than the federation's" in refused(other_width, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    elsewhere = replace(second, model={**second.model, beginning.STORE: f"files:{empty}"})
    assert f"the last model of {made.federation} is not to be had: " in refused(elsewhere, tmp_path)
    (gone := tmp_path / "gone.json").write_text(replace(made, rpc=("http://127.0.0.1:9",)).to_json())
    away = replace(second, model={**second.model, "pretrained": str(gone)})
    assert "is not to be had: " in refused(away, tmp_path)
    gone.write_text(replace(made, rpc=()).to_json())
    assert "python -m rayfed invitation FILE --rpc URL" in refused(away, tmp_path)
