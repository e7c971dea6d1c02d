"""Two parties with nothing in common but a chain, a store and one file: the second has all that the first has."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from eth_account import Account

import rayfed
from rayfed.cli.main import main
from rayfed.ledger.ethereum import connection, deployment, keys
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.messages import Phase
from tests.integration.federations import PATIENCE, Command, eventually, run, start, summary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

FOUNDER = (
    "model.width=4", "model.hidden=16", "train.epochs=1", "federation.nodes=1", "federation.start_members=2",
    "federation.min_members=2", "federation.rounds=2", "federation.alone=false", "federation.join_seconds=3600",
    "federation.attest_seconds=120", "ledger=rpc", "ledger.allow_demo_times=true", "ledger.confirmations=0",
    "stake=native", "cluster.num_cpus=0", "cluster.linger_seconds=300", "track=none",
)  # fmt: skip


def test_a_joiner_has_all_that_the_founder_has_and_goes_on_without_it(
    chain: DevChain, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blobs").mkdir()
    where = (f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={key_file}")
    founder = start(*FOUNDER, *where, "store=files", f"store.path={tmp_path / 'blobs'}", folder=tmp_path / "a")
    commands: list[Command] = [founder]
    try:
        founder.says("python -m rayfed join invitation.json")
        invitation = str(tmp_path / "a" / "run" / "invitation.json")
        joiner = start("join", invitation, "cluster.num_cpus=0", folder=tmp_path / "b")
        commands.append(joiner)
        joiner.says("waiting for funds: send 0.01 ether for its stake, 0.16 ether for bonds, ")
        (key,) = eventually("it has a key", lambda: list((tmp_path / "b" / "config").rglob("key")))
        assert key.stat().st_mode & 0o777 == 0o600
        node = keys.load_key(key).address
        assert f"to {node} on chain {chain.chain_id}" in joiner.out
        # Money may come in parts; with too little of it nobody tries to join.
        rpc = connection.connect(chain.rpc_url)
        deployment.fund(rpc, chain.funder, [node], 0.05)
        # Nobody takes a second seat by accident.
        second = run("join", invitation, folder=tmp_path / "second", env={"XDG_CONFIG_HOME": str(key.parents[3])})
        assert second.complaint.startswith(f"ledger.key_dir: a node runs with the key in {key.parent} already")
        assert second.out == ""
        deployment.fund(rpc, chain.funder, [node], 1.0)
        address = json.loads(Path(invitation).read_text())["federation"]
        federation = connection.EthereumFederation.open(chain.rpc_url, address)
        eventually("all rounds are final", lambda: federation.view().phase is Phase.DONE)
        founder.end()  # killed, with its cluster
        ended = joiner.wait()
        assert (ended.code, ended.err, ended.left) == (0, "", [])
    finally:
        for command in commands:
            command.end()

    folder = tmp_path / "b" / "run"
    for name in ("charter.json", "summary.json", "report.html", "record.json", "model.safetensors", "model.md"):
        assert (folder / name).stat().st_size > 0, name
    assert "rayfed" in (folder / "report.html").read_text()
    told = summary(tmp_path / "b")
    assert [closed["status"] for closed in told["rounds"]] == ["settled"] * 2, "written again when all was settled"
    assert told["final_root"] == "0x" + federation.view().base.hex()
    (mine,) = told["nodes"]
    assert (mine["address"], mine["earned"]) == (node, 0.001)
    assert told["settings"]["rounds"] == 2, "the charter's, not this party's"
    assert f"{node} earned 0.001 ether; paid to {node}" in ended.out
    assert federation.account(node).claimable == 0
    assert rayfed.audit(folder).clean
    assert rayfed.load_model(folder) is not None
    with sqlite3.connect(tmp_path / "b" / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()[0] >= 2

    # Stake and bonds come back by the command that it printed: the key is found where it lies.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(key.parents[3]))
    safe = Account.create().address
    (line,) = [line for line in ended.out.splitlines() if "python -m rayfed withdraw" in line]
    words = line.partition("python -m rayfed ")[2].split()
    assert main([*words, "--to", safe]) == 0
    assert "0.01 ether to" in capsys.readouterr().out
    assert federation.balance(safe) == 17 * 10**16
    federation.close()


def test_a_stake_that_cannot_be_paid_is_told_before_anything_is_started(
    chain: DevChain, key_file: Path, tmp_path: Path
) -> None:
    from rayfed.config import load
    from tests.integration.test_invitation import made_by

    (tmp_path / "blobs").mkdir()
    words = ["model.width=4", "model.hidden=16", "federation.nodes=1", "federation.start_members=2", "store=files"]
    ledger = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={key_file}", "ledger.allow_demo_times=true"]
    poor, purse = Account.create(), tmp_path / "purse"
    keys.write_key(purse, poor)
    rpc = connection.connect(chain.rpc_url)
    told = {
        "native": "holds 0.05 ether on this chain, and joining takes 0.28: 0.01 ether for its stake",
        "dlc": "holds 0 DLC, and a stake is 100: all DLC (0x",
    }
    deployment.fund(rpc, chain.funder, [poor.address], 0.05)
    for coin, missing in told.items():
        made = made_by(load([*words, f"store.path={tmp_path / 'blobs'}", *ledger, f"stake={coin}"]), tmp_path)
        (tmp_path / coin).write_text(made.to_json())
        joining = (str(tmp_path / coin), f"ledger.key_file={purse}", "track=none")
        ended = run("join", *joining, folder=tmp_path / f"at-{coin}")
        assert ended.complaint.startswith(f"ledger.key_file: {poor.address} {missing}")
        assert ended.out == "", "nothing has been started"
        assert deployment.balance(rpc, made.federation) == 0
    assert made.coin in ended.err
    assert "python -m rayfed deposit --rpc" in ended.err
