"""What an owner's commands do and say, on a ledger in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from rayfed.cli.account_state import AccountState
from rayfed.cli.owner import Owner
from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, RayfedError
from rayfed.ledger.backend import Federation
from rayfed.ledger.memory.backend import MemorySigner
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.commands import (
    Advance,
    Attest,
    Command,
    Commit,
    Deposit,
    DepositBonds,
    EnterRoot,
    Fund,
    Join,
    Vote,
)
from rayfed.protocol.messages import COIN, Phase, Terms

FEDERATION = "0x" + "fe" * 20
MEMBERS = tuple(f"0x{number:040x}" for number in (0xA1, 0xB2, 0xC3, 0xD4))
STRANGER, ELSEWHERE, FOUNDER = (f"0x{number:040x}" for number in (0xE5, 0xF6, 0x17))
TERMS = Terms(
    charter=b"\x0c" * 32,
    genesis=b"\x09" * 32,
    rounds=2,
    join_seconds=100,
    commit_seconds=100,
    vote_seconds=100,
    attest_seconds=100,
    start_members=4,
    min_members=2,
    max_missed=3,
    max_unsettled=4,
    stake=100 * COIN,
    reward=10 * COIN,
    bond=COIN // 100,
    window_seconds=50,
    clock_seconds=30,
    proof_seconds=30,
    rule=1,
    values=200,
)


class World:
    """A federation of four, and its owners."""

    def __init__(self, terms: Terms = TERMS) -> None:
        self.clock = ManualClock()
        self.chain = MemoryChain(terms, self.clock)
        self.federation = MemoryFederation(self.chain, FEDERATION, {})
        self.chain.act(FOUNDER, Fund(20 * COIN))

    def gather(self) -> World:
        terms = self.chain.terms()
        for member in MEMBERS:
            self.chain.act(member, Deposit(member, terms.stake))
            self.chain.act(member, DepositBonds(member, terms.bonds))
            self.chain.act(member, Join(terms.charter))
        self.step()
        return self

    def step(self) -> None:
        self.chain.act(STRANGER, Advance())

    def train(self, root: bytes | None = None) -> World:
        """Have everybody say what an honest member says."""
        for phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST):
            view = self.chain.view()
            assert view.phase is phase
            for index, member in enumerate(MEMBERS):
                if not view.roster >> index & 1:
                    continue
                said: dict[Phase, Command] = {
                    Phase.COMMIT: Commit(view.round, view.context, bytes([view.round, index]) * 16),
                    Phase.VOTE: Vote(view.round, view.context, view.committed),
                    Phase.ATTEST: Attest(view.round, view.context, root or bytes([view.round]) * 32),
                }
                self.chain.act(member, said[phase])
            self.step()
        return self

    def later(self, seconds: int) -> None:
        self.clock.advance(seconds)

    def owner(self, address: Address) -> Owner:
        federation = cast(Federation, self.federation)
        return Owner(federation, federation.ledger(MemorySigner(address)))

    def lines(self, address: Address) -> dict[str, str]:
        lines = AccountState(cast(Federation, self.federation), address).lines()
        return {line[:13].strip(): line[13:] for line in lines}


@pytest.fixture
def world() -> World:
    return World().gather()


def test_what_was_earned_is_paid_to_any_address_once_it_is_settled(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    owner = world.owner(MEMBERS[0])
    with pytest.raises(RayfedError, match=r"^nothing to claim: everything that was earned has been paid$"):
        owner.claim(ELSEWHERE)
    world.train()
    with pytest.raises(
        RayfedError, match=r"^nothing to claim: round 1 can be contested; come back after .* \(in .* s\)$"
    ):
        owner.claim(ELSEWHERE)
    world.later(200)
    owner.claim(ELSEWHERE)
    assert capsys.readouterr().out == f"settled round 1\n2.5 coins to {ELSEWHERE}\n"
    assert world.chain.account(MEMBERS[0]).earned == 25 * COIN // 10
    with pytest.raises(RayfedError, match="everything that was earned has been paid"):
        owner.claim(ELSEWHERE)


def test_stake_and_bonds_come_back_when_nothing_that_was_signed_can_be_judged(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.train()
    owner = world.owner(MEMBERS[0])
    with pytest.raises(RayfedError, match=r"still runs \(round 2\): stop its node, then: python -m rayfed leave"):
        owner.withdraw(ELSEWHERE)
    owner.leave()
    assert capsys.readouterr().out == "left\n"
    with pytest.raises(RayfedError, match="has already left, or lost its seat"):
        owner.leave()
    with pytest.raises(RayfedError, match="can still be lost: round 2 counts on its seat and is still open"):
        owner.withdraw(ELSEWHERE)
    world.train()
    with pytest.raises(RayfedError, match="can still be lost: round 2 can be contested; come back after"):
        owner.withdraw(ELSEWHERE)
    world.later(200)
    capsys.readouterr()
    owner.withdraw(ELSEWHERE)
    said = capsys.readouterr().out.splitlines()
    # Two rewards of 2.5 on top of the stake.
    assert said == [
        "settled round 1",
        "settled round 2",
        "seat 0 is free",
        f"105 coins to {ELSEWHERE}",
        f"0.04 ether to {ELSEWHERE}",
    ]
    with pytest.raises(RayfedError, match=r"^nothing at stake$"):
        owner.withdraw(ELSEWHERE)


def test_after_the_end_withdrawing_does_all_that_comes_before(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(replace(TERMS, rounds=1)).gather().train()
    assert world.chain.view().phase is Phase.DONE
    owner = world.owner(MEMBERS[1])
    with pytest.raises(RayfedError, match="round 1 can be contested"):
        owner.withdraw(ELSEWHERE)
    assert capsys.readouterr().out == "left\n"
    world.later(200)
    owner.withdraw(ELSEWHERE)
    assert capsys.readouterr().out.splitlines()[-2:] == [f"102.5 coins to {ELSEWHERE}", f"0.04 ether to {ELSEWHERE}"]


def test_the_founder_has_its_share_of_what_is_left_of_the_pool(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(replace(TERMS, rounds=1)).gather().train()
    owner = world.owner(FOUNDER)
    with pytest.raises(RayfedError, match="the pool is in use until all is over and settled: round 1 can be"):
        owner.refund(FOUNDER)
    world.later(200)
    owner.refund(FOUNDER)
    assert capsys.readouterr().out == f"settled round 1\n10 coins to {FOUNDER}\n"
    with pytest.raises(LedgerError, match="refund was refused: NothingThere: there is nothing for this account"):
        owner.refund(FOUNDER)


def test_who_has_no_part_in_it_is_told_so(world: World) -> None:
    stranger = world.owner(STRANGER)
    for act in (lambda: stranger.claim(STRANGER), lambda: stranger.withdraw(STRANGER), stranger.leave):
        with pytest.raises(RayfedError, match="is not a member of"):
            act()
    with pytest.raises(RayfedError, match="has no seat"):
        stranger.release(None)
    with pytest.raises(LedgerError, match="release was refused: SeatInUse: a round that is open"):
        stranger.release(2)


def test_stake_bonds_and_pool_grow_by_what_is_put_in(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    owner, member = world.owner(STRANGER), MEMBERS[1]
    with pytest.raises(RayfedError, match=f"the stake of {member} is complete"):
        owner.deposit(member, None)
    with pytest.raises(RayfedError, match=f"the bonds of {member} are complete"):
        owner.bonds(member, None)
    owner.deposit(member, 3 * COIN // 2)
    owner.bonds(member, COIN // 100)
    owner.deposit(STRANGER, None)
    owner.bonds(STRANGER, None)
    owner.fund(2 * COIN)
    assert capsys.readouterr().out.splitlines() == [
        f"1.5 coins at stake for {member}",
        f"0.01 ether in bonds for {member}",
        f"100 coins at stake for {STRANGER}",
        f"0.04 ether in bonds for {STRANGER}",
        "2 coins more in the pool, which holds 22 coins",
    ]


def test_a_card_is_announced_under_the_next_number(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    owner = world.owner(MEMBERS[0])
    owner.announce(b"tcp://10.0.0.1")
    assert capsys.readouterr().out == "announced card 1\n"
    assert world.federation.cards() == {MEMBERS[0]: b"tcp://10.0.0.1"}
    with pytest.raises(LedgerError, match="TooSoon: a card is announced no more often than once a minute"):
        owner.announce(b"again")


def test_an_account_s_standing_is_told(world: World) -> None:
    assert world.lines(STRANGER)["seat"] == "none"
    world.train()
    told = world.lines(MEMBERS[0])
    assert told["account"] == MEMBERS[0]
    assert (told["seat"], told["stake"]) == ("0, active", "100 coins of 100 coins")
    assert (told["bonds"], told["to claim"]) == ("0.04 ether of 0.04 ether", "0 coins, 0 ether")
    world.owner(MEMBERS[0]).leave()
    assert world.lines(MEMBERS[0])["seat"] == "0, has left or was dropped"


def test_a_stake_from_before_the_first_round_comes_back_at_the_forming_deadline() -> None:
    world, member = World(), MEMBERS[0]
    world.chain.act(member, Deposit(member, TERMS.stake))
    world.chain.act(member, DepositBonds(member, TERMS.bonds))
    world.chain.act(member, Join(TERMS.charter))
    owner = world.owner(member)
    owner.leave()
    with pytest.raises(RayfedError, match="come back at the forming deadline; come back after"):
        owner.withdraw(member)
    assert "locked" in world.lines(member)
    world.later(100)
    owner.withdraw(member)
    assert world.chain.account(member).stake == 0


def test_a_root_that_lost_is_undone_before_its_round_is_settled(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody moves for either of two roots: both lose."""
    world.train()
    closed = world.chain.round_of(1)
    assert closed is not None
    world.chain.act(STRANGER, EnterRoot(1, closed.context, b"\x77" * 32))
    with pytest.raises(RayfedError, match="round 1 can be contested; come back after"):
        world.owner(MEMBERS[0]).claim(ELSEWHERE)
    world.later(400)
    with pytest.raises(RayfedError, match="nothing to claim"):
        world.owner(MEMBERS[0]).claim(ELSEWHERE)
    assert "undid round 1: its root lost in court\n" in capsys.readouterr().out
    account = world.chain.account(MEMBERS[0])
    assert (account.stake, account.slashed) == (0, TERMS.stake)
    world.owner(MEMBERS[0]).withdraw(ELSEWHERE)
    assert capsys.readouterr().out == f"seat 0 is free\n0.03 ether to {ELSEWHERE}\n", "all bonds but one"
