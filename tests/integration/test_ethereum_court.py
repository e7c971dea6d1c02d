"""Money and judgement through the doors of real accounts on a real chain: collusion, withholding, pay, relay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from tests.unit.ledger.test_court import TERMS

from rayfed.audit import chain as audited
from rayfed.audit.replay import replay
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.errors import ConfigError, LedgerError
from rayfed.ledger import allow_list
from rayfed.ledger.ethereum import abi, connection, deployment
from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.protocol.commands import (
    Answer,
    Attest,
    Challenge,
    Claim,
    Commit,
    Conclude,
    Demand,
    Exit,
    Forfeit,
    Join,
    Leave,
    Poke,
    Prove,
    Relay,
    ReportEquivocation,
    Settle,
    Statement,
    Vote,
    Withdraw,
)
from rayfed.protocol.judgement import MERGED, State
from rayfed.protocol.messages import NATIVE, Phase, Receipt, Status, Terms, Verb
from tests import trials

ETHER = 10**18


class Court:
    """A federation of four whose founder has put down the stakes, and somebody who only watches."""

    def __init__(self, dev: DevChain, coin: str, **changes: object) -> None:
        self.dev = dev
        self.rpc = connection.connect(dev.rpc_url)
        self.coin: Address = deployment.deploy_coin(self.rpc, dev.funder) if coin == "dlc" else NATIVE
        amounts = {"stake": 100 * ETHER, "reward": 10 * ETHER, "bond": ETHER, "coin": self.coin}
        seconds = dict.fromkeys(("join_seconds", "commit_seconds", "vote_seconds", "attest_seconds"), 600)
        self.terms: Terms = replace(TERMS, **{**amounts, **seconds, "challenge_seconds": 60, **changes})  # type: ignore[arg-type]
        self.deployed = deployment.deploy(self.rpc, dev.funder, self.terms)
        self.keys: list[LocalAccount] = [Account.create() for _ in range(4)]
        addresses = [key.address for key in self.keys]
        deployment.fund(
            self.rpc, dev.funder, addresses, 1, terms=self.terms, court=self.deployed.court, pool=50 * ETHER
        )
        self.federation = EthereumFederation.open(dev.rpc_url, self.deployed.address)
        self.doors = [open_door(self.federation, key) for key in self.keys]
        watcher: LocalAccount = Account.create()
        deployment.fund(self.rpc, dev.funder, [watcher.address], 300)
        if self.coin != NATIVE:
            deployment._pay(self.rpc, dev.funder, abi.call("transfer", watcher.address, 200 * ETHER), 0, self.coin)
        self.watcher = open_door(self.federation, watcher)

    def close(self) -> None:
        self.federation.close()

    def later(self, seconds: int) -> None:
        self.rpc.call("evm_increaseTime", seconds)
        self.rpc.call("evm_mine")

    def coins(self, address: Address) -> int:
        return self.federation.coins(address)

    def gather(self) -> None:
        for door in self.doors:
            door.submit(Join(self.terms.charter))
            passed(door)

    def train(self, fault: str = "", attesters: int = 4) -> tuple[int, Root]:
        """Live through a round, by relay; return its number and its final root."""
        view = self.federation.view()
        roots = {i: trials.update(door.address, 1) for i, door in enumerate(self.doors)}
        self.relay(Verb.COMMIT, view.round, roots)
        self.relay(Verb.VOTE, view.round, dict.fromkeys(roots, (0b1111).to_bytes(32, "big")))
        order = [roots[i] for i in bits(self.federation.view().included)]
        root = trials.merged(self.terms.rule, self.terms.trim, self.terms.max_weight, view.round, tuple(order), fault)
        self.relay(Verb.ATTEST, view.round, dict.fromkeys(range(attesters), root))
        record = self.federation.record(view.round)
        assert record is not None
        assert (record.status, record.root) == (Status.FINAL, root)
        return view.round, root

    def relay(self, verb: Verb, round: int, said: dict[int, bytes]) -> None:
        signed = {i: self.doors[i].sign(statement(verb, round, value)) for i, value in said.items()}
        self.watcher.submit(Relay(verb, round, signed, self.federation.view().members))
        passed(self.watcher)

    def roots(self) -> list[Root]:
        return [trials.update(door.address, 1) for door in self.doors]


def statement(verb: Verb, round: int, value: bytes) -> Statement:
    if verb is Verb.VOTE:
        return Vote(round, int.from_bytes(value, "big"))
    return Commit(round, value) if verb is Verb.COMMIT else Attest(round, value)


def passed(door: EthereumLedger, count: int = 1) -> list[Receipt]:
    """Return so many receipts, all without an error."""
    found: list[Receipt] = []
    give_up = time.monotonic() + 60
    while len(found) < count and time.monotonic() < give_up:
        found += door.receipts()
        time.sleep(0.005)
    assert [receipt.error for receipt in found] == [None] * count
    return found


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with DevChain() as dev:
        yield dev


@pytest.fixture(params=["dlc", "native"])
def court(dev: DevChain, request: pytest.FixtureRequest) -> Iterator[Court]:
    court = Court(dev, request.param)
    court.gather()
    yield court
    court.close()


def test_three_colluders_lose_their_stake_to_who_proves_it_and_the_model_is_taken_back(court: Court) -> None:
    federation, watcher = court.federation, court.watcher
    right, base = court.train()
    wrong, root = court.train("1.1023", attesters=3)
    before = court.coins(watcher.address)
    watcher.submit(Challenge(wrong, 1, 1023, court.roots()))
    passed(watcher, 1 if court.coin == NATIVE else 2)  # the coin is approved first
    [case] = federation.open_cases()
    blobs = {**dict(enumerate(court.roots())), MERGED: root}
    for which, blob in blobs.items():
        watcher.submit(Prove(case.id, court.roots(), [trials.proof(blob, which, 1, court.terms.rule)]))
        passed(watcher)
    watcher.submit(Conclude(case.id))
    passed(watcher)
    assert federation.case(case.id).state is State.UPHELD  # type: ignore[union-attr]
    view = federation.view()
    assert (view.base, view.base_round) == (base, right)
    assert view.roster == 0b1000, "who colluded has no seat any more"
    assert [account.slashed // ETHER for account in federation.accounts()] == [100, 100, 100, 0]
    watcher.submit(Claim(watcher.address))
    passed(watcher)
    part = 300 * ETHER * court.terms.challenger_share // 10_000
    if court.coin != NATIVE:  # in the chain's own currency it has paid for gas as well
        assert court.coins(watcher.address) == before + part
    books = federation.books()
    assert books.pool == 50 * ETHER + 300 * ETHER - part
    assert court.coins(federation.court) == books.pool + books.stakes + books.bonds + books.owed
    record = audited.read(federation, first=court.deployed.block)
    assert not replay(record).findings
    assert record.books == books


def test_work_is_paid_to_any_address_and_a_stake_comes_back(court: Court) -> None:
    federation, door = court.federation, court.doors[0]
    court.train()
    elsewhere = Account.create().address
    court.later(700)
    door.submit(Poke())
    passed(door)
    court.watcher.submit(Settle())
    passed(court.watcher)
    door.submit(Claim(elsewhere))
    passed(door)
    assert court.coins(elsewhere) == 10 * ETHER // 4
    door.submit(Leave())
    passed(door)
    door.submit(Exit())
    passed(door)
    court.later(700)
    for _ in range(2):
        door.submit(Poke())
        passed(door)
        court.later(700)
    court.watcher.submit(Settle())
    passed(court.watcher)
    door.submit(Withdraw(elsewhere))
    passed(door)
    assert court.coins(elsewhere) == 10 * ETHER // 4 + 100 * ETHER
    assert not replay(audited.read(federation, first=court.deployed.block)).findings


def test_what_is_withheld_can_be_demanded_and_whoever_has_it_answers(court: Court) -> None:
    federation, watcher, door = court.federation, court.watcher, court.doors[1]
    round, _ = court.train()
    for _ in range(2):
        watcher.submit(Demand(round, 2, 1, court.roots()))
        passed(watcher, 1 if court.coin == NATIVE else 2)
    shown, hidden = (case.id for case in federation.open_cases())
    leaf = trials.proof(court.roots()[2], 2, 1, 0)
    door.submit(Answer(shown, court.roots(), leaf.data, leaf.path))
    passed(door)
    assert federation.account(door.address).claimable == court.terms.bond
    court.later(court.terms.proof_seconds + 1)
    watcher.submit(Forfeit(hidden))
    passed(watcher)
    assert [account.slashed // ETHER for account in federation.accounts()] == [0, 0, 100, 0]
    assert federation.outcome(round).status is Status.VOID  # type: ignore[union-attr]
    assert not replay(audited.read(federation, first=court.deployed.block)).findings


def test_who_signs_twice_loses_everything(court: Court) -> None:
    door, watcher = court.doors[0], court.watcher
    one, other = (door.sign(Commit(1, bytes([n]) * 32)) for n in (1, 2))
    watcher.submit(ReportEquivocation(door.address, Verb.COMMIT, 1, one, other))
    passed(watcher)
    assert court.federation.account(door.address).stake == 0
    assert court.federation.view().active == 0b1110


def test_a_joiner_puts_its_own_stake_down(court: Court) -> None:
    court.watcher.submit(Join(court.terms.charter))
    verbs = [receipt.verb for receipt in passed(court.watcher, 2 if court.coin == NATIVE else 3)]
    assert verbs[-2:] == [Verb.DEPOSIT, Verb.JOIN]
    assert court.federation.account(court.watcher.address).stake == court.terms.stake
    assert court.federation.view().phase is Phase.COMMIT


def test_who_lacks_the_stake_is_told_before_it_pays_for_gas(court: Court) -> None:
    poor: LocalAccount = Account.create()
    deployment.fund(court.rpc, court.dev.funder, [poor.address], 1)
    with pytest.raises(LedgerError, match=r"stake\.amount: .* and deposit takes 1"):
        open_door(court.federation, poor).submit(Join(court.terms.charter))
    with pytest.raises(ConfigError, match=r"cannot pay 0\.1 ether and a stake of 100"):
        deployment.fund(court.rpc, poor, [poor.address], 0.1, terms=court.terms, court=court.federation.court)


def test_a_list_keeps_others_out(dev: DevChain) -> None:
    listed = [Account.create(), Account.create()]
    addresses = [account.address for account in listed]
    court = Court(dev, "native", allow_list=allow_list.root(addresses))
    deployment.fund(court.rpc, dev.funder, addresses, 1, terms=court.terms, court=court.deployed.court)
    door = open_door(court.federation, listed[0], allow_list.proof(addresses, addresses[0]))
    door.submit(Join(court.terms.charter))
    passed(door)
    court.doors[0].submit(Join(court.terms.charter))
    give_up = time.monotonic() + 60
    receipts: list[Receipt] = []
    while not receipts and time.monotonic() < give_up:
        receipts = court.doors[0].receipts()
    assert [receipt.error for receipt in receipts] == ["NotAllowed"]
    court.close()
