"""``status``, ``claim``, ``withdraw``, ``leave``, ``deposit`` and the rest as an owner types them, on a real chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.cli.complaints import BAD_INPUT
from rayfed.cli.main import main
from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum import abi, connection, deployment, identity, keys
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Join, Vote
from rayfed.protocol.messages import COIN, NATIVE, Phase
from tests.unit.cli.test_owner import TERMS

SECONDS = dict.fromkeys(("join_seconds", "commit_seconds", "vote_seconds", "attest_seconds", "window_seconds"), 600)


class Founded:
    """A federation of four whose founder has put down stakes and bonds."""

    def __init__(self, dev: DevChain, coin: str, rounds: int = 2) -> None:
        self.dev = dev
        self.rpc = connection.connect(dev.rpc_url)
        self.coin: Address = deployment.deploy_coin(self.rpc, dev.funder) if coin == "dlc" else NATIVE
        salt = Account.create().key  # another federation each time
        self.terms = replace(TERMS, coin=self.coin, rounds=rounds, **SECONDS)  # type: ignore[arg-type]
        made = deployment.deploy(self.rpc, dev.funder, self.terms, bytes(salt))
        self.keys: list[LocalAccount] = [Account.create() for _ in range(4)]
        addresses = [key.address for key in self.keys]
        given = {"terms": self.terms, "federation": made.address, "pool": 50 * COIN}
        deployment.fund(self.rpc, dev.funder, addresses, 1, **given)  # type: ignore[arg-type]
        self.federation = EthereumFederation.open(dev.rpc_url, made.address)
        self.doors = [open_door(self.federation, key) for key in self.keys]

    def close(self) -> None:
        self.federation.close()

    def later(self, seconds: int) -> None:
        self.rpc.call("evm_increaseTime", seconds)
        self.rpc.call("evm_mine")

    def say(self, who: int, command: Command) -> None:
        door = self.doors[who]
        door.submit(command)
        while door.is_sending:
            for receipt in door.receipts():
                assert receipt.error is None, receipt

    def gather(self) -> None:
        for who in range(4):
            self.say(who, Join(self.terms.charter))
        self.say(0, Advance())

    def train(self) -> None:
        for phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            view = self.federation.view()
            assert view.phase is phase
            for who, door in enumerate(self.doors):
                index = view.index_of(door.address)
                if index is None or not view.roster >> index & 1:
                    continue
                said = {
                    Phase.COMMIT: Commit(view.round, view.context, bytes([view.round, who]) * 16),
                    Phase.VOTE: Vote(view.round, view.context, view.committed),
                    Phase.ATTEST: Attest(view.round, view.context, bytes([view.round]) * 32),
                }
                self.say(who, said[phase])
            self.say(0, Advance())


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with DevChain() as dev:
        yield dev


@pytest.fixture
def founded(dev: DevChain) -> Iterator[Founded]:
    made = Founded(dev, "dlc")
    made.gather()
    yield made
    made.close()


class Terminal:
    """Somebody who types commands."""

    def __init__(self, founded: Founded, key: LocalAccount, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        keys.write_key(folder / "key", key)
        self.place = ["--rpc", founded.dev.rpc_url, "--federation", founded.federation.address]
        self.key = ["--node", str(folder)]
        self.capsys = capsys

    def says(self, *words: str) -> str:
        """Type a command that works; return what it prints."""
        command, *more = words
        assert main([command, *self.place, *self.key, *more]) == 0, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    def fails(self, *words: str) -> str:
        """Type a command that does not; return the one line."""
        command, *more = words
        assert main([command, *self.place, *self.key, *more]) == BAD_INPUT
        told = self.capsys.readouterr().err
        assert told.count("\n") == 1
        return told


@pytest.fixture
def owner(founded: Founded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(founded, founded.keys[0], tmp_path, capsys)


def test_what_was_earned_is_paid_to_any_address_once_it_is_settled(founded: Founded, owner: Terminal) -> None:
    elsewhere = Account.create().address
    assert "nothing to claim: everything that was earned has been paid" in owner.fails("claim")
    founded.train()
    assert "nothing to claim: round 1 can be contested; come back after 20" in owner.fails("claim")
    founded.later(700)
    said = owner.says("claim", "--to", elsewhere)
    assert said == f"settled round 1\n2.5 DLC to {elsewhere}\n"
    assert founded.federation.coins(elsewhere) == 25 * COIN // 10
    assert "everything that was earned has been paid" in owner.fails("claim")


def test_stake_and_bonds_come_back_when_nothing_that_was_signed_can_be_judged(
    founded: Founded, owner: Terminal
) -> None:
    elsewhere = Account.create().address
    founded.train()
    assert "still runs (round 2): stop its node, then: python -m rayfed leave" in owner.fails("withdraw")
    assert owner.says("leave") == "left\n"
    assert "has already left, or lost its seat" in owner.fails("leave")
    told = owner.fails("withdraw", "--to", elsewhere)
    assert "stake and bonds can still be lost: round 2 counts on its seat and is still open" in told
    founded.train()
    founded.later(700)
    said = owner.says("withdraw", "--to", elsewhere).splitlines()
    assert said[-2:] == [f"105 DLC to {elsewhere}", f"0.04 ether to {elsewhere}"]
    assert founded.federation.coins(elsewhere) == 105 * COIN
    assert founded.federation.balance(elsewhere) == 4 * COIN // 100
    assert "nothing at stake" in owner.fails("withdraw")


def test_after_the_end_withdrawing_does_all_that_comes_before(
    dev: DevChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    founded = Founded(dev, "native", rounds=1)
    founded.gather()
    founded.train()
    owner = Terminal(founded, founded.keys[0], tmp_path, capsys)
    assert "round 1 can be contested; come back after 20" in owner.fails("withdraw")
    founded.later(700)
    elsewhere = Account.create().address
    said = owner.says("withdraw", "--to", elsewhere).splitlines()
    assert said[0] == "settled round 1"
    assert said[-2:] == [f"102.5 ether to {elsewhere}", f"0.04 ether to {elsewhere}"]
    assert founded.federation.balance(elsewhere) == 10254 * COIN // 100
    founded.close()


def test_who_has_no_part_in_it_is_told_so(founded: Founded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = Terminal(founded, Account.create(), tmp_path / "other", capsys)
    for command in ("claim", "withdraw", "leave"):
        assert "is not a member of" in stranger.fails(command)


def test_anybody_may_look(founded: Founded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--rpc", founded.dev.rpc_url, "--federation", founded.federation.address]
    assert main(["status", *place, "--address", founded.keys[2].address]) == 0
    told = capsys.readouterr().out
    assert "round 1/2 · commit 0/4" in told
    assert "bonds        0.04 ether of 0.04 ether\n" in told
    assert "stake        100 DLC of 100 DLC\n" in told
    members, page = [key.address for key in founded.keys], tmp_path / "status.html"
    assert (
        main(["status", founded.federation.address, "--rpc", founded.dev.rpc_url, "--json", "--html", str(page)]) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["waiting_for"] == [member["address"] for member in told["members"] if member["is_active"]]
    assert set(told["waiting_for"]) <= set(members)
    assert all(abs(told["time"] - member["last_seen"]["time"]) < 10**6 for member in told["members"])
    assert all(member in page.read_text() for member in told["waiting_for"])
    assert main(["status", *place, "--chain-id", "5"]) == 2
    assert "--chain-id: wanted chain 5" in capsys.readouterr().err


def test_another_chain_is_not_spoken_to(owner: Terminal) -> None:
    assert "--chain-id: wanted chain 5, but" in owner.fails("claim", "--chain-id", "5")
    assert "--to: '0x12' is not an Ethereum address" in owner.fails("claim", "--to", "0x12")


def test_stake_bonds_and_pool_grow_by_what_is_put_in(founded: Founded, owner: Terminal) -> None:
    funder, mine = founded.dev.funder, founded.keys[0].address
    deployment._pay(founded.rpc, funder, abi.call("transfer", mine, 9 * COIN), 0, founded.coin)
    member = founded.keys[1].address
    assert f"the stake of {member} is complete" in owner.fails("deposit", "--member", member)
    assert owner.says("deposit", "--member", member, "--amount", "1.5") == f"1.5 DLC at stake for {member}\n"
    assert owner.says("bonds", "--member", member, "--amount", "0.01") == f"0.01 ether in bonds for {member}\n"
    assert owner.says("fund", "--amount", "2") == "2 DLC more in the pool, which holds 52 DLC\n"
    assert "stake.amount: " in owner.fails("fund", "--amount", "1000")
    assert owner.says("announce", "--card", "here") == "announced card 1\n"
    assert "SeatInUse: a round that is open" in owner.fails("release", "--seat", "1")


def test_the_founder_has_back_what_is_left_of_its_pool(
    dev: DevChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    founded = Founded(dev, "dlc", rounds=1)
    founded.gather()
    founded.train()
    founder, elsewhere = Terminal(founded, dev.funder, tmp_path, capsys), Account.create().address
    assert "the pool is in use until all is over and settled: round 1" in founder.fails("refund")
    founded.later(700)
    assert founder.says("refund", "--to", elsewhere) == f"settled round 1\n40 DLC to {elsewhere}\n"
    assert founded.federation.coins(elsewhere) == 40 * COIN
    founded.close()


def test_the_account_of_a_master_keys_node(dev: DevChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    founded = Founded(dev, "native")
    master: LocalAccount = Account.create()
    keys.write_keystore(tmp_path / "master.json", master, "a long password")
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("a long password\n")
    node = identity.derive(master, founded.rpc.chain_id, founded.federation.address, 2)
    deployment.fund(founded.rpc, dev.funder, [node.address], 200)
    words = ["--rpc", dev.rpc_url, "--federation", founded.federation.address]
    words += ["--keystore", str(tmp_path / "master.json")]
    words += ["--password-file", str(tmp_path / "password"), "--index", "2"]
    assert main(["deposit", *words]) == 0
    assert main(["bonds", *words]) == 0
    told = capsys.readouterr().out
    assert told == f"100 ether at stake for {node.address}\n0.04 ether in bonds for {node.address}\n"
    account = founded.federation.account(node.address)
    assert (account.stake, account.bonds) == (100 * COIN, 4 * COIN // 100)
    founded.close()
