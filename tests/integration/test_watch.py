"""All nodes of a federation forge a merge. Somebody without a seat watches, and has it undone, on a real chain."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account

from rayfed.cli.main import INTERRUPTED
from rayfed.ledger.ethereum import connection, deployment, keys
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.messages import Status
from tests.integration.federations import PATIENCE, SMALL, eventually, federation_of, run, start

pytestmark = pytest.mark.timeout(3 * PATIENCE)

NODES = 3
PHASES = {"commit": 100, "vote": 80, "attest": 60}


def stakes(door: connection.EthereumFederation) -> list[int]:
    return [account.stake for account in door.accounts([member for member in door.view().members if member])]


def test_somebody_without_a_seat_has_a_forged_merge_undone(chain: DevChain, tmp_path: Path) -> None:
    founder_key, watcher_key = tmp_path / "founder", tmp_path / "watcher"
    keys.write_key(founder_key, chain.funder)
    watcher = Account.create()
    keys.write_key(watcher_key, watcher)
    deployment.fund(connection.connect(chain.rpc_url), chain.funder, [watcher.address], 20.0)
    shared = [*SMALL, "ledger=rpc", f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}"]
    shared += [
        "ledger.allow_demo_times=true",
        "ledger.confirmations=0",
        "store=files",
        f"store.path={tmp_path / 'blobs'}",
        "train.threads=1",
    ]
    terms = ["federation.rounds=2", "federation.join_seconds=3600", "stake.window_seconds=60", "stake.clock_seconds=20"]
    terms += [f"federation.{phase}_seconds={seconds}" for phase, seconds in PHASES.items()]
    forging = ["attack=forged_merge", f"attack.nodes={NODES}", "attack.options.round=1"]
    founder = start(*shared, *terms, *forging, f"ledger.key_file={founder_key}", folder=tmp_path / "founder_run")
    watching = None
    try:
        founder.says("starting 3 nodes")
        federation = federation_of(tmp_path / "founder_run")
        door = connection.EthereumFederation.open(chain.rpc_url, federation, chain_id=chain.chain_id)
        # A root can be entered for two minutes after round 1 is final: its attest phase and the window.
        watching = start(
            "watch", *shared, f"+federation_address='{federation}'",
            f"+charter={tmp_path / 'founder_run' / 'run' / 'charter.json'}", f"ledger.key_file={watcher_key}",
            folder=tmp_path / "watcher_run",
        )  # fmt: skip
        watching.says("every round is merged again and compared")
        watching.says("is entered against")
        watching.says("round 1 is undone")
        eventually("the forgers have lost their stakes", lambda: all(not stake for stake in stakes(door)))
        own = watching.out.split(" as ")[1].split(":")[0]
        eventually("its bond is back", lambda: door.account(own).native_claimable >= door.terms().bond)
        eventually("all is settled", lambda: not door.view().unsettled)
        outcome = door.outcome(1)
        assert outcome is not None
        assert outcome.status is Status.OVER
        watching.interrupt()
        assert watching.wait().code == INTERRUPTED, watching.wait()
    finally:
        for command in (founder, watching):
            if command is not None:
                command.end()


@pytest.mark.parametrize(("dishonest", "code"), [(0, 0), (NODES, 1)], ids=["right", "wrong"])
def test_the_exit_code_says_whether_a_wrong_root_stands(
    chain: DevChain, tmp_path: Path, dishonest: int, code: int
) -> None:
    """All is over and settled by then, and nobody has looked."""
    key = tmp_path / "founder"
    keys.write_key(key, chain.funder)
    shared = [*SMALL, "ledger=rpc", f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}"]
    shared += ["ledger.allow_demo_times=true", "ledger.confirmations=0", f"ledger.key_file={key}"]
    shared += ["store=files", f"store.path={tmp_path / 'blobs'}", "train.threads=1"]
    forging = ["attack=forged_merge", f"attack.nodes={dishonest}"] if dishonest else []
    founded = run(*shared, *forging, "federation.rounds=1", folder=tmp_path / "run")
    assert founded.code == 0, founded
    federation, charter = federation_of(tmp_path / "run"), tmp_path / "run" / "run" / "charter.json"
    ended = run(
        "watch", *shared, f"+federation_address='{federation}'", f"+charter={charter}", folder=tmp_path / "watch"
    )
    assert ended.code == code, ended
    assert ("a wrong root stands in round 1" if code else "no wrong root was seen to stand") in ended.out
    assert ended.left == []
