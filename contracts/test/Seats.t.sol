// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITreasury} from "../src/ITreasury.sol";
import {Parts} from "../src/Parts.sol";
import {Terms} from "../src/Terms.sol";
import {FederationTest, IFactory, IFederation, cheats} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title Founding, seats, stakes and bonds, cards, the pool (docs/protocol.md, sections 1, 5 and 7).
contract SeatsTest is FederationTest {
    // ---------------------------------------------------------------------------------------------------- founding

    function test_a_federation_is_where_its_terms_say() external {
        Terms memory t = _terms(4);
        t.rounds = 77;
        address at = factory.addressOf(t, bytes32(uint256(1)));
        vm.assertEq(at.code.length, 0);
        vm.prank(THIEF);
        vm.assertEq(factory.found(t, bytes32(uint256(1))), at);
        vm.assertTrue(factory.found(t, bytes32(uint256(1))) == at, "who comes second has it, too");
        vm.assertEq(keccak256(abi.encode(IFederation(at).terms())), keccak256(abi.encode(t)));
        vm.assertEq(IFederation(at).position().deadline, START + JOIN);
        t.rounds = 78;
        vm.assertTrue(factory.addressOf(t, bytes32(uint256(1))) != at);
    }

    function test_a_federation_is_started_once() external {
        vm.expectRevert(ILedger.AlreadyStarted.selector);
        f.start();
    }

    /// @dev Genuine code, but somebody had written its storage: it is at no address that terms give.
    function test_genuine_code_on_poisoned_storage_is_at_another_address() external {
        address fake = address(0xFA4E);
        cheats.etch(fake, address(f).code);
        cheats.store(fake, 0, bytes32(uint256(1)));
        vm.assertEq(fake.code, address(f).code);
        vm.assertEq(keccak256(abi.encode(IFederation(fake).terms())), keccak256(abi.encode(f.terms())));
        vm.assertEq(factory.addressOf(f.terms(), 0), address(f));
        vm.assertTrue(factory.addressOf(f.terms(), 0) != fake);
    }

    function test_reverts_for_terms_out_of_range() external {
        string[24] memory names = [
            "charter",
            "genesis",
            "rounds",
            "joinSeconds",
            "commitSeconds",
            "voteSeconds",
            "attestSeconds",
            "startMembers",
            "minMembers",
            "maxMissed",
            "maxUnsettled",
            "maxVoid",
            "limitSeconds",
            "coin",
            "bond",
            "windowSeconds",
            "clockSeconds",
            "proofSeconds",
            "rightShare",
            "rule",
            "trim",
            "maxWeight",
            "values",
            "encoding"
        ];
        for (uint256 k = 0; k < 24; ++k) {
            Terms memory t = _terms(4);
            if (k == 0) t.charter = 0;
            if (k == 1) t.genesis = 0;
            if (k == 2) t.rounds = 0;
            if (k == 3) t.joinSeconds = 0;
            if (k == 4) t.commitSeconds = 0;
            if (k == 5) t.voteSeconds = 0;
            if (k == 6) t.attestSeconds = 0;
            if (k == 7) t.startMembers = 257;
            if (k == 8) t.minMembers = 5;
            if (k == 9) t.maxMissed = 8;
            if (k == 10) t.maxUnsettled = 17;
            if (k == 11) t.maxVoid = 0;
            if (k == 12) t.limitSeconds = 0;
            if (k == 13) t.coin = address(0x1234);
            if (k == 14) t.bond = 0;
            if (k == 15) t.windowSeconds = 0;
            if (k == 16) t.clockSeconds = 0;
            if (k == 17) t.proofSeconds = 0;
            if (k == 18) t.rightShare = 1001;
            if (k == 19) t.rule = 4;
            if (k == 20) t.trim = 5000;
            if (k == 21) t.maxWeight = 1 << 24;
            if (k == 22) t.values = 0;
            if (k == 23) t.encoding = bytes32(uint256(32));
            vm.expectRevert(abi.encodeWithSelector(IFactory.InvalidTerms.selector, names[k]));
            factory.found(t, bytes32(k));
        }
    }

    // ----------------------------------------------------------------------------------------------------- joining

    function test_reverts_for_another_charter_a_second_time_and_without_stake_or_bonds() external {
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(ILedger.CharterMismatch.selector, CHARTER));
        f.join(keccak256("the first edition's"), new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnderStaked.selector, 0, STAKE));
        _join(4);
        f.deposit(_member(4), STAKE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnderBonded.selector, 0, UNSETTLED * BOND));
        _join(4);
        f.depositBonds{value: UNSETTLED * BOND}(_member(4));
        _join(4);
        vm.expectRevert(abi.encodeWithSelector(ILedger.AlreadyMember.selector, 4));
        _join(4);
    }

    function test_only_whom_the_allow_list_names() external {
        Terms memory t = _terms(1);
        t.minMembers = 1;
        t.allowList = keccak256(bytes.concat(keccak256(abi.encode(_member(0)))));
        f = IFederation(factory.found(t, 0));
        coin.approve(address(f), type(uint256).max);
        _equip(_member(0));
        _equip(_member(1));
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotAllowed.selector, _member(1)));
        _join(1);
        _join(0);
    }

    /// @dev The attack of Poc1, 1: one stake, seat after seat. A seat that was left is free again, and the stake that left
    /// it while the federation formed is locked until the forming deadline.
    function test_one_recycled_stake_burns_no_seat() external {
        _empty(4);
        for (uint256 k = 0; k < 300; ++k) {
            address who = vm.addr(1000 + k);
            if (k < 3) _equip(who); // the attacker has three stakes; the first comes back at the deadline only
            if (k >= 3) break;
            cheats.startPrank(who);
            f.join(CHARTER, new bytes32[](0));
            f.leave();
            vm.expectRevert(abi.encodeWithSelector(ITreasury.StillLocked.selector, START + JOIN));
            f.withdraw();
            cheats.stopPrank();
            vm.assertTrue(f.holders()[0] == address(0), "free at once");
        }
        for (uint256 i = 0; i < 4; ++i) {
            _equip(_member(i));
            _join(i);
        }
        vm.assertEq(f.position().active, 15);
        vm.warp(START + JOIN);
        vm.prank(vm.addr(1000));
        f.withdraw();
        cheats.startPrank(vm.addr(1000));
        f.claim(vm.addr(1000));
        f.claimNative(vm.addr(1000));
        cheats.stopPrank();
        vm.assertEq(coin.balanceOf(vm.addr(1000)), STAKE);
        vm.assertEq(vm.addr(1000).balance, UNSETTLED * BOND);
    }

    function test_joining_and_leaving_while_a_round_runs_takes_no_seat_either() external {
        address[] memory who = new address[](3);
        for (uint256 k = 0; k < 3; ++k) {
            who[k] = vm.addr(1000 + k);
            _equip(who[k]);
            cheats.startPrank(who[k]);
            f.join(CHARTER, new bytes32[](0));
            f.leave();
            cheats.stopPrank();
            f.release(4); // by anybody
            vm.prank(who[k]);
            f.withdraw(); // it saw no round
        }
        vm.assertEq(f.holders()[4], address(0));
    }

    function test_256_seats_and_no_more() external {
        Terms memory t = _terms(256);
        t.stake = 0;
        t.maxUnsettled = 1;
        f = IFederation(factory.found(t, 0));
        vm.deal(address(this), 300 ether);
        for (uint256 i = 0; i < 256; ++i) {
            address who = vm.addr(5000 + i);
            f.depositBonds{value: BOND}(who);
            vm.prank(who);
            f.join(CHARTER, new bytes32[](0));
        }
        vm.assertEq(f.position().active, type(uint256).max);
        f.depositBonds{value: BOND}(_member(0));
        vm.expectRevert(ILedger.FederationFull.selector);
        _join(0);
        vm.prank(vm.addr(5000 + 77));
        f.leave();
        _join(0);
        (uint256 seat,,,) = f.seatOf(_member(0));
        vm.assertEq(seat, 78);
        f.advance();
        vm.assertEq(f.roundOf(1).roster, type(uint256).max);
    }

    // ------------------------------------------------------------------------------------------ leaving, and coming back

    function test_a_leavers_seat_is_free_when_nothing_it_signed_can_be_disputed() external {
        _play(1, 4);
        _leave(3); // in round 2, on whose roster it is
        vm.expectRevert(abi.encodeWithSelector(ILedger.SeatInUse.selector, 3));
        f.release(3);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(ITreasury.Seated.selector, 3));
        f.withdraw();
        _commitAll(2, 4);
        _voteAll(2, 4, 15);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(2, i, _merge(2));
        }
        f.advance();
        vm.assertEq(f.roundOf(3).roster, 7);
        vm.warp(f.roundOf(2).deadline + WINDOW + 1);
        f.settle(1, 9);
        vm.expectRevert(abi.encodeWithSelector(ILedger.SeatInUse.selector, 3));
        f.release(3);
        f.settle(2, 9);
        f.release(3);
        vm.assertEq(f.account(_member(3)).claimable, 2 * REWARD / 4);
        // A successor gets the index, and nothing that its predecessor earned.
        _equip(_member(4));
        _join(4);
        vm.assertEq(f.holders()[3], _member(4));
        vm.assertEq(f.account(_member(4)).claimable, 0);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, _member(4)));
        f.claim(_member(4));
        cheats.startPrank(_member(3));
        f.claim(THIEF);
        vm.assertEq(coin.balanceOf(THIEF), 2 * REWARD / 4);
        f.withdraw();
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, _member(3)));
        f.withdraw();
        f.claim(WATCHER);
        f.claimNative(WATCHER);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, _member(3)));
        f.claimNative(WATCHER);
        cheats.stopPrank();
        vm.assertEq(coin.balanceOf(WATCHER), STAKE);
        vm.assertEq(WATCHER.balance, UNSETTLED * BOND);
    }

    function test_reverts_for_releasing_what_is_empty_or_active_and_leaving_without_a_seat() external {
        vm.expectRevert(abi.encodeWithSelector(ILedger.EmptySeat.selector, 9));
        f.release(9);
        vm.expectRevert(abi.encodeWithSelector(ILedger.EmptySeat.selector, 256));
        f.release(256);
        vm.expectRevert(abi.encodeWithSelector(ILedger.SeatInUse.selector, 0));
        f.release(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotMember.selector, _member(9)));
        _leave(9);
        _leave(0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotMember.selector, _member(0)));
        _leave(0);
    }

    /// @dev The attack of Poc2, 6a: out and in again within one round, with a clean slate each time.
    function test_leaving_and_joining_clears_no_streak() external {
        for (uint32 round = 1; round <= 2; ++round) {
            _leave(0);
            _join(0);
            for (uint256 i = 1; i < 4; ++i) {
                _commit(round, i, _update(round, i));
            }
            _sleep();
            for (uint256 i = 1; i < 4; ++i) {
                _vote(round, i, 14, 0);
            }
            _sleep();
            for (uint256 i = 1; i < 4; ++i) {
                _attest(round, i, _merge(round));
            }
            f.advance();
        }
        vm.assertEq(f.position().active, 14);
    }

    /// @dev Nor does who leaves in the round in which it would be dropped.
    function test_leaving_in_time_clears_no_streak_either() external {
        for (uint32 round = 1; round <= 2; ++round) {
            if (round == 2) _leave(0);
            for (uint256 i = 1; i < 4; ++i) {
                _commit(round, i, _update(round, i));
            }
            _sleep();
            for (uint256 i = 1; i < 4; ++i) {
                _vote(round, i, 14, 0);
            }
            _sleep();
            for (uint256 i = 1; i < 4; ++i) {
                _attest(round, i, _merge(round));
            }
            f.advance();
        }
        (, uint256 drops,,) = f.seatOf(_member(0));
        vm.assertEq(drops, 1);
    }

    /// @dev Nor does it under another index, once the old one is free.
    function test_a_streak_goes_with_the_address_to_another_index() external {
        for (uint256 i = 1; i < 4; ++i) {
            _commit(1, i, _update(1, i));
        }
        _leave(0);
        _sleep();
        for (uint256 i = 1; i < 4; ++i) {
            _vote(1, i, 14, 0);
        }
        _sleep(); // nobody attests: void, and over at once; 0 missed it
        _sleepVoid();
        f.release(0);
        _equip(_member(5));
        _join(5); // takes index 0, with no streak of its own
        vm.assertEq(f.holders()[0], _member(5));
        _join(0);
        (uint256 seat,,,) = f.seatOf(_member(0));
        vm.assertEq(seat, 5);
        _sleep(); // round 2 was without both of them
        _assertPhase(3, ILedger.Phase.Commit);
        vm.assertEq(f.roundOf(3).roster & 17, 17);
        _sleep();
        vm.assertEq(f.position().active & 1, 1, "one missed");
        vm.assertEq(f.position().active & 16, 0, "two missed");
    }

    function test_who_was_dropped_comes_back_after_a_growing_pause() external {
        uint256 length = COMMIT + VOTE + ATTEST;
        for (uint256 drops = 1; drops <= 2; ++drops) {
            while (f.position().active & 8 != 0) {
                while (f.isDue()) f.advance();
                if (f.position().active & 8 == 0) break;
                uint32 round = f.position().round;
                for (uint256 i = 0; i < 3; ++i) {
                    _commit(round, i, _update(round, i));
                }
                _sleep();
                for (uint256 i = 0; i < 3; ++i) {
                    _vote(round, i, 1, 0);
                }
                _sleep(); // one included update is no merge: void
            }
            uint256 until = block.timestamp + (length << drops);
            (, uint256 count,, uint256 paused) = f.seatOf(_member(3));
            vm.assertEq(paused, until);
            vm.assertEq(count, drops);
            vm.expectRevert(abi.encodeWithSelector(ILedger.Paused.selector, until));
            _join(3);
            vm.warp(until);
            _join(3);
        }
    }

    // ------------------------------------------------------------------------------------------------------- cards

    function test_the_highest_card_counts() external {
        vm.prank(_member(1));
        f.announce(3, new bytes(256));
        (,, uint256 sequence,) = f.seatOf(_member(1));
        vm.assertEq(sequence, 3);
        (uint256 seat,,,) = f.seatOf(_member(1));
        vm.assertEq(seat, 2);
        cheats.startPrank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(ILedger.TooSoon.selector, START + 60));
        f.announce(4, "");
        vm.expectRevert(abi.encodeWithSelector(ILedger.OldCard.selector, 3));
        f.announce(3, "");
        vm.expectRevert(abi.encodeWithSelector(ILedger.CardTooLong.selector, 257));
        f.announce(4, new bytes(257));
        vm.warp(START + 60);
        f.announce(4, "");
        cheats.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotMember.selector, THIEF));
        vm.prank(THIEF);
        f.announce(1, "");
    }

    // -------------------------------------------------------------------------------------------------------- money

    function test_reverts_for_wrong_amounts() external {
        vm.expectRevert(abi.encodeWithSelector(ITreasury.WrongAmount.selector, 1, 0));
        f.deposit{value: 1}(_member(0), 5);
        vm.expectRevert(ITreasury.ZeroAmount.selector);
        f.deposit(_member(0), 0);
        vm.expectRevert(ITreasury.ZeroAmount.selector);
        f.depositBonds(_member(0));
        (bool ok, bytes memory answer) = address(f).call{value: 1}("");
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(answer)), bytes32(Parts.NoVerb.selector));
        (ok,) = address(f).call(hex"12345678");
        vm.assertFalse(ok);
    }

    function test_in_the_chains_own_currency() external {
        Terms memory t = _terms(2);
        t.coin = address(0);
        f = IFederation(factory.found(t, 0));
        vm.deal(address(this), 1000 ether);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.WrongAmount.selector, 1, 5));
        f.fund{value: 1}(5);
        vm.deal(address(this), 1 << 120);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.TooMuch.selector, 1 << 112));
        f.fund{value: 1 << 112}(1 << 112);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.TooMuch.selector, 1 << 112));
        f.depositBonds{value: 1 << 112}(_member(0));
        f.fund{value: 20 ether}(20 ether);
        for (uint256 i = 0; i < 2; ++i) {
            f.deposit{value: STAKE}(_member(i), STAKE);
            f.depositBonds{value: UNSETTLED * BOND}(_member(i));
            _join(i);
        }
        f.advance();
        _play(1, 2);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 1);
        vm.prank(_member(0));
        f.claim(WATCHER);
        vm.assertEq(WATCHER.balance, REWARD / 2);
        vm.prank(_member(1));
        vm.expectRevert(ITreasury.ZeroRecipient.selector);
        f.claim(address(0));
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(ITreasury.PaymentFailed.selector, address(f)));
        f.claim(address(f));
    }

    function test_what_is_left_in_the_pool_returns_to_its_funders() external {
        Terms memory t = _terms(4);
        t.rounds = 1;
        f = IFederation(factory.found(t, bytes32(uint256(3))));
        coin.approve(address(f), type(uint256).max);
        _fill(4); // 1000 from this contract
        vm.assertTrue(coin.transfer(WATCHER, 500 ether));
        cheats.startPrank(WATCHER);
        coin.approve(address(f), 500 ether);
        f.fund(500 ether);
        vm.expectRevert(ITreasury.PoolInUse.selector);
        f.refund(WATCHER);
        cheats.stopPrank();
        _play(1, 4);
        _assertPhase(1, ILedger.Phase.Done);
        vm.expectRevert(ITreasury.PoolInUse.selector);
        f.refund(address(this));
        vm.expectRevert(ITreasury.FederationDone.selector);
        f.fund(1);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 9);
        vm.prank(WATCHER);
        f.refund(WATCHER);
        vm.assertEq(coin.balanceOf(WATCHER), (1500 ether - REWARD) / 3);
        uint256 before = coin.balanceOf(address(this));
        f.refund(address(this));
        vm.assertEq(coin.balanceOf(address(this)) - before, (1500 ether - REWARD) * 2 / 3);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, address(this)));
        f.refund(address(this));
    }

    /// @dev Who funds when most is spent gets back what it put in, not a part of what others spent.
    function test_a_late_funder_pays_no_early_ones_refund() external {
        Terms memory t = _terms(4);
        t.rounds = 2;
        t.reward = uint112(900 ether);
        f = IFederation(factory.found(t, bytes32(uint256(4))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
        _play(1, 4);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 9); // 100 are left
        vm.assertTrue(coin.transfer(WATCHER, 1000 ether));
        cheats.startPrank(WATCHER);
        coin.approve(address(f), 1000 ether);
        f.fund(1000 ether);
        cheats.stopPrank();
        f.advance();
        _play(3, 4);
        vm.warp(f.roundOf(3).deadline + WINDOW + 1);
        f.settle(3, 9); // 200 are left
        vm.prank(WATCHER);
        f.refund(WATCHER);
        vm.assertEq(coin.balanceOf(WATCHER), 200 ether * uint256(10) / 11);
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _empty(uint256 n) private {
        f = IFederation(factory.found(_terms(n), bytes32(uint256(9))));
        coin.approve(address(f), type(uint256).max);
    }

    /// @dev Through an attest phase in which nobody says anything.
    function _sleepVoid() private {
        if (f.position().phase == ILedger.Phase.Attest) _sleep();
    }
}
