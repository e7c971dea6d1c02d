"""Money and judgement through the doors of real accounts on a real chain: collusion, silence, pay, seats, lists."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.audit import chain as audited
from rayfed.audit.replay import replay
from rayfed.errors import ConfigError, LedgerError
from rayfed.ledger import allow_list
from rayfed.ledger.ethereum import deployment
from rayfed.ledger.ethereum.accounts import open_door
from rayfed.ledger.ethereum.devchain import DevChain, find_anvil
from rayfed.protocol.commands import (
    Advance,
    Claim,
    ClaimNative,
    Collect,
    EnterRoot,
    Join,
    Leave,
    Refund,
    Release,
    Resolve,
    Settle,
    Undo,
    Withdraw,
)
from rayfed.protocol.court import Fate, MatchState, Point, Shown
from rayfed.protocol.messages import NATIVE, Phase, Receipt, Status, Verb
from tests.integration.disputes import ETHER, Trial, give_coins

try:
    find_anvil()
except ConfigError as error:
    pytest.skip(str(error), allow_module_level=True)


def on_anvil(dev: DevChain, coin: str = "native", **changes: object) -> Trial:
    """Return a trial whose clock a test moves."""

    def later(seconds: int) -> None:
        trial.rpc.call("evm_increaseTime", seconds)
        trial.rpc.call("evm_mine")
        trial.federation._set_clock()

    trial = Trial(dev.rpc_url, dev.funder, later, coin, **changes)
    return trial


@pytest.fixture(scope="module")
def dev() -> Iterator[DevChain]:
    with DevChain() as dev:
        yield dev


@pytest.fixture(params=["dlc", "native"])
def trial(dev: DevChain, request: pytest.FixtureRequest) -> Iterator[Trial]:
    trial = on_anvil(dev, request.param)
    yield trial
    trial.close()


def no_findings(trial: Trial) -> bool:
    return not replay(audited.read(trial.federation, first=trial.deployed.block)).findings


def test_three_colluders_lose_their_stakes_and_the_model_is_taken_back(trial: Trial) -> None:
    federation, watcher = trial.federation, trial.watcher
    base = trial.judged()
    assert base == trial.right(1).root
    books = federation.books()
    # A tenth of what was slashed goes to who attested the right root, the rest is burned, as is what is left of bonds.
    assert books.burned == 270 * ETHER
    honest = federation.account(trial.keys[3].address)
    assert (honest.earned, honest.stake) == (10 * ETHER // 4 + 30 * ETHER, 100 * ETHER)
    owed = federation.account(watcher.address).native_claimable
    assert books.native_burned == 3 * ETHER - owed
    before = federation.balance(watcher.address)
    (receipt,) = trial.say(ClaimNative(watcher.address))
    paid = int(trial.rpc.call("eth_getTransactionReceipt", receipt.tx_hash)["effectiveGasPrice"], 16) * receipt.gas
    assert federation.balance(watcher.address) == before + owed - paid
    assert no_findings(trial)


def test_what_was_shown_is_found_again(trial: Trial) -> None:
    trial.gather()
    round, wrong, right = trial.forged()
    trial.to_tournament(round)
    start = Point(round, 0, 0, 1, 0, 41)
    assert trial.federation.shown(start) == Shown()
    trial.descend(round, (0, wrong), (1, None))
    assert trial.federation.shown(start) == Shown(parts_i=wrong.parts(0, 41))
    trial.descend(round, (0, wrong), (1, right))
    assert trial.federation.shown(start) == Shown(wrong.parts(0, 41), right.parts(0, 41))
    match = trial.federation.match(round, 0, 0)
    assert match is not None
    assert (match.state, match.point.count) == (MatchState.PROVING, 1)
    assert 128 * (match.point.first - 1) + match.coordinate == 4_321
    leaf = match.point.first
    assert trial.federation.shown(match.point) == Shown(leaf_i=wrong.leaf(leaf), leaf_j=right.leaf(leaf))


def test_who_is_silent_loses_and_the_right_root_need_not_have_been_attested(trial: Trial) -> None:
    """All four attest a wrong root; somebody without a seat enters the right one, and moves for it alone."""
    trial.gather()
    federation, round = trial.federation, 1
    right = trial.right(round)
    wrong = right.with_value(17, 0)
    trial.train([wrong.root] * 4)
    held = federation.round_of(round)
    assert held is not None
    assert federation.number_of(round, wrong.root) == 0
    assert federation.number_of(round, right.root) is None
    trial.say(EnterRoot(round, held.context, right.root))
    assert federation.number_of(round, right.root) == 1
    entry = federation.entry(round, 1)
    assert entry is not None
    assert (entry.entrant, entry.fate) == (trial.watcher.address, Fate.PENDING)
    assert federation.survivor(round, 1, 0) == (False, None)
    trial.to_tournament(round)
    trial.descend(round, (0, None), (1, right))
    trial.later(trial.terms.clock_seconds + 1)
    assert federation.survivor(round, 1, 0) == (True, 1)
    trial.punish(round)
    trial.say(Collect(round, 1))  # the entrant's bond comes back
    lost, won = federation.entry(round, 0), federation.entry(round, 1)
    assert lost is not None
    assert won is not None
    assert (lost.fate, lost.collected, won.fate, won.collected) == (Fate.LOST, True, Fate.WON, True)
    view = federation.view()
    assert (view.base, view.active, view.phase) == (trial.terms.genesis, 0, Phase.FORMING)
    trial.settle(round)
    assert federation.outcome(round).status is Status.OVER  # type: ignore[union-attr]
    assert federation.books().burned == 400 * ETHER
    assert no_findings(trial)


def test_where_nobody_moves_both_lose_and_it_can_be_kept(trial: Trial) -> None:
    trial.gather()
    round, _, _ = trial.forged()
    trial.to_tournament(round)
    trial.later(trial.terms.clock_seconds + 1)
    trial.say(Resolve(round, 1, 0))
    assert trial.federation.survivor(round, 1, 0) == (True, None)
    trial.say(Undo(round))
    trial.settle(round)
    slashed = [one.slashed // ETHER for one in trial.federation.accounts([key.address for key in trial.keys])]
    assert slashed == [100] * 4
    assert no_findings(trial)


def test_work_is_paid_to_any_address_and_a_stake_comes_back(trial: Trial) -> None:
    federation, door = trial.federation, trial.doors[0]
    trial.gather()
    for _ in range(3):
        trial.train()
    assert federation.view().phase is Phase.DONE
    trial.later(trial.terms.window_seconds + 1)
    for round in (1, 2, 3):
        trial.settle(round)
    elsewhere = Account.create().address
    trial.say(Claim(elsewhere), door)
    assert federation.coins(elsewhere) == 3 * (10 * ETHER // 4)
    trial.say(Leave(), door)
    trial.say(Release(0))
    trial.say(Withdraw(), door)
    there = federation.account(door.address)
    assert (there.stake, there.bonds) == (0, 0)
    assert (there.claimable, there.native_claimable) == (100 * ETHER, 3 * ETHER)
    trial.say(Claim(elsewhere), door)
    trial.say(ClaimNative(elsewhere), door)
    assert federation.coins(elsewhere) >= 3 * (10 * ETHER // 4) + 100 * ETHER
    founder = open_door(federation, trial.funder)
    trial.say(Refund(elsewhere), founder)
    assert federation.books().pool == 0
    assert no_findings(trial)


def test_who_lacks_the_stake_is_told_before_it_pays_for_gas(trial: Trial) -> None:
    poor: LocalAccount = Account.create()
    deployment.fund(trial.rpc, trial.funder, [poor.address], 1)
    setting = r"ledger\.fund_ether" if trial.coin == NATIVE else r"stake\.amount"
    with pytest.raises(LedgerError, match=setting):
        open_door(trial.federation, poor).submit(Join(trial.terms.charter))
    there = trial.federation.address
    with pytest.raises(ConfigError, match=r"cannot pay 0\.1 ether, bonds of 3 ether and a stake of 100"):
        deployment.fund(trial.rpc, poor, [poor.address], 0.1, terms=trial.terms, federation=there)


def test_a_joiner_puts_its_own_stake_down(trial: Trial) -> None:
    if trial.coin != NATIVE:
        give_coins(trial, trial.watcher.address, 100 * ETHER)
    verbs = [receipt.verb for receipt in trial.say(Join(trial.terms.charter))]
    approval = [Verb.APPROVE] if trial.coin != NATIVE else []
    assert verbs == [*approval, Verb.DEPOSIT, Verb.BONDS, Verb.JOIN]
    there = trial.federation.account(trial.watcher.address)
    assert (there.stake, there.bonds) == (trial.terms.stake, trial.terms.bonds)
    assert trial.federation.view().members == (trial.watcher.address,)


def test_a_list_keeps_others_out(dev: DevChain) -> None:
    listed = [Account.create(), Account.create()]
    addresses = [account.address for account in listed]
    trial = on_anvil(dev, allow_list=allow_list.root(addresses))
    deployment.fund(trial.rpc, dev.funder, addresses, 1, terms=trial.terms, federation=trial.deployed.address)
    door = open_door(trial.federation, listed[0], allow_list.proof(addresses, addresses[0]))
    trial.say(Join(trial.terms.charter), door)
    trial.doors[0].submit(Join(trial.terms.charter))
    give_up = time.monotonic() + 400
    receipts: list[Receipt] = []
    while not receipts and time.monotonic() < give_up:
        receipts = trial.doors[0].receipts()
    assert [receipt.error for receipt in receipts] == ["NotAllowed"]
    trial.close()


def test_a_step_that_is_not_due_and_a_round_that_cannot_be_settled_are_refused_by_name(trial: Trial) -> None:
    for command, error in ((Advance(), "NothingDue"), (Settle(1), "NotUnsettled"), (Undo(1), "NotFinal")):
        trial.watcher.submit(command)
        assert [receipt.error for receipt in trial.watcher.receipts()] == [error]
