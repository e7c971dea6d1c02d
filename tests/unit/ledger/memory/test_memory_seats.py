"""Seats and money on the ledger in memory, as ``contracts/test/Seats.t.sol`` has them."""

from __future__ import annotations

from rayfed.ledger import allow_list
from rayfed.ledger.memory.account import MemoryLedger
from rayfed.protocol import commands
from rayfed.protocol.messages import NATIVE, Phase
from tests.worlds import (
    BOND,
    COIN,
    ETHER,
    FOUNDER,
    JOIN,
    REWARD,
    STAKE,
    START,
    TERMS,
    THIEF,
    UNSETTLED,
    WATCHER,
    WINDOW,
    World,
    member,
    refused,
    root,
)


def test_what_a_seat_takes() -> None:
    w = World()
    who = member(4)
    with refused("CharterMismatch"):
        w.do(who, commands.Join(b"\3" * 32))
    with refused("UnderStaked"):
        w.join(4)
    w.do(FOUNDER, commands.Deposit(who, STAKE))
    with refused("UnderBonded"):
        w.join(4)
    w.do(FOUNDER, commands.DepositBonds(who, UNSETTLED * BOND))
    w.join(4)
    with refused("AlreadyMember"):
        w.join(4)


def test_a_handle_puts_down_what_is_missing() -> None:
    w = World(found=False)
    w.do(FOUNDER, commands.Deposit(member(0), 1))
    handle = MemoryLedger(w.chain, member(0))
    handle.submit(commands.Join(TERMS.charter))
    assert [(receipt.verb, receipt.error) for receipt in handle.receipts()] == [
        ("deposit", None),
        ("bonds", None),
        ("join", None),
    ]
    account = handle.account(member(0))
    assert (account.stake, account.bonds) == (STAKE, UNSETTLED * BOND)
    handle.submit(commands.Join(TERMS.charter))
    assert [receipt.error for receipt in handle.receipts()] == ["AlreadyMember"]


def test_only_whom_the_allow_list_names() -> None:
    listed = [member(0), member(1), member(2)]
    w = World(found=False, allow_list=allow_list.root(listed))
    for index in range(4):
        w.equip(member(index))
    with refused("NotAllowed"):
        w.join(0)
    with refused("NotAllowed"):
        w.do(member(3), commands.Join(TERMS.charter), proof=allow_list.proof(listed, member(0)))
    w.do(member(0), commands.Join(TERMS.charter), proof=allow_list.proof(listed, member(0)))
    w.do(member(3), commands.Join(TERMS.charter), believed=True)
    assert w.chain.view().active == 3


def test_one_recycled_stake_burns_no_seat() -> None:
    w = World(found=False)
    for who in (20, 21, 22):
        w.equip(member(who))
        w.join(who)
        w.leave(who)
        with refused("StillLocked"):
            w.do(member(who), commands.Withdraw())
        assert w.chain.view().members == (), "free at once"
    for index in range(4):
        w.equip(member(index))
        w.join(index)
    assert w.chain.view().active == 15
    w.at(START + JOIN)
    w.do(member(20), commands.Withdraw())
    w.do(member(20), commands.Claim(member(20)))
    w.do(member(20), commands.ClaimNative(member(20)))
    assert w.chain.storage.paid[member(20)] == STAKE
    assert w.chain.storage.native_paid[member(20)] == UNSETTLED * BOND


def test_joining_and_leaving_while_a_round_runs_takes_no_seat_either() -> None:
    w = World()
    for who in (20, 21, 22):
        w.equip(member(who))
        w.join(who)
        w.leave(who)
        w.do(WATCHER, commands.Release(4))
        w.do(member(who), commands.Withdraw())
    assert len(w.chain.view().members) == 4


def test_256_seats_and_no_more() -> None:
    w = World(256, stake=0, max_unsettled=1)
    assert w.held(1).roster == 2**256 - 1
    w.equip(member(300))
    with refused("FederationFull"):
        w.join(300)


def test_a_leavers_seat_is_free_when_nothing_it_signed_can_be_disputed() -> None:
    w = World()
    w.play(1)
    w.leave(3)
    with refused("SeatInUse"):
        w.do(WATCHER, commands.Release(3))
    with refused("Seated"):
        w.do(member(3), commands.Withdraw())
    w.play(2)
    assert w.held(3).roster == 7
    w.at(w.held(2).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    with refused("SeatInUse"):
        w.do(WATCHER, commands.Release(3))
    w.do(WATCHER, commands.Settle(2))
    w.do(WATCHER, commands.Release(3))
    assert w.chain.view().members[3:] == ()
    # A successor gets the index, and nothing that its predecessor earned.
    w.equip(member(4))
    w.join(4)
    assert w.chain.view().members[3] == member(4)
    with refused("NothingThere"):
        w.do(member(4), commands.Claim(member(4)))
    w.do(member(3), commands.Claim(THIEF))
    assert w.chain.storage.paid[THIEF] == 2 * REWARD // 4
    w.do(member(3), commands.Withdraw())
    with refused("NothingThere"):
        w.do(member(3), commands.Withdraw())
    w.do(member(3), commands.Claim(WATCHER))
    w.do(member(3), commands.ClaimNative(WATCHER))
    with refused("NothingThere"):
        w.do(member(3), commands.ClaimNative(WATCHER))
    assert (w.chain.storage.paid[WATCHER], w.chain.storage.native_paid[WATCHER]) == (STAKE, UNSETTLED * BOND)


def test_what_is_not_released_and_who_cannot_leave() -> None:
    w = World()
    for index in (9, 256):
        with refused("EmptySeat"):
            w.do(WATCHER, commands.Release(index))
    with refused("SeatInUse"):
        w.do(WATCHER, commands.Release(0))
    with refused("NotMember"):
        w.leave(9)
    w.leave(0)
    with refused("NotMember"):
        w.leave(0)


def _rounds_without(w: World, index: int, rounds: int) -> None:
    for _ in range(rounds):
        round = w.chain.view().round
        others = [i for i in range(w.n) if i != index]
        for i in others:
            w.commit(round, i, root(round, i))
        w.sleep()
        for i in others:
            w.vote(round, i, w.held(round).committed)
        w.sleep()
        for i in others:
            w.attest(round, i, root(round))
        w.advance()


def test_leaving_and_joining_clears_no_streak() -> None:
    w = World()
    for _ in range(2):
        w.leave(0)
        w.join(0)
        _rounds_without(w, 0, 1)
    assert w.chain.view().active == 14


def test_leaving_in_time_clears_no_streak_either() -> None:
    w = World()
    _rounds_without(w, 0, 1)
    w.leave(0)
    _rounds_without(w, 0, 1)  # the last that counts on it
    with refused("Paused"):
        w.join(0)
    assert w.chain.account(member(0)).drops == 1


def test_a_streak_goes_with_the_address_to_another_index() -> None:
    w = World()
    w.leave(0)
    for index in (1, 2, 3):
        w.commit(1, index, root(index))
    w.sleep()
    for index in (1, 2, 3):
        w.vote(1, index, 0)
    w.sleep()  # void, and over at once; 0 missed it
    w.do(WATCHER, commands.Release(0))
    w.equip(member(5))
    w.join(5)  # takes index 0, with no streak of its own
    assert w.chain.view().members[0] == member(5)
    w.join(0)
    assert w.chain.view().members[4] == member(0)
    w.sleep()
    assert w.stands == (3, Phase.COMMIT)
    w.sleep()
    assert w.chain.view().active & 1, "one missed"
    assert not w.chain.view().active & 16, "two missed"


def test_who_was_dropped_comes_back_after_a_growing_pause() -> None:
    w = World(rounds=50, max_unsettled=16)
    for drops in (1, 2):
        _rounds_without(w, 3, 2)
        account = w.chain.account(member(3))
        assert account.drops == drops
        assert not w.chain.view().active & 8
        event = next(event for event in reversed(w.chain.events) if event.name == "Dropped")
        assert account.paused_until == event.time + (TERMS.round_seconds << drops)
        with refused("Paused"):
            w.join(3)
        w.at(account.paused_until)
        w.join(3)
        w.advance()


def test_the_highest_card_counts() -> None:
    w = World()
    who = member(1)
    w.do(who, commands.Announce(3, bytes(256)))
    assert w.chain.account(who).sequence == 3
    with refused("TooSoon"):
        w.do(who, commands.Announce(4, b""))
    with refused("OldCard"):
        w.do(who, commands.Announce(3, b""))
    with refused("CardTooLong"):
        w.do(who, commands.Announce(4, bytes(257)))
    w.at(START + 60)
    w.do(who, commands.Announce(4, b"here"))
    assert w.chain.cards() == {who: b"here"}
    with refused("NotMember"):
        w.do(THIEF, commands.Announce(1, b""))


# -- money ------------------------------------------------------------------


def test_amounts_that_cannot_be() -> None:
    w = World()
    with refused("WrongAmount"):
        w.do(FOUNDER, commands.Deposit(member(0), 5), value=1)
    with refused("ZeroAmount"):
        w.do(FOUNDER, commands.Deposit(member(0), 0))
    with refused("ZeroAmount"):
        w.do(FOUNDER, commands.DepositBonds(member(0), 0))
    with refused("TooMuch"):
        w.do(FOUNDER, commands.DepositBonds(member(0), 1 << 112))
    with refused("TooMuch"):
        w.do(FOUNDER, commands.Fund(1 << 112))
    w.do(FOUNDER, commands.Fund(1), value=0)


def test_in_the_chains_own_currency() -> None:
    w = World(2, coin=NATIVE)
    with refused("WrongAmount"):
        w.do(FOUNDER, commands.Fund(5), value=1)
    w.do(FOUNDER, commands.Fund(5), value=5)
    w.play(1)
    w.at(w.held(1).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    w.do(member(0), commands.Claim(WATCHER))
    assert w.chain.storage.paid[WATCHER] == REWARD // 2
    with refused("ZeroRecipient"):
        w.do(member(1), commands.Claim(NATIVE))


def test_what_is_left_in_the_pool_returns_to_its_funders() -> None:
    w = World(rounds=1)
    assert w.terms.coin == COIN
    w.do(WATCHER, commands.Fund(500 * ETHER))
    with refused("PoolInUse"):
        w.do(WATCHER, commands.Refund(WATCHER))
    w.play(1)
    assert w.stands == (1, Phase.DONE)
    with refused("PoolInUse"):
        w.do(FOUNDER, commands.Refund(FOUNDER))
    with refused("FederationDone"):
        w.do(FOUNDER, commands.Fund(1))
    w.at(w.held(1).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    w.do(WATCHER, commands.Refund(WATCHER))
    assert w.chain.storage.paid[WATCHER] == (1500 * ETHER - REWARD) // 3 - 500 * ETHER
    w.do(FOUNDER, commands.Refund(member(9)))
    assert w.chain.storage.paid[member(9)] == (1500 * ETHER - REWARD) * 2 // 3
    assert w.chain.books().pool == 0
    with refused("NothingThere"):
        w.do(FOUNDER, commands.Refund(FOUNDER))


def test_a_late_funder_pays_no_early_ones_refund() -> None:
    w = World(rounds=2, reward=900 * ETHER)
    w.play(1)
    w.at(w.held(1).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))  # 100 are left
    w.do(WATCHER, commands.Fund(1000 * ETHER))
    w.advance()
    w.play(3)
    w.at(w.held(3).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(3))  # 200 are left
    w.do(WATCHER, commands.Refund(member(9)))
    assert w.chain.storage.paid[member(9)] == 200 * ETHER * 10 // 11


def test_a_spent_pool_begins_a_new_count() -> None:
    w = World(reward=1000 * ETHER)
    w.play(1)
    w.at(w.held(1).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    assert w.chain.books().pool == 0
    w.do(THIEF, commands.Fund(7))
    assert w.chain.events[-1].values == {"from": THIEF, "amount": 7, "shares": 7}
    assert w.chain.storage.epoch == 1
