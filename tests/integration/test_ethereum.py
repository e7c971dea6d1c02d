"""The Ethereum door on a real chain: Anvil with the compiled contract."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.config.groups.machines import LedgerSettings
from rayfed.encoding.primitives import NO_ROOT
from rayfed.errors import (
    CharterMismatch,
    ConfigError,
    LedgerError,
    LedgerUnreachable,
    NotAFederation,
    Rejected,
    WrongChain,
)
from rayfed.ledger import Ledger
from rayfed.ledger.backend import Locator
from rayfed.ledger.ethereum import abi, connection, parts
from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.backend import EthereumBackend
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.deployment import AT_ONCE, balance, deploy_coin, fund
from rayfed.ledger.ethereum.devchain import DevChain, find_anvil
from rayfed.ledger.ethereum.gas import Gas
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.protocol.commands import (
    Advance,
    Announce,
    Attest,
    Command,
    Commit,
    Deposit,
    Join,
    Leave,
    Settle,
    Undo,
    Vote,
)
from rayfed.protocol.contexts import opening, resting
from rayfed.protocol.messages import NATIVE, Outcome, Phase, Receipt, Status, Terms, Verb, View
from rayfed.runtime.funding import Funding

try:
    find_anvil()
except ConfigError as error:
    pytest.skip(str(error), allow_module_level=True)

CHARTER, GENESIS = b"\1" * 32, b"\2" * 32
PAYING = [Verb.DEPOSIT, Verb.BONDS, Verb.JOIN]
NOBODY = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
LONG = 300.0
"""Seconds that no test waits for: what is waited for happens before."""

NEVER = 1e6
"""Seconds after which nothing is tried again."""


def terms(members: int = 4, rounds: int = 2, **others: int) -> Terms:
    """Return terms of a federation that starts with so many members; phases last minutes."""
    seconds = {f"{name}_seconds": others.pop(name, 600) for name in ("join", "commit", "vote", "attest")}
    changes = {"min_members": max(1, members // 2), "max_missed": 3, "bond": 10**15, **seconds, **others}
    return replace(
        Terms(CHARTER, GENESIS, rounds, 1, 1, 1, 1, start_members=members, min_members=1, max_missed=3), **changes
    )


class World:
    """A chain, and what tests need of it."""

    def __init__(self, chain: DevChain) -> None:
        self.chain = chain
        self.rpc = connection.connect(chain.rpc_url, chain.chain_id)
        self._open: list[EthereumFederation] = []

    def account(self, ether: float = 10) -> LocalAccount:
        account: LocalAccount = Account.create()
        connection.fund(self.rpc, self.chain.funder, [account.address], ether)
        return account

    def found(self, terms: Terms) -> str:
        # Founding what exists gives its address: two tests with equal terms must not meet there.
        return connection.deploy(self.rpc, self.chain.funder, terms, secrets.token_bytes(32)).address

    def open(self, address: str, *, websocket: bool = True, **sending: Any) -> EthereumFederation:
        ws_url = self.chain.ws_url if websocket else None
        federation = EthereumFederation.open(self.chain.rpc_url, address, ws_url=ws_url, **sending)
        self._open.append(federation)
        return federation

    def federation(self, terms: Terms, **options: Any) -> EthereumFederation:
        return self.open(self.found(terms), **options)

    def members(self, federation: EthereumFederation, count: int) -> list[LocalAccount]:
        """Return accounts that have put down what a seat takes."""
        accounts: list[LocalAccount] = [Account.create() for _ in range(count)]
        addresses, there = [one.address for one in accounts], federation.address
        connection.fund(self.rpc, self.chain.funder, addresses, 10, federation=there, terms=federation.terms())
        return accounts

    def doors(self, federation: EthereumFederation, count: int) -> list[EthereumLedger]:
        """Return their doors."""
        return [open_door(federation, one) for one in self.members(federation, count)]

    def later(self, seconds: int) -> None:
        """Let chain time pass."""
        self.rpc.call("evm_increaseTime", seconds)
        self.rpc.call("evm_mine")

    def close(self) -> None:
        for federation in self._open:
            federation.close()


@pytest.fixture(scope="module")
def chain() -> Iterator[DevChain]:
    with DevChain() as chain:
        yield chain


@pytest.fixture
def world(chain: DevChain) -> Iterator[World]:
    world = World(chain)
    yield world
    world.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[World]:
    """A chain that mines only when it is told to (``evm_mine``)."""
    with DevChain(block_time=100_000) as chain:
        rpc = Rpc(chain.rpc_url)
        rpc.call("evm_setAutomine", True)
        world = World(chain)
        yield world
        world.close()


def settled(*doors: Ledger, count: int = 1) -> list[Receipt]:
    """Return so many receipts of each door, in the order of the doors."""
    found: list[Receipt] = []
    for door in doors:
        mine: list[Receipt] = []
        end = time.monotonic() + LONG
        while len(mine) < count and time.monotonic() < end:
            mine += door.receipts()
            time.sleep(0.005)
        assert len(mine) == count
        found += mine
    return found


def went_through(*doors: Ledger) -> list[Receipt]:
    """Return one receipt of each door, all without an error."""
    receipts = settled(*doors)
    assert [receipt.error for receipt in receipts] == [None] * len(doors)
    return receipts


def reach(federation: EthereumFederation, door: Ledger, round: int, phase: Phase) -> View:
    """Wait, as a node does, until the federation is there; take the steps that are due on the way."""
    give_up = time.monotonic() + LONG
    while (view := federation.view()) and (view.round, view.phase) != (round, phase):
        assert time.monotonic() < give_up, view
        if view.due:
            door.submit(Advance())
            went_through(door)
        else:
            federation.wait(view, 5)
    return view


def gathered(federation: EthereumFederation, doors: Sequence[Ledger]) -> View:
    """Have them join; return the view of the first round."""
    for door in doors:
        door.submit(Join(CHARTER))
    went_through(*doors)
    return reach(federation, doors[0], 1, Phase.COMMIT)


def root(node: int, round: int) -> bytes:
    return bytes([node + 1, round] * 16)


# -- a federation's life --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("websocket", [True, False])
def test_four_accounts_take_a_federation_through_two_rounds(world: World, websocket: bool) -> None:
    federation = world.federation(terms(), websocket=websocket)
    doors: list[Ledger] = list(world.doors(federation, 4))
    assert doors[0].terms() == terms()
    forming = doors[0].view()
    assert (forming.round, forming.phase, forming.base, forming.members) == (0, Phase.FORMING, GENESIS, ())
    gathered(federation, doors)
    base, base_round, base_context = GENESIS, 0, CHARTER
    addresses = tuple(door.address for door in doors)
    for round in (1, 2):
        view = reach(federation, doors[0], round, Phase.COMMIT)
        assert view.members == addresses
        assert (view.roster, view.active, view.base, view.base_round) == (15, 15, base, base_round)
        assert view.time < view.deadline <= view.time + 600
        assert view.context == opening(round, base_round, base, base_context, 15, addresses)
        assert doors[0].outcome(round) is None
        for node, door in enumerate(doors):
            door.submit(Commit(round, view.context, root(node, round)))
        commits = went_through(*doors)
        assert {(receipt.verb, receipt.round) for receipt in commits} == {(Verb.COMMIT, round)}
        assert all(21_000 < receipt.gas < 200_000 for receipt in commits)

        start = view.context
        view = reach(federation, doors[1], round, Phase.VOTE)
        assert view.committed == 15
        assert view.roots == tuple(root(node, round) for node in range(4))
        assert view.context == resting(start, 15, view.roots)
        for door in doors:
            door.submit(Vote(round, view.context, 0b0111))
        went_through(*doors)

        voting = view.context
        view = reach(federation, doors[2], round, Phase.ATTEST)
        assert (view.voted, view.included, view.accepts) == (15, 0b0111, (7,) * 4)
        assert view.context == resting(voting, 0b0111, view.roots[:3])
        base, base_round, base_context = root(9, round), round, view.context
        for door in doors[:3]:
            door.submit(Attest(round, view.context, base))
        went_through(*doors[:3])
        assert federation.view().due
        reach(federation, doors[3], *((2, Phase.COMMIT) if round == 1 else (2, Phase.DONE)))
        outcome = doors[0].outcome(round)
        assert outcome is not None
        assert (outcome.status, outcome.root, outcome.included) == (Status.FINAL, base, 0b0111)
        assert outcome.attesters == 0b0111
        doors[3].submit(Attest(round, base_context, base))  # late, but in time
        went_through(doors[3])
        late = doors[0].outcome(round)
        assert late is not None
        assert late.attesters == 0b1111
        evidence = federation.merge_evidence(round)
        assert evidence is not None
        assert (evidence.voting, evidence.context) == (voting, base_context)
        assert evidence.roots == tuple(root(node, round) for node in range(3))
    done = federation.view()
    assert (done.phase, done.base, done.base_round, done.deadline) == (Phase.DONE, base, 2, 0)
    assert done.previous == federation.round_of(2)
    assert done.index_of(doors[2].address) == 2


def test_a_void_round_keeps_the_base_and_what_time_brings_about_is_seen(world: World) -> None:
    federation = world.federation(terms(rounds=2, max_missed=0))
    doors = world.doors(federation, 4)
    gathered(federation, doors)
    world.rpc.call("evm_increaseTime", 600)  # and no block says so
    federation._set_clock()
    view = federation.view()
    assert (view.round, view.phase, view.due) == (1, Phase.COMMIT, True)
    assert federation.outcome(1) is None
    doors[0].submit(Advance())
    went_through(doors[0])
    view = federation.view()
    assert (view.round, view.phase, view.base, view.voids) == (2, Phase.COMMIT, GENESIS, 1)
    assert view.previous is not None
    assert (view.previous.status, view.previous.root) == (Status.OVER, NO_ROOT)
    assert federation.outcome(1) == Outcome(1, Status.OVER, NO_ROOT, 0, 0, view.previous.deadline)
    assert federation.merge_evidence(1) is None


def test_members_leave_and_come_back(world: World) -> None:
    federation = world.federation(terms())
    one, two = world.doors(federation, 2)
    one.submit(Join(CHARTER))
    two.submit(Join(CHARTER))
    went_through(one, two)
    one.submit(Leave())
    went_through(one)
    view = federation.view()
    assert (view.active, view.members) == (0b10, ("", two.address))
    one.submit(Join(CHARTER))
    (receipt,) = went_through(one)
    assert (receipt.verb, receipt.round) == (Verb.JOIN, 0)
    assert federation.view().active == 0b11


@pytest.mark.parametrize("coin", ["native", "dlc"])
def test_who_joins_puts_down_what_is_missing_first(world: World, coin: str) -> None:
    """Approval, deposit, bonds, seat: each waits for the one before, which the chain has to have seen."""
    token = NATIVE if coin == "native" else deploy_coin(world.rpc, world.chain.funder)
    federation = world.federation(replace(terms(), coin=token, stake=10**18))
    account = world.account()
    if coin == "dlc":
        data = "0x" + abi.call("transfer", account.address, 10**18).hex()
        world.rpc.call("eth_sendTransaction", {"from": world.chain.funder.address, "to": token, "data": data})
    door = open_door(federation, account)
    door.submit(Join(CHARTER))
    verbs = [Verb.DEPOSIT, Verb.BONDS, Verb.JOIN] if coin == "native" else [Verb.APPROVE, *PAYING]
    receipts = settled(door, count=len(verbs))
    assert [(receipt.verb, receipt.error) for receipt in receipts] == [(verb, None) for verb in verbs]
    there = federation.account(door.address)
    assert (there.stake, there.bonds) == (10**18, federation.terms().bonds)
    assert federation.view().members == (door.address,)


def test_what_waits_for_something_that_fails_is_refused_by_name(slow: World) -> None:
    federation = slow.federation(terms())
    door = open_door(federation, slow.account())
    slow.rpc.call("evm_setAutomine", False)
    federation._gas._tag = "latest"  # a node that knows no block in the making
    door.submit(Join(CHARTER))
    assert door.is_sending
    assert door.receipts() == []
    slow.rpc.call("evm_mine")
    receipts = settled(door, count=1)
    assert [receipt.verb for receipt in receipts] == [Verb.BONDS]
    slow.rpc.call("evm_setAutomine", True)
    assert [(receipt.verb, receipt.error) for receipt in settled(door)] == [(Verb.JOIN, None)]
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Leave())
    door.submit(Join(b"\5" * 32))
    slow.rpc.call("evm_mine")
    assert [(one.verb, one.error) for one in settled(door, count=2)] == [
        (Verb.LEAVE, None),
        (Verb.JOIN, "CharterMismatch"),
    ]


def test_several_transactions_of_one_account_may_be_on_their_way(world: World) -> None:
    # Anvil forgets a transaction now and then that arrives while the one before it is being mined: sent again, soon.
    federation = world.federation(terms(), resend_seconds=0.5)
    (door,) = world.doors(federation, 1)
    for _ in range(3):
        door.submit(Join(CHARTER))
        door.submit(Leave())
    receipts = settled(door, count=6)
    assert [receipt.error for receipt in receipts] == [None] * 6
    assert door.receipts() == []


def lived(federation: EthereumFederation, door: Ledger, round: int = 1) -> list[Receipt]:
    """A round of one member; return what it sent, steps included."""
    sent: list[Receipt] = []
    for phase, said in (
        (Phase.COMMIT, lambda c: Commit(round, c, root(0, round))),
        (Phase.VOTE, lambda c: Vote(round, c, 1)),
        (Phase.ATTEST, lambda c: Attest(round, c, root(5, round))),
    ):
        view = federation.view()
        assert (view.round, view.phase) == (round, phase)
        for command in (said(view.context), Advance()):
            door.submit(command)
            sent += went_through(door)
    return sent


def test_history_tells_everything_with_its_transaction(world: World) -> None:
    federation = world.federation(terms(members=1, rounds=1))
    (door,) = world.doors(federation, 1)
    door.submit(Join(CHARTER))
    sent = went_through(door)
    door.submit(Advance())
    sent += went_through(door)
    sent += lived(federation, door)
    events = [event for event in federation.events() if event.tx_hash in {one.tx_hash for one in sent}]
    expected = "Joined PhaseOpened Committed PhaseOpened Voted PhaseOpened Attested RoundClosed PhaseOpened"
    assert [event.name for event in events] == expected.split()
    by_hash = {receipt.tx_hash: receipt for receipt in sent}
    assert [by_hash[event.tx_hash].block for event in events] == [event.block for event in events]
    by_name = {event.name: event.values for event in events}
    assert by_name["Joined"] == {"member": door.address.lower(), "index": 0}
    assert by_name["Committed"] == {"place": 256, "root": root(0, 1)}
    assert by_name["Voted"] == {"place": 256, "accepts": 1}
    assert by_name["RoundClosed"]["root"] == root(5, 1)
    phases = [event.values["phase"] for event in federation.events(names=["PhaseOpened"])]
    assert phases == [Phase.FORMING, Phase.COMMIT, Phase.VOTE, Phase.ATTEST, Phase.DONE]
    middle = sent[1].block
    assert {event.block for event in federation.events(middle, middle)} == {middle}


def test_history_is_asked_for_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = world.federation(terms())
    doors = world.doors(federation, 3)
    for door in doors:
        door.submit(Join(CHARTER))
    went_through(*doors)
    whole = list(federation.events())
    assert [event.name for event in whole].count("Joined") == 3
    monkeypatch.setattr("rayfed.ledger.ethereum.events.BLOCKS", 1)
    assert list(federation.events()) == whole


def test_what_rounds_long_ago_came_to_is_told_by_events(world: World) -> None:
    """After sixteen more rounds a slot is written anew; by then the round is settled."""
    given = replace(terms(members=1, rounds=20), stake=7, reward=5, window_seconds=1, max_unsettled=16)
    federation = world.federation(given)
    (door,) = world.doors(federation, 1)
    world.rpc.call("eth_sendTransaction", {
        "from": world.chain.funder.address, "to": federation.address, "value": hex(1000),
        "data": "0x" + abi.call("fund", 1000).hex(),
    })  # fmt: skip
    gathered(federation, [door])
    for round in range(1, 18):
        lived(federation, door, round)
        world.later(3)
        door.submit(Settle(round))
        went_through(door)
    assert federation.round_of(1) is None
    assert federation.outcome(1) == Outcome(1, Status.SETTLED, root(5, 1), 1, 1)
    evidence = federation.merge_evidence(1)
    assert evidence is not None
    assert (evidence.roots, evidence.base, evidence.base_round) == ((root(0, 1),), GENESIS, 0)
    later = federation.merge_evidence(17)
    assert later is not None
    assert (later.base, later.base_round) == (root(5, 16), 16)
    account = federation.account(door.address)
    assert (account.earned, account.claimable, account.stake) == (17 * 5, 17 * 5, 7)
    assert federation.accounts([door.address, NOBODY]) == (account, federation.account(NOBODY))


def test_cards_are_told_the_latest_of_each(world: World) -> None:
    federation = world.federation(terms())
    doors = world.doors(federation, 2)
    for door in doors:
        door.submit(Join(CHARTER))
        door.submit(Announce(1, b"one" + door.address.encode()))
    for door in doors:
        assert [receipt.error for receipt in settled(door, count=2)] == [None, None]
    world.later(61)
    doors[1].submit(Announce(2, b"two"))
    went_through(doors[1])
    assert federation.cards() == {doors[0].address: b"one" + doors[0].address.encode(), doors[1].address: b"two"}
    assert federation.account(doors[1].address).sequence == 2


def test_what_was_told_on_a_branch_that_the_chain_dropped_is_forgotten(slow: World) -> None:
    federation = slow.federation(terms())
    (door,) = slow.doors(federation, 1)
    door.submit(Join(CHARTER))
    went_through(door)
    kept = slow.rpc.call("evm_snapshot")
    door.submit(Announce(1, b"on a branch"))
    went_through(door)
    assert federation.cards() == {door.address: b"on a branch"}
    slow.rpc.call("evm_revert", kept)
    assert federation.cards() == {}
    slow.rpc.call("evm_mine")
    slow.rpc.call("evm_mine")
    assert federation.cards() == {}
    door._sender._outgoing.forget_nonce()
    door.submit(Announce(1, b"on another"))
    went_through(door)
    assert federation.cards() == {door.address: b"on another"}


# -- refusals -------------------------------------------------------------------------------------------------------


def test_the_contracts_refusals_have_their_names(world: World) -> None:
    federation = world.federation(terms(members=1))
    member, stranger = world.doors(federation, 2)
    nothing = bytes(32)

    def refusal(command: Command, door: Ledger) -> str | None:
        door.submit(command)
        (receipt,) = settled(door)
        assert (receipt.gas > 21_000) == (receipt.error is None) == (receipt.block > 0)
        return receipt.error

    assert refusal(Commit(1, nothing, root(1, 1)), stranger) == "NotMember"
    assert refusal(Leave(), stranger) == "NotMember"
    assert refusal(Join(b"\5" * 32), member) == "CharterMismatch"
    assert refusal(Join(CHARTER), member) is None
    assert refusal(Join(CHARTER), member) == "AlreadyMember"
    assert refusal(Advance(), member) is None
    assert refusal(Advance(), member) == "NothingDue"
    here = federation.view().context
    assert refusal(Commit(2, here, root(0, 2)), member) == "WrongRound"
    assert refusal(Vote(1, here, 1), member) == "WrongPhase"
    assert refusal(Commit(1, nothing, root(0, 1)), member) == "WrongContext"
    assert refusal(Commit(1, here, NO_ROOT), member) == "BaseSettled"
    assert refusal(Commit(1, here, root(0, 1)), member) is None
    assert refusal(Commit(1, here, root(0, 1)), member) == "AlreadySpoken"
    assert refusal(Advance(), member) is None
    here = federation.view().context
    assert refusal(Vote(1, here, 2), member) == "BallotOutsideCommits"
    assert refusal(Vote(1, here, 1, 1), member) == "BallotContradicts"
    assert refusal(Join(CHARTER), stranger) is None
    assert refusal(Vote(1, here, 1), stranger) == "NotInRoster"
    assert refusal(Undo(1), stranger) == "NotFinal"


def test_a_refusal_in_a_full_block_has_its_name(slow: World) -> None:
    """The second step fails only because of the first, which is in the same block."""
    federation = slow.federation(terms(members=2))
    doors = slow.doors(federation, 2)
    for door in doors:
        door.submit(Join(CHARTER))
    went_through(*doors)
    slow.rpc.call("evm_setAutomine", False)
    federation._gas._tag = "latest"  # or the second would see the first on its way
    for door in doors:
        door.submit(Advance())
    slow.rpc.call("evm_mine")
    receipts = settled(*doors)
    assert [receipt.error for receipt in receipts] == [None, "NothingDue"]
    assert receipts[0].block == receipts[1].block


def test_too_little_gas_is_said_to_be_that(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = world.federation(terms())
    (door,) = world.doors(federation, 1)
    monkeypatch.setattr(Gas, "limit", lambda *_, **__: 30_000)
    door.submit(Join(CHARTER))
    (receipt,) = settled(door)
    assert receipt.error == "OutOfGas"


def test_a_ceiling_holds_back_what_is_dearer_but_no_move_in_court(world: World) -> None:
    federation = world.federation(terms(members=1), max_gas=90_000)
    (door,) = world.doors(federation, 1)
    with pytest.raises(LedgerError, match=r"ledger.max_gas: join needs [\d,]+ gas, and 90,000 are allowed"):
        door.submit(Join(CHARTER))
    assert not door.is_sending
    door.submit(Deposit(door.address, 1))  # its head-room ends at the ceiling
    (receipt,) = went_through(door)
    mined = world.rpc.call("eth_getTransactionByHash", receipt.tx_hash)
    assert receipt.gas < int(mined["gas"], 16) <= 90_000
    federation._gas._ceiling = 1
    door.submit(Settle(1))
    assert [one.error for one in settled(door)] == ["NotUnsettled"]


def test_terms_that_cannot_be_are_refused_by_name(world: World) -> None:
    with pytest.raises(Rejected, match="InvalidTerms") as caught:
        world.found(terms(rounds=0))
    assert caught.value.name == "InvalidTerms"
    assert "rounds" in caught.value.detail


# -- founding, and whom one believes --------------------------------------------------------------------------------


def test_founding_again_finds_what_is_there(world: World) -> None:
    first = connection.deploy(world.rpc, world.chain.funder, terms(), b"\7" * 32)
    again = connection.deploy(world.rpc, world.chain.funder, terms(), b"\7" * 32)
    assert (again.address, again.block, again.gas) == (first.address, first.block, 0)
    other = connection.deploy(world.rpc, world.chain.funder, terms(), b"\x08" * 32)
    assert other.address != first.address
    assert 0 < other.gas < 1_000_000  # the code is there already
    assert world.rpc.call("eth_getCode", parts.PROXY, "latest") == "0x" + parts.PROXY_CODE.hex()


def test_where_nobody_has_put_a_deployer_the_founder_does_once(tmp_path: Path) -> None:
    with DevChain() as chain:
        world = World(chain)
        world.rpc.call("anvil_setCode", parts.PROXY, "0x")
        first = world.federation(terms())
        assert first.terms() == terms()
        again = connection.deploy(world.rpc, chain.funder, terms(), b"\7" * 32)
        assert again.gas < 1_000_000
        assert world.open(again.address).terms() == terms()
        world.close()


def test_genuine_code_at_another_address_is_not_believed(world: World) -> None:
    """It could stand on storage that somebody has written before."""
    address = world.found(terms())
    world.rpc.call("anvil_setCode", NOBODY, world.rpc.call("eth_getCode", address, "latest"))
    with pytest.raises(NotAFederation, match="is not a rayfed federation"):
        world.open(NOBODY)
    world.rpc.call("anvil_setCode", NOBODY, "0x")


def test_a_factory_that_lies_about_its_ledger_is_not_believed(world: World) -> None:
    """Factory, ledger and clone name each other and have the right code, but no deployer put them there by it."""
    address = world.found(terms())
    code = bytes.fromhex(world.rpc.call("eth_getCode", address, "latest")[2:])
    ledger, factory = (str(abi.checksum("0x" + part.hex())) for part in (code[10:30], code[-20:]))
    fakes = ["0x" + "f1" * 20, "0x" + "f2" * 20]
    for fake, original in zip(fakes, (ledger, factory), strict=True):
        held = world.rpc.call("eth_getCode", original, "latest").replace(ledger[2:].lower(), "f1" * 20)
        world.rpc.call("anvil_setCode", fake, held)
    lie = code[:10] + bytes.fromhex("f1" * 20) + code[30:-20] + bytes.fromhex("f2" * 20)
    where = parts.address_of(fakes[1], fakes[0], terms(), code[-64:-32])
    world.rpc.call("anvil_setCode", where, "0x" + lie.hex())
    with pytest.raises(NotAFederation, match="is not a rayfed federation"):
        world.open(where)


@pytest.mark.parametrize(("rules", "lacks"), [("london", "PUSH0, TLOAD, MCOPY"), ("shanghai", "TLOAD, MCOPY")])
def test_a_chain_that_lacks_instructions_is_not_founded_on(rules: str, lacks: str) -> None:
    chain = DevChain()
    chain._options += ["--hardfork", rules]
    with chain:
        rpc = Rpc(chain.rpc_url)
        with pytest.raises(LedgerError, match=rf"ledger.rpc_url: chain 31337 lacks instructions .*\({lacks}\)"):
            connection.deploy(rpc, chain.funder, terms())
        assert rpc.call("eth_blockNumber") == "0x0"


def test_a_revert_on_a_chain_that_lacks_instructions_says_so(tmp_path: Path) -> None:
    """A federation whose chain came to have older rules, as one that is not what it is said to be."""
    state = tmp_path / "chain.json"
    with DevChain(state=state) as chain:
        world = World(chain)
        federation = world.federation(terms())
        (account,) = world.members(federation, 1)
        world.close()
    older = DevChain(state=state)
    older._options += ["--hardfork", "london"]
    with older:
        world = World(older)
        there = EthereumFederation(world.rpc, federation.address, terms())
        there._set_clock()
        door = open_door(there, account)
        door.submit(Leave())
        assert [receipt.error for receipt in settled(door)] == ["InvalidOpcode"]
        there.close()


# -- bad settings ---------------------------------------------------------------------------------------------------


def test_another_chain_is_refused(world: World) -> None:
    address = world.found(terms())
    with pytest.raises(WrongChain, match=r"ledger.chain_id: wanted chain 1, but http://127.0.0.1:\d+ is chain 31337"):
        EthereumFederation.open(world.chain.rpc_url, address, chain_id=1)


def test_a_dead_rpc_is_named() -> None:
    with pytest.raises(
        LedgerUnreachable, match=r"ledger.rpc_url: no answer from http://127.0.0.1:1: connection refused"
    ):
        EthereumFederation.open("http://127.0.0.1:1", NOBODY)


def test_an_address_that_is_none_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match="federation_address: 'nowhere' is not an Ethereum address"):
        world.open("nowhere")


def test_an_account_without_code_is_no_federation(world: World) -> None:
    with pytest.raises(NotAFederation, match=f"federation_address: there is no contract at {NOBODY} on chain 31337"):
        world.open(NOBODY)


def test_other_code_is_no_federation_though_it_answers(world: World) -> None:
    address = world.found(terms())
    code = bytearray.fromhex(world.rpc.call("eth_getCode", address, "latest")[2:])
    world.rpc.call("anvil_setCode", NOBODY, "0x" + (bytes(code) + b"\0").hex())
    with pytest.raises(NotAFederation, match="is not a rayfed federation"):
        world.open(NOBODY)
    world.rpc.call("anvil_setCode", NOBODY, "0x")


def test_another_charter_is_refused(world: World) -> None:
    address = world.found(terms())
    EthereumFederation.open(world.chain.rpc_url, address, charter_hash=CHARTER).close()
    with pytest.raises(CharterMismatch, match=f"charter: {address} was founded on charter 0101.*yours is 0909"):
        EthereumFederation.open(world.chain.rpc_url, address, charter_hash=b"\x09" * 32)


def test_an_address_in_small_letters_is_the_same_federation(world: World) -> None:
    address = world.found(terms())
    assert world.open(address.lower()).address == address


def test_an_account_without_funds_is_named(world: World) -> None:
    federation = world.federation(terms())
    door = open_door(federation, Account.create())
    with pytest.raises(LedgerError, match=f"ledger.fund_ether: {door.address} cannot pay for bonds"):
        door.submit(Join(CHARTER))
    connection.fund(world.rpc, world.chain.funder, [door.address], 1)
    door.submit(Join(CHARTER))
    assert [receipt.error for receipt in settled(door, count=2)] == [None, None]


def test_an_account_that_can_pay_what_goes_along_but_no_gas_is_named(world: World) -> None:
    federation = world.federation(terms())
    poor = Account.create()
    put = {"terms": federation.terms(), "federation": federation.address}
    connection.fund(world.rpc, world.chain.funder, [poor.address], 0, **put)
    world.rpc.call("anvil_setBalance", poor.address, "0x0")
    door = open_door(federation, poor)
    with pytest.raises(LedgerError, match=f"ledger.fund_ether: {door.address} cannot pay for join"):
        door.submit(Join(CHARTER))


def test_a_purse_without_funds_is_named(world: World) -> None:
    poor = Account.create()
    with pytest.raises(LedgerError, match=f"{poor.address} cannot found a federation"):
        connection.deploy(world.rpc, poor, terms(), b"\x09" * 32)
    with pytest.raises(ConfigError, match=f"ledger.fund_ether: {poor.address} cannot pay 1 ether to each of 2 nodes"):
        connection.fund(world.rpc, poor, [NOBODY, NOBODY], 1)


def test_funding_many_at_once(world: World) -> None:
    accounts = [Account.create().address for _ in range(AT_ONCE + 1)]
    before = balance(world.rpc, world.chain.funder.address)
    connection.fund(world.rpc, world.chain.funder, accounts, 0.25)
    assert {balance(world.rpc, account) for account in accounts} == {10**18 // 4}
    paid = before - balance(world.rpc, world.chain.funder.address)
    assert 0 <= paid - len(accounts) * 10**18 // 4 < 10**17  # the rest is gas
    connection.fund(world.rpc, world.chain.funder, accounts, 0)
    connection.fund(world.rpc, world.chain.funder, [], 1)
    assert balance(world.rpc, accounts[0]) == 10**18 // 4


def test_funding_pays_all_or_none(world: World) -> None:
    fresh = Account.create().address
    refuses = Account.create().address
    world.rpc.call("anvil_setCode", refuses, "0x5f5ffd")
    with pytest.raises(ConfigError, match=r"ledger.fund_ether: .* cannot pay"):
        connection.fund(world.rpc, world.chain.funder, [fresh, refuses], 1)
    assert balance(world.rpc, fresh) == 0


# -- waiting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("websocket", [True, False])
def test_waiters_in_all_threads_wake_when_the_phase_opens(world: World, websocket: bool) -> None:
    address = world.found(terms(members=2))
    speaking = world.open(address)
    doors = world.doors(speaking, 2)
    listening = world.open(address, websocket=websocket)
    seen = listening.view()
    waiting = [threading.Thread(target=listening.wait, args=(seen, LONG), daemon=True) for _ in range(4)]
    for thread in waiting:
        thread.start()
    doors[0].submit(Join(CHARTER))
    went_through(doors[0])
    assert all(thread.is_alive() for thread in waiting)  # one more member, but the same phase
    doors[1].submit(Join(CHARTER))
    for thread in waiting:
        thread.join(LONG / 2)
    assert not any(thread.is_alive() for thread in waiting)
    seen = listening.view()
    assert (seen.phase, seen.due) == (Phase.FORMING, True)
    waiting = [threading.Thread(target=listening.wait, args=(seen, LONG), daemon=True) for _ in range(4)]
    for thread in waiting:
        thread.start()
    doors[0].submit(Advance())
    for thread in waiting:
        thread.join(LONG / 2)
    assert not any(thread.is_alive() for thread in waiting)
    assert listening.view().phase is Phase.COMMIT


def test_waiting_ends_at_the_deadline_and_a_step_is_due(world: World) -> None:
    for seconds in (2, 20, 200):  # on a machine that stands still for so long there may be nothing left to wait for
        federation = world.federation(terms(members=1, commit=seconds, rounds=3))
        (door,) = world.doors(federation, 1)
        view = gathered(federation, [door])
        if not view.due:
            break
    assert not view.due
    federation.wait(view, LONG)
    after = federation.view()
    assert (after.round, after.phase, after.due) == (1, Phase.COMMIT, True)
    assert after.time >= view.deadline


def test_a_deadline_that_passed_without_effect_is_no_reason_to_return(world: World) -> None:
    federation = world.federation(terms(members=2, join=1))
    world.later(5)
    view = federation.view()
    assert (view.phase, view.deadline < view.time) == (Phase.FORMING, True)
    before = time.monotonic()
    federation.wait(view, 0.3)
    assert time.monotonic() - before >= 0.3


def test_chain_time_goes_on_though_nothing_is_mined(world: World) -> None:
    """Who connects long after the last block still knows the time (and not by this machine's date)."""
    address = world.found(terms(members=1, rounds=1))
    ahead = 7_000
    world.rpc.call("evm_increaseTime", ahead)
    latest = int(world.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    federation = world.open(address)
    assert latest + ahead <= federation.now() <= latest + ahead + 600
    assert federation.view().time >= latest + ahead
    world.rpc.call("evm_mine")


def test_one_answer_serves_all_who_asked_before_it_was_asked_for(world: World) -> None:
    federation = world.federation(terms())
    asked: list[str] = []
    call = federation.rpc.call
    gate = threading.Event()

    def slow_call(method: str, *params: Any) -> Any:
        asked.append(method)
        gate.wait(LONG)
        return call(method, *params)

    federation.rpc.call = slow_call  # type: ignore[method-assign]  # to hold the first question back
    views: list[View] = []
    threads = [threading.Thread(target=lambda: views.append(federation.view())) for _ in range(8)]
    for thread in threads:
        thread.start()
    while not asked or _in_line(threads) < 7:
        time.sleep(0.001)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(views) == 8
    assert len(asked) == 2  # the first one's, and one for all the others


def _in_line(threads: Sequence[threading.Thread]) -> int:
    """Return how many of these threads have asked for a view, and wait for somebody's answer."""
    frames = [sys._current_frames().get(thread.ident or 0) for thread in threads]
    return sum(
        f is not None and f.f_code is EthereumFederation.view.__code__ and "wanted_at" in f.f_locals for f in frames
    )


# -- trouble on the way ---------------------------------------------------------------------------------------------


def test_a_transaction_that_nobody_mines_is_sent_again_with_higher_fees(slow: World) -> None:
    federation = slow.federation(terms(), resend_seconds=0.05)
    (door,) = slow.doors(federation, 1)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Join(CHARTER))
    first = _pending(slow, door)
    end = time.monotonic() + LONG
    while (again := _pending(slow, door))["hash"] == first["hash"] and time.monotonic() < end:
        assert door.receipts() == []
        time.sleep(0.01)
    assert again["nonce"] == first["nonce"]
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(again[fee], 16) >= 1.125 * int(first[fee], 16)
    slow.rpc.call("evm_mine")
    (receipt,) = went_through(door)
    mined = slow.rpc.call("eth_getTransactionByHash", receipt.tx_hash)
    assert (mined["nonce"], mined["blockNumber"]) == (first["nonce"], hex(receipt.block))


def test_a_transaction_that_is_never_mined_is_given_up_and_said_to_be(slow: World) -> None:
    federation = slow.federation(terms(), give_up_seconds=0.1)
    (door,) = slow.doors(federation, 1)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Join(CHARTER))
    (receipt,) = settled(door)
    assert (receipt.verb, receipt.error, receipt.block) == (Verb.JOIN, "NotMined", 0)
    assert door.receipts() == []


def test_no_move_in_court_waits_for_a_transaction_that_is_stuck(slow: World) -> None:
    federation = slow.federation(terms())
    (rounds,) = slow.doors(federation, 1)
    court = rounds.handle()
    slow.rpc.call("evm_setAutomine", False)
    rounds.submit(Join(CHARTER))
    court.submit(Settle(1))
    (receipt,) = court.receipts()
    assert receipt.error == "NotUnsettled", "by the time that the other one is mined another move may be due"
    assert rounds.is_sending
    slow.rpc.call("evm_setAutomine", True)
    went_through(rounds)


def test_a_transaction_that_the_chain_lost_is_sent_again(slow: World) -> None:
    federation = slow.federation(terms(), resend_seconds=0.05)
    (door,) = slow.doors(federation, 1)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Join(CHARTER))
    slow.rpc.call("anvil_dropAllTransactions")
    slow.rpc.call("evm_setAutomine", True)
    went_through(door)


def test_a_chain_that_forgot_blocks_gets_the_missing_nonce(slow: World) -> None:
    federation = slow.federation(terms(), resend_seconds=0.05)
    (door,) = slow.doors(federation, 1)
    kept = slow.rpc.call("evm_snapshot")
    door.submit(Join(CHARTER))
    went_through(door)
    slow.rpc.call("evm_revert", kept)
    door.submit(Join(CHARTER))  # by nonce 1, of which the chain knows no 0
    went_through(door)
    assert federation.view().active == 1


def test_what_fell_out_of_the_chain_is_sent_again_at_once(slow: World) -> None:
    federation = slow.federation(terms(), confirmations=3, resend_seconds=NEVER, quiet_seconds=NEVER)
    (door,) = slow.doors(federation, 1)
    kept = slow.rpc.call("evm_snapshot")
    door.submit(Join(CHARTER))
    assert door.receipts() == []  # it was seen in a block, and is not confirmed
    slow.rpc.call("evm_revert", kept)
    end = time.monotonic() + LONG
    while not federation.view().active:
        assert time.monotonic() < end
        assert door.receipts() == []
        time.sleep(0.1)
    kept = slow.rpc.call("evm_snapshot")
    slow.rpc.call("anvil_mine", "0x2")
    went_through(door)
    door.submit(Leave())
    slow.rpc.call("anvil_mine", "0x2")
    went_through(door)
    slow.rpc.call("evm_revert", kept)  # and what was heard already
    door.submit(Leave())
    slow.rpc.call("anvil_mine", "0x2")
    went_through(door)
    assert federation.view().active == 0


def test_what_follows_on_what_fell_out_is_sent_again_at_once(slow: World) -> None:
    """Two are on their way when the chain leaves the block before them: by their nonces nobody would mine them."""
    federation = slow.federation(terms(), resend_seconds=NEVER)
    (door,) = slow.doors(federation, 1)
    kept = slow.rpc.call("evm_snapshot")
    door.submit(Join(CHARTER))
    went_through(door)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Announce(1, b"on its way"))
    door.submit(Leave())
    slow.rpc.call("evm_revert", kept)
    slow.rpc.call("anvil_dropAllTransactions")
    slow.rpc.call("evm_setAutomine", True)
    announced, left = settled(door, count=2)
    assert {announced.error, left.error} <= {None, "NotMember"}, "it is no member on this branch"
    assert int(slow.rpc.call("eth_getTransactionCount", door.address, "latest"), 16) == 2
    door.submit(Join(CHARTER))
    went_through(door)


def test_a_chain_without_a_price_for_gas_is_sent_the_same_again(slow: World) -> None:
    """The account owns nothing any more, so that no price above zero can be paid."""
    federation = slow.federation(terms(), resend_seconds=0.05)
    account = Account.create()
    fund(slow.rpc, slow.chain.funder, [account.address], 0, terms=federation.terms(), federation=federation.address)
    slow.rpc.call("anvil_setBalance", account.address, "0x0")
    door = open_door(federation, account)
    slow.rpc.call("evm_setAutomine", False)
    slow.rpc.call("anvil_setNextBlockBaseFeePerGas", "0x0")
    slow.rpc.call("evm_mine")
    federation._fees._fees, federation._fees._asked = (0, 0), time.monotonic() + LONG  # as such a chain's node says
    door.submit(Join(CHARTER))
    slow.rpc.call("anvil_dropAllTransactions")
    time.sleep(0.2)
    assert door.receipts() == []
    assert door._sender._flights[0].fields["maxFeePerGas"] == 0
    slow.rpc.call("anvil_setNextBlockBaseFeePerGas", "0x0")
    slow.rpc.call("evm_mine")
    went_through(door)
    assert federation.view().active == 1


def test_a_nonce_that_another_process_used_is_asked_for_anew(world: World) -> None:
    federation = world.federation(terms())
    (account,) = world.members(federation, 1)
    door, double = open_door(federation, account), open_door(federation, account)
    door.submit(Join(CHARTER))
    went_through(door)
    double.submit(Leave())
    went_through(double)
    door.submit(Join(CHARTER))
    went_through(door)
    assert federation.view().active == 1


def test_a_nonce_used_by_another_transaction_is_reported(slow: World) -> None:
    federation = slow.federation(terms(), resend_seconds=0.05)
    (account,) = slow.members(federation, 1)
    door, double = open_door(federation, account), open_door(federation, account)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Join(CHARTER))
    slow.rpc.call("anvil_dropAllTransactions")
    double.submit(Deposit(double.address, 1))
    slow.rpc.call("evm_mine")
    went_through(double)
    (receipt,) = settled(door)
    assert (receipt.error, receipt.block) == ("Overtaken", 0)


def test_confirmations_are_waited_for(slow: World) -> None:
    federation = slow.federation(terms(), confirmations=3, quiet_seconds=NEVER)
    (door,) = slow.doors(federation, 1)
    door.submit(Join(CHARTER))
    for _ in range(2):
        time.sleep(0.3)
        assert door.receipts() == []
        slow.rpc.call("evm_mine")
    went_through(door)


def test_a_chain_without_a_next_block_is_not_waited_for_in_vain(slow: World) -> None:
    """Anvil mines when there is something to mine: nothing comes after a federation's last transaction."""
    federation = slow.federation(terms(), confirmations=3, quiet_seconds=NEVER)
    (door,) = slow.doors(federation, 1)
    door.submit(Join(CHARTER))
    time.sleep(0.3)
    assert door.receipts() == []
    door._sender._quiet_seconds = 0.3
    went_through(door)


def test_fees_that_rose_are_asked_for_again(slow: World) -> None:
    federation = slow.federation(terms())
    (door,) = slow.doors(federation, 1)
    door.submit(Join(CHARTER))
    went_through(door)
    slow.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    slow.rpc.call("evm_mine")
    door.submit(Leave())
    went_through(door)


def test_what_was_too_dear_to_send_again_is_sent_once_gas_is_cheap(slow: World) -> None:
    """A transaction that a reorganisation took back, in a minute in which its sender cannot pay for another one."""
    federation = slow.federation(terms(), resend_seconds=0.05)
    (door,) = slow.doors(federation, 1)
    slow.rpc.call("evm_setAutomine", False)
    door.submit(Join(CHARTER))
    slow.rpc.call("anvil_dropAllTransactions")
    slow.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(10**15))
    slow.rpc.call("evm_mine")
    federation._fees.forget()  # as it does by itself every quarter of a minute
    end = time.monotonic() + 2.0
    while time.monotonic() < end:  # some dozens of tries, each of which asks for more than the account has
        assert door.receipts() == []
        time.sleep(0.02)
    slow.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    slow.rpc.call("evm_mine")
    slow.rpc.call("evm_setAutomine", True)
    federation._fees.forget()
    went_through(door)
    assert federation.view().active == 1


def test_what_a_founder_gave_is_given_again_where_the_chain_went_back(slow: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("rayfed.runtime.funding.LOOK_SECONDS", 0.0)
    federation = slow.federation(terms())
    addresses = [Account.create().address for _ in range(3)]
    locator = Locator("rpc", slow.chain.chain_id, {"rpc_url": slow.chain.rpc_url})
    backend = EthereumBackend(slow.rpc, locator, LedgerSettings())
    endowment = Funding(backend, slow.chain.funder, federation, addresses, 0.5, 0)
    before = slow.rpc.call("evm_snapshot")
    endowment.give()
    slow.rpc.call("evm_revert", before)
    assert [balance(slow.rpc, address) for address in addresses] == [0] * 3
    view, given = federation.view(), 5 * 10**17 + federation.terms().bond
    endowment.look(replace(view, phase=Phase.COMMIT))  # who has a seat has had it all
    assert [balance(slow.rpc, address) for address in addresses] == [0] * 3
    for _ in range(2):  # once is enough
        endowment.look(view)
        assert [balance(slow.rpc, address) for address in addresses] == [given] * 3


@pytest.mark.parametrize("websocket", [True, False])
def test_a_chain_that_is_killed_and_started_again_is_carried_on_with(tmp_path: Path, websocket: bool) -> None:
    state = tmp_path / "chain.json"
    with DevChain(state=state) as chain:
        port = int(chain.rpc_url.rpartition(":")[2])
        world = World(chain)
        federation = world.federation(terms(members=2), websocket=websocket)
        one, two = world.doors(federation, 2)
        one.submit(Join(CHARTER))
        went_through(one)
        seen = federation.view()
        waiting = threading.Thread(target=_wait_through, args=(federation, seen), daemon=True)
        waiting.start()
    with pytest.raises(LedgerUnreachable, match=r"ledger.rpc_url"):
        federation.view()
    with pytest.raises(LedgerUnreachable, match=r"ledger.rpc_url"):
        two.submit(Join(CHARTER))
    assert waiting.is_alive()
    with DevChain(state=state, port=port):
        assert federation.view().members == (one.address,)
        for command in (Join(CHARTER), Advance()):
            two.submit(command)
            went_through(two)
        waiting.join(LONG / 2)
        assert not waiting.is_alive()
        assert federation.view().phase is Phase.COMMIT
        world.close()


def _wait_through(federation: EthereumFederation, seen: View) -> None:
    """Wait as a node does: while the chain is away, again and again."""
    while True:
        try:
            federation.wait(seen, LONG)
            if federation.view().phase is not seen.phase:
                return
        except LedgerUnreachable:
            time.sleep(0.1)


def _pending(world: World, door: Ledger) -> dict[str, Any]:
    pool = world.rpc.call("txpool_content")["pending"]
    by_nonce: dict[str, Any] = next(txs for sender, txs in pool.items() if sender.lower() == door.address.lower())
    (transaction,) = by_nonce.values()
    found: dict[str, Any] = transaction
    return found
