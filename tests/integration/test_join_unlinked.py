"""A node that joins with a master key, and with gas money that came from nobody's purse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from eth_account import Account

import rayfed
from rayfed.learning import models
from rayfed.ledger.ethereum import connection, deployment, identity, keys
from rayfed.ledger.ethereum.devchain import DevChain
from tests.integration.federations import PATIENCE, SMALL, STANDS, eventually, federation_of, start, summary
from tests.without_rayfed import outputs_of

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def test_a_node_joins_with_a_derived_key_and_waits_for_its_gas_money(chain: DevChain, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("not easily guessed\n")
    master = Account.create()
    keys.write_keystore(tmp_path / "master.json", master, "not easily guessed")
    keys.write_key(tmp_path / "purse", chain.funder)
    rpc = [f"ledger.rpc_url={chain.rpc_url}", f"ledger.ws_url={chain.ws_url}", "ledger.confirmations=0"]
    rpc.append("ledger.allow_demo_times=true")
    shared = [*SMALL, *rpc, "store=files", f"store.path={tmp_path / 'blobs'}", "train.epochs=1", "train.threads=1"]
    # The joiner lacks the weights that the founder begins from: it has genesis from a member.
    tiny = {"_target_": "rayfed.learning.models.SmallCNN", "width": 4, "hidden": 16}
    torch.save(models.build(tiny, (1, 8, 8), 10, seed=7).state_dict(), tmp_path / "weights.pt")
    # The founder's own two nodes wait for a third: nothing is over before.
    terms = ["federation.rounds=3", "federation.nodes=2", "federation.start_members=3", "stake=none", "ledger=rpc"]
    terms += ["federation.join_seconds=3600", f"model.pretrained={tmp_path / 'weights.pt'}"]
    founder = start(*shared, *terms, f"ledger.key_file={tmp_path / 'purse'}", folder=tmp_path / "a")
    joiner = None
    try:
        federation = federation_of(tmp_path / "a")
        mine = identity.derive(master, chain.chain_id, federation)
        joiner = start(
            "join", *shared, f"+federation_address='{federation}'",
            f"+charter={tmp_path / 'a' / 'run' / 'charter.json'}",
            f"ledger.keystore={tmp_path / 'master.json'}", f"ledger.password_file={password}", folder=tmp_path / "b",
        )  # fmt: skip
        joiner.says(f"ether for gas, to {mine.address} on chain {chain.chain_id}")
        rpc_door = connection.connect(chain.rpc_url)
        deployment.fund(rpc_door, chain.funder, [mine.address], 1.0)
        door = connection.EthereumFederation.open(chain.rpc_url, federation, chain_id=chain.chain_id)
        eventually("it is a member", lambda: mine.address in door.view().members)
        assert joiner.wait().code == 0, joiner.wait()
        assert founder.wait().code == 0, founder.wait()
    finally:
        for command in (founder, joiner):
            if command is not None:
                command.end()

    told = summary(tmp_path / "a")
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * 3
    assert all(mine.address in closed["included"] for closed in told["rounds"])
    assert not list((tmp_path / "b").rglob("key"))  # the derived key is in no file
    # Whoever joins takes the same model away.
    (state, _, _), (own, inputs, outputs) = (outputs_of(tmp_path / one / "run") for one in "ab")
    assert all(torch.equal(state[name], own[name]) for name in state)
    torch.testing.assert_close(rayfed.load_model(tmp_path / "b" / "run")(inputs).detach(), outputs)
    assert told["final_root"] in (tmp_path / "b" / "run" / "model.md").read_text()
