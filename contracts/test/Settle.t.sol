// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract SettleTest is CourtTest {
    function test_reserves_the_reward_for_who_earned_it() external {
        _play(1, 4);
        _sleepUntilSettled(1);
        vm.assertEq(court.account(_member(0)).pending, REWARD / 4);
        vm.expectEmit();
        emit ICourt.Rewarded(1, REWARD / 4, 15);
        vm.expectEmit();
        emit ICourt.Settled(1);
        court.settle(1);
        vm.assertEq(court.books().pool, 1000 ether - REWARD);
        vm.assertEq(court.books().owed, REWARD);
        vm.assertEq(court.books().settled, 1);
        vm.assertEq(_claimableOf(_member(0)), REWARD / 4);
        vm.assertEq(court.account(_member(0)).pending, 0);
        _expectBalanced();
    }

    /// @dev Three earn: 3 x floor(10^19 / 3), and the rest stays in the pool.
    function test_a_share_is_floored_and_the_dust_stays() external {
        _commitAll(1, 3);
        vm.warp(_now().deadline);
        _voteAll(1, 4, 7);
        _attestAll(1, 4);
        _sleepUntilSettled(1);
        court.settle(1);
        vm.assertEq(court.books().owed, 3 * (REWARD / 3));
        vm.assertEq(court.books().pool, 1000 ether - 3 * (REWARD / 3));
        vm.assertEq(_claimableOf(_member(3)), 0, "no update of its own");
    }

    function test_who_attested_late_is_paid_and_who_did_not_is_not() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        _sleepUntilSettled(1);
        court.settle(1);
        vm.assertEq(_claimableOf(_member(2)), REWARD / 3);
        vm.assertEq(_claimableOf(_member(3)), 0);
        vm.assertEq(_stakeOf(3), STAKE, "silence costs no stake");
    }

    function test_pays_no_more_than_the_pool_holds() external {
        IFederation.Terms memory t = _courtTerms(4);
        _found(t);
        _fund(REWARD + 6);
        _stakeAll(4);
        _joinAll(4);
        _play(1, 4);
        _play(2, 4);
        _play(3, 4);
        vm.assertEq(court.account(_member(1)).pending, REWARD / 4 + 1);
        _sleepUntilSettled(3);
        court.settle(3);
        vm.assertEq(_claimableOf(_member(1)), REWARD / 4 + 1);
        vm.assertEq(court.books().pool, 2);
        _expectBalanced();
    }

    function test_who_went_astray_loses_its_stake_to_the_pool() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        _attest(1, 3, _update(1, 3));
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        _sleepUntilSettled(1);
        vm.expectEmit();
        emit ICourt.Slashed(_member(3), STAKE, ICourt.Reason.Astray, 1);
        vm.expectEmit();
        emit IFederation.Unseated(8);
        court.settle(1);
        vm.assertEq(court.account(_member(3)).slashed, STAKE);
        vm.assertEq(court.books().pool, 1000 ether + STAKE - 3 * (REWARD / 3));
        vm.assertEq(_now().active, 7);
        _expectBalanced();
    }

    function test_who_two_thirds_refused_loses_a_share() external {
        _commitAll(1, 4);
        _voteAll(1, 3, 7);
        _vote(1, 3, 15);
        _attestAll(1, 4);
        vm.assertEq(federation.record(1).refused, 8);
        _sleepUntilSettled(1);
        vm.expectEmit();
        emit ICourt.Slashed(_member(3), STAKE / 20, ICourt.Reason.Refused, 1);
        court.settle(1);
        vm.assertEq(_stakeOf(3), STAKE - STAKE / 20);
        vm.assertEq(_now().active, 7, "it has too little now");
        _expectBalanced();
    }

    function test_less_than_two_thirds_refuse_in_vain() external {
        _commitAll(1, 4);
        _voteAll(1, 2, 7);
        _vote(1, 2, 15);
        _vote(1, 3, 15);
        _attestAll(1, 4);
        vm.assertEq(federation.record(1).refused, 0);
        _sleepUntilSettled(1);
        court.settle(1);
        vm.assertEq(_stakeOf(3), STAKE);
    }

    function test_waits_for_the_window_and_for_cases() external {
        _equip(CHALLENGER);
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        vm.warp(federation.record(1).openUntil + CHALLENGE_SECONDS);
        _expectNothing(0);
        uint256 id = _challenge(1, 4, 1, 7);
        vm.warp(block.timestamp + 1);
        _expectNothing(0);
        vm.warp(block.timestamp + PROOF_SECONDS);
        court.expire(id);
        court.settle(1);
        _expectNothing(1);
        _expectBalanced();
    }

    function test_void_rounds_settle_at_once_but_in_order() external {
        _sleepThrough(1);
        court.settle(9);
        vm.assertEq(court.books().settled, 1);
        _play(2, 4);
        _sleepThrough(3);
        _expectNothing(1);
        _sleepUntilSettled(2);
        court.settle(1);
        vm.assertEq(court.books().settled, 2);
        court.settle(type(uint256).max);
        vm.assertEq(court.books().settled, 3);
    }

    function test_reverts_for_none() external {
        _sleepThrough(1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingToSettle.selector, 0));
        court.settle(0);
    }

    function _expectNothing(uint256 settled) private {
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingToSettle.selector, settled));
        court.settle(9);
    }
}
