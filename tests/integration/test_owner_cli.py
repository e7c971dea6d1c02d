"""``claim``, ``withdraw``, ``leave``, ``deposit`` and ``fund`` as an owner types them, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.cli.complaints import BAD_INPUT
from rayfed.cli.main import main
from rayfed.ledger.ethereum import deployment, identity, keys
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.commands import Poke
from rayfed.protocol.messages import NATIVE
from tests.integration.test_ethereum_court import ETHER, Court, passed


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with DevChain() as dev:
        yield dev


@pytest.fixture
def court(dev: DevChain) -> Iterator[Court]:
    court = Court(dev, "dlc")
    court.gather()
    yield court
    court.close()


class Owner:
    """Somebody at a terminal."""

    def __init__(self, court: Court, key: LocalAccount, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        keys.write_key(folder / "key", key)
        self.place = ["--rpc", court.dev.rpc_url, "--federation", court.federation.address]
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
def owner(court: Court, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Owner:
    return Owner(court, court.keys[0], tmp_path, capsys)


def test_what_was_earned_is_paid_to_any_address_once_it_is_settled(court: Court, owner: Owner) -> None:
    elsewhere = Account.create().address
    assert "nothing to claim: everything that was earned has been paid" in owner.fails("claim")
    court.train()
    told = owner.fails("claim", "--to", elsewhere)
    assert "nothing to claim yet: 2.5 DLC will be, if no merge is rolled back; come back after 20" in told
    court.later(700)
    court.doors[1].submit(Poke())
    passed(court.doors[1])
    said = owner.says("claim", "--to", elsewhere)
    assert "settled rounds 1 to" in said
    assert f"2.5 DLC to {elsewhere}\n" in said
    assert court.coins(elsewhere) == 25 * ETHER // 10
    assert "everything that was earned has been paid" in owner.fails("claim")


def test_a_stake_comes_back_when_nothing_that_was_signed_can_be_challenged(court: Court, owner: Owner) -> None:
    elsewhere = Account.create().address
    court.train()
    assert "still runs (round 2): stop its node, then: python -m rayfed leave" in owner.fails("withdraw")
    assert owner.says("leave") == "left\n"
    assert "has already left, or lost its seat" in owner.fails("leave")
    told = owner.fails("withdraw", "--to", elsewhere)
    assert "100 DLC can still be slashed; a round has yet to close" in told
    for _ in range(2):
        court.later(700)
        court.doors[1].submit(Poke())
        passed(court.doors[1])
    assert f"100 DLC to {elsewhere}\n" in owner.says("withdraw", "--to", elsewhere)
    assert court.coins(elsewhere) == 100 * ETHER
    assert "nothing at stake" in owner.fails("withdraw")


def test_after_the_end_withdrawing_does_all_that_comes_before(
    dev: DevChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    court = Court(dev, "native", rounds=1)
    court.gather()
    court.train()
    owner = Owner(court, court.keys[0], tmp_path, capsys)
    told = owner.fails("withdraw")
    assert "100 ether can still be slashed; come back after 20" in told
    assert court.federation.account(court.keys[0].address).exiting
    court.later(700)
    elsewhere = Account.create().address
    assert owner.says("withdraw", "--to", elsewhere) == f"settled rounds 1 to 1\n100 ether to {elsewhere}\n"
    assert owner.says("claim", "--to", elsewhere) == f"2.5 ether to {elsewhere}\n"
    assert court.federation.balance(elsewhere) == 1025 * ETHER // 10
    court.close()


def test_who_has_no_part_in_it_is_told_so(court: Court, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = Owner(court, Account.create(), tmp_path / "other", capsys)
    for command in ("claim", "withdraw", "leave"):
        assert "is not a member of" in stranger.fails(command)


def test_another_chain_is_not_spoken_to(owner: Owner) -> None:
    assert "--chain-id: wanted chain 5, but" in owner.fails("claim", "--chain-id", "5")
    assert "--to: '0x12' is not an Ethereum address" in owner.fails("claim", "--to", "0x12")


def test_stake_and_pool_grow_by_what_is_put_in(court: Court, owner: Owner) -> None:
    deployment._pay(
        court.rpc, court.dev.funder, deployment.abi.call("transfer", court.keys[0].address, 9 * ETHER), 0, court.coin
    )
    member = court.keys[1].address
    assert f"the stake of {member} is complete" in owner.fails("deposit", "--member", member)
    assert owner.says("deposit", "--member", member, "--amount", "1.5") == f"1.5 DLC at stake for {member}\n"
    assert owner.says("fund", "--amount", "2") == "2 DLC more in the pool, which holds 52 DLC\n"
    assert "stake.amount: " in owner.fails("fund", "--amount", "1000")


def test_the_account_of_a_master_keys_node(dev: DevChain, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    court = Court(dev, "native")
    master: LocalAccount = Account.create()
    keys.write_keystore(tmp_path / "master.json", master, "a long password")
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("a long password\n")
    node = identity.derive(master, court.rpc.chain_id, court.federation.address, 2)
    deployment.fund(court.rpc, dev.funder, [node.address], 200)
    assert court.coin == NATIVE
    words = [
        "--rpc",
        dev.rpc_url,
        "--federation",
        court.federation.address,
        "--keystore",
        str(tmp_path / "master.json"),
    ]
    words += ["--password-file", str(tmp_path / "password"), "--index", "2"]
    assert main(["deposit", *words]) == 0
    assert capsys.readouterr().out == f"100 ether at stake for {node.address}\n"
    assert court.federation.account(node.address).stake == 100 * ETHER
    court.close()
