"""Where a federation is, by an address, a run's folder or an invitation."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.cli.main import main
from rayfed.cli.whereabouts import whereabouts
from rayfed.errors import ConfigError
from rayfed.protocol.messages import NodeRecord
from rayfed.runtime import homes
from tests.unit.protocol.test_invitation import MADE

FEDERATION = "0x" + "Fe" * 20
RPC = "https://rpc.example.org"


def run_folder(tmp_path: Path, ledger: str, **founded: object) -> Path:
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(f"ledger: {{{ledger}}}\ncluster: {{state_dir: null}}\n")
    if founded:
        (folder / "founded.json").write_text(json.dumps(founded))
    return folder


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have invitations of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_an_address_needs_a_node_of_its_chain() -> None:
    found = whereabouts(FEDERATION, None, RPC, 5)
    assert (found.federation, found.rpc, found.chain_id, found.names()) == (FEDERATION, RPC, 5, {})
    assert whereabouts(None, FEDERATION, RPC, None) == whereabouts(FEDERATION, None, RPC, None)
    with pytest.raises(ConfigError, match=r"--rpc: say --rpc URL"):
        whereabouts(FEDERATION, None, None, None)


def test_a_run_s_folder_says_all_and_what_its_nodes_refused(tmp_path: Path) -> None:
    folder = run_folder(
        tmp_path, f"rpc_url: '{RPC}', spare_rpc_url: 'https://b'", federation=FEDERATION, chain_id=7, block=3
    )
    node = folder / "nodes" / FEDERATION.lower() / "node-1"
    node.mkdir(parents=True)
    verdicts = (Verdict("norm", 3, False, 7.0, "too long"), Verdict("norm", 2, True, 1.0))
    record = json.dumps(asdict(NodeRecord(1, "0xAa", 1, 4, verdicts=verdicts)))
    (node / "records.jsonl").write_text(f'{record}\n{{"half": ')
    found = whereabouts(str(folder), None, None, None)
    assert (found.federation, found.rpc, found.spare, found.chain_id) == (FEDERATION, RPC, "https://b", 7)
    assert found.names() == {"0xAa": "node 1"}
    assert found.reasons() == {(4, 3): "norm: too long"}


def test_a_run_on_a_chain_of_its_own_has_written_where_that_listens(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "rpc_url: null", federation=FEDERATION, chain_id=31337)
    (folder / "anvil.log").write_text("Listening on 127.0.0.1:1\n...\nListening on 127.0.0.1:4567\n")
    assert whereabouts(str(folder), None, None, None).rpc == "http://127.0.0.1:4567"


def test_a_secret_that_was_not_written_down_is_asked_for(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "rpc_url: 'https://rpc.example.org/***'", federation=FEDERATION, chain_id=7)
    with pytest.raises(ConfigError, match=r"--rpc: the run's own holds a secret"):
        whereabouts(str(folder), None, None, None)
    assert whereabouts(str(folder), None, RPC, None).rpc == RPC


def test_an_invitation_says_all(tmp_path: Path) -> None:
    path = tmp_path / "invitation.json"
    path.write_text(replace(MADE, rpc=(RPC, "https://b")).to_json())
    found = whereabouts(str(path), None, None, None)
    assert (found.federation, found.rpc, found.spare) == (MADE.federation, RPC, "https://b")
    assert found.chain_id == MADE.chain_id
    path.write_text(replace(MADE, rpc=()).to_json())
    with pytest.raises(ConfigError, match=r"--rpc: the invitation names no node of its chain"):
        whereabouts(str(path), None, None, None)


def test_an_address_is_enough_for_whoever_has_founded_or_joined_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    homes.keep_invitation(None, replace(MADE, rpc=(RPC,)))
    assert whereabouts(MADE.federation, None, None, None).rpc == RPC


BAD = [
    pytest.param([], "which federation?", id="nothing"),
    pytest.param(["nowhere"], "'nowhere' is no address, no run's folder and no invitation", id="nothing-there"),
    pytest.param(["empty"], "empty is not the folder of a run", id="no-run"),
    pytest.param(["run"], "no federation was founded or joined by a run in run", id="nothing-founded"),
    pytest.param(["damaged.json"], "damaged.json cannot be used: it is damaged", id="damaged"),
    pytest.param(["list.json"], "list.json cannot be used: it is no invitation", id="list"),
    pytest.param(["other.json"], "other.json cannot be used: it is no invitation", id="other"),
    pytest.param(["variable"], "ledger.rpc_url: ", id="variable"),
    pytest.param([FEDERATION, "--rpc", "ftp://h"], "'ftp://h' is not an http:// or https:// address", id="scheme"),
    pytest.param([FEDERATION[:-1], "--rpc", RPC], "is no address", id="address"),
    pytest.param(["--federation", "0x12", "--rpc", RPC], "--federation: '0x12' is not an Ethereum", id="federation"),
    pytest.param([FEDERATION, "--rpc", "http://127.0.0.1:1"], "no answer from http://127.0.0.1:1", id="nobody"),
]


@pytest.mark.parametrize(("words", "complaint"), BAD)
def test_what_says_nothing_gets_one_line(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    run_folder(tmp_path, f"rpc_url: '{RPC}'")
    (tmp_path / "damaged.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "variable" / ".hydra").mkdir(parents=True)
    (tmp_path / "variable" / ".hydra" / "config.yaml").write_text("ledger: {rpc_url: '${oc.env:NOT_SET_HERE}'}\n")
    assert main(["status", *words]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert complaint in told[0]
