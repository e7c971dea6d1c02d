// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract ConcludeTest is CourtTest {
    using Blobs for Blob;

    function setUp() public override {
        super.setUp();
        _equip(CHALLENGER);
    }

    function test_a_wrong_merge_is_taken_back_and_costs_its_attesters_their_stake() external {
        uint256 id = _proveWrong(1, 4);
        vm.recordLogs();
        court.conclude(id);
        vm.assertEq(uint256(court.caseOf(id).state), uint256(ICourt.State.Upheld));
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Void));
        vm.assertTrue(federation.record(1).undone);
        vm.assertEq(_now().base, GENESIS);
        vm.assertEq(_now().active, 0);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i), 0);
            vm.assertEq(court.account(_member(i)).slashed, STAKE);
        }
        uint256 share = 4 * STAKE * 4 / 10;
        vm.assertEq(_claimableOf(CHALLENGER), share + BOND);
        vm.assertEq(court.books().pool, 1000 ether + 4 * STAKE - share);
        _expectBalanced();
        vm.prank(CHALLENGER);
        court.claim(CHALLENGER, 0);
        vm.assertEq(coin.balanceOf(CHALLENGER), 100 * BOND + share);
        _expectBalanced();
    }

    /// @dev All but one attest a wrong merge; that one attests the right one, and goes on alone from the true base.
    function test_one_honest_member_is_enough() external {
        IFederation.Terms memory t = _courtTerms(4);
        t.minMembers = 1;
        _found(t);
        _fund(1000 ether);
        _stakeAll(4);
        _joinAll(4);
        vm.prank(CHALLENGER);
        coin.approve(address(court), type(uint256).max);
        Blob memory wrong = _wrongBlob(1, 4);
        bytes32 right = _mergedBlob(1, 4).root;
        bytes32[] memory roots = _rootsOf(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(_member(i));
            federation.commit(1, roots[i]);
        }
        _voteAll(1, 4, 15);
        _attest(1, 0, right);
        for (uint256 i = 1; i < 4; ++i) {
            _attest(1, i, wrong.root);
        }
        vm.assertEq(_now().base, wrong.root);
        vm.assertEq(federation.record(1).astray, 1);
        uint256 id = _challenge(1, 4, 1, 7);
        court.prove(id, roots, _proofs(1, 4, 1, wrong));
        court.conclude(id);
        vm.assertEq(_stakeOf(0), STAKE);
        vm.assertEq(_stakeOf(1), 0);
        _expectPhase(3, IFederation.Phase.Commit);
        vm.assertEq(_now().roster, 1);
        vm.assertEq(_now().base, GENESIS);
        _play(3, 1);
        vm.assertEq(_now().base, _merge(3));
        court.settle(9);
        vm.assertEq(_stakeOf(0), STAKE, "who went astray in an undone round was right");
        _expectBalanced();
    }

    function test_a_right_merge_costs_the_challenger_its_bond() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        uint256 id = _challenge(1, 4, 1, 7);
        court.prove(id, _rootsOf(1, 4), _proofs(1, 4, 1, _mergedBlob(1, 4)));
        vm.expectEmit();
        emit ICourt.Failed(id, false);
        court.conclude(id);
        vm.assertEq(court.books().pool, 1000 ether + BOND);
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Final));
        _expectBalanced();
    }

    function test_every_rule_and_coordinate_of_a_right_merge_stands() external {
        for (uint8 rule = 1; rule <= 3; ++rule) {
            _refound(rule);
            Blob memory merged = _mergedBlob(1, 4);
            _playBlobs(1, 4, merged.root);
            for (uint256 p = 0; p < 5; ++p) {
                uint256 position = Blobs.positions()[p];
                uint256 id = _challenge(1, 4, 1 + position / 1024, position % 1024);
                court.prove(id, _rootsOf(1, 4), _proofs(1, 4, 1 + position / 1024, merged));
                court.conclude(id);
                vm.assertEq(uint256(court.caseOf(id).state), uint256(ICourt.State.Failed));
            }
        }
    }

    function test_every_rule_takes_a_wrong_merge_back() external {
        for (uint8 rule = 1; rule <= 3; ++rule) {
            _refound(rule);
            uint256 id = _proveWrong(1, 4);
            court.conclude(id);
            vm.assertTrue(federation.record(1).undone);
        }
    }

    function test_a_wrong_header_falls() external {
        for (uint256 word = 0; word < 3; ++word) {
            _refound(1);
            Blob memory merged = _mergedBlob(1, 4);
            merged.leaves[0][word * 128 + 31] ^= 0x01;
            merged.root = merged.rootOf();
            _playBlobs(1, 4, merged.root);
            uint256 id = _challenge(1, 4, 0, word * 4);
            ICourt.Proof[] memory proofs = new ICourt.Proof[](1);
            proofs[0] = _proof(merged, MERGED, 0);
            court.prove(id, _rootsOf(1, 4), proofs);
            court.conclude(id);
            vm.assertTrue(federation.record(1).undone);
        }
    }

    function test_a_right_header_stands() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        for (uint256 word = 0; word < 10; ++word) {
            uint256 id = _challenge(1, 4, 0, word);
            ICourt.Proof[] memory proofs = new ICourt.Proof[](1);
            proofs[0] = _proof(_mergedBlob(1, 4), MERGED, 0);
            court.prove(id, _rootsOf(1, 4), proofs);
            court.conclude(id);
            vm.assertFalse(federation.record(1).undone);
        }
    }

    function test_what_is_not_zero_beyond_the_values_falls() external {
        Blob memory merged = _mergedBlob(1, 4);
        merged.set(1100, 1);
        merged.root = merged.rootOf();
        _playBlobs(1, 4, merged.root);
        uint256 id = _challenge(1, 4, 2, 76);
        ICourt.Proof[] memory proofs = new ICourt.Proof[](1);
        proofs[0] = _proof(merged, MERGED, 2);
        court.prove(id, _rootsOf(1, 4), proofs);
        court.conclude(id);
        vm.assertTrue(federation.record(1).undone);
    }

    /// @dev The majority plays on as fast as it can; what it overwrites is not the evidence.
    function test_racing_through_rounds_does_not_help() external {
        _playBlobs(1, 4, _wrongBlob(1, 4).root);
        _play(2, 4);
        _play(3, 4);
        _play(4, 4);
        uint256 id = _challenge(1, 4, 1, 7);
        court.prove(id, _rootsOf(1, 4), _proofs(1, 4, 1, _wrongBlob(1, 4)));
        _play(5, 4);
        _expectPhase(5, IFederation.Phase.Done);
        court.conclude(id);
        for (uint256 round = 1; round <= 5; ++round) {
            vm.assertEq(uint256(federation.outcome(round).status), uint256(IFederation.Status.Void));
        }
        vm.assertEq(_now().base, GENESIS);
        _expectPhase(5, IFederation.Phase.Done);
        court.settle(9);
        vm.assertEq(court.books().owed, 4 * STAKE * 4 / 10 + BOND, "nobody is paid for it");
        _expectBalanced();
    }

    function test_the_first_case_to_win_undoes_the_round_and_the_others_close() external {
        uint256 id = _proveWrong(1, 4);
        uint256 other = _challenge(1, 4, 1, 8);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotUndone.selector, 1));
        court.close(other);
        court.conclude(id);
        vm.expectRevert(abi.encodeWithSelector(ICourt.AlreadyUndone.selector, 1));
        court.conclude(other);
        court.settle(9);
        vm.expectEmit();
        emit ICourt.Closed(other);
        court.close(other);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotOpen.selector, ICourt.State.Closed));
        court.close(other);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotOpen.selector, ICourt.State.Upheld));
        court.conclude(id);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchCase.selector, 9));
        court.close(9);
        vm.assertEq(court.books().bonds, 0);
        _expectBalanced();
    }

    function test_reverts_before_all_is_proved() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        uint256 id = _challenge(1, 4, 1, 7);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotProven.selector, 0, false));
        court.conclude(id);
    }

    // ---------------------------------------------------------------------------------------------------- expiring

    function test_what_is_not_proved_in_time_expires() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        uint256 id = _challenge(1, 4, 1, 7);
        vm.warp(block.timestamp + PROOF_SECONDS);
        vm.expectRevert(abi.encodeWithSelector(ICourt.TooEarly.selector, block.timestamp));
        court.expire(id);
        vm.warp(block.timestamp + 1);
        vm.expectEmit();
        emit ICourt.Failed(id, true);
        court.expire(id);
        vm.assertEq(court.books().pool, 1000 ether + BOND);
        vm.assertEq(uint256(court.caseOf(id).state), uint256(ICourt.State.Expired));
        _expectBalanced();
    }

    /// @dev A challenger that crashed after its last proof has lost nothing.
    function test_what_is_proved_does_not_expire() external {
        uint256 id = _proveWrong(1, 4);
        vm.warp(block.timestamp + 1_000_000);
        vm.expectRevert(abi.encodeWithSelector(ICourt.AllProven.selector, id));
        court.expire(id);
        court.conclude(id);
        vm.assertTrue(federation.record(1).undone);
    }

    function _refound(uint8 rule) private {
        IFederation.Terms memory t = _courtTerms(4);
        t.rule = rule;
        t.trim = 2500;
        _found(t);
        _stakeAll(4);
        _joinAll(4);
        vm.prank(CHALLENGER);
        coin.approve(address(court), type(uint256).max);
    }
}
