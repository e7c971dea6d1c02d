// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract ChallengeTest is CourtTest {
    function setUp() public override {
        super.setUp();
        _equip(CHALLENGER);
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
    }

    function test_opens_a_case_for_the_bond() external {
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectEmit();
        emit ICourt.Challenged(1, 1, CHALLENGER, 2, 75, block.timestamp + PROOF_SECONDS);
        vm.prank(CHALLENGER);
        vm.assertEq(court.challenge(1, 2, 75, roots), 1);
        ICourt.Case memory c = court.caseOf(1);
        vm.assertEq(uint256(c.state), uint256(ICourt.State.Open));
        vm.assertEq(c.inputs, 4);
        vm.assertEq(court.books().bonds, BOND);
        vm.assertEq(coin.balanceOf(CHALLENGER), 99 * BOND);
        _expectBalanced();
    }

    function test_several_cases_are_open_at_once() external {
        for (uint256 i = 0; i < 3; ++i) {
            _challenge(1, 4, 1, i);
        }
        vm.assertEq(court.openCases().length, 3);
        vm.assertEq(court.openCases()[2].coordinate, 2);
        vm.assertEq(court.openCases()[2].id, 3);
        vm.assertEq(court.books().bonds, 3 * BOND);
    }

    function test_needs_no_inputs_where_the_updates_have_no_say() external {
        vm.assertEq(court.caseOf(_challenge(1, 4, 0, 4)).inputs, 0, "header");
        vm.assertEq(court.caseOf(_challenge(1, 4, 2, 76)).inputs, 0, "beyond the values");
    }

    function test_reverts_for_a_round_that_is_not_final() external {
        _expectNotFinal(0);
        _expectNotFinal(2);
        _expectNotFinal(9);
        _sleepThrough(2);
        _expectNotFinal(2);
    }

    function test_reverts_when_the_window_is_over() external {
        uint256 until = federation.record(1).openUntil + CHALLENGE_SECONDS;
        vm.warp(until);
        _challenge(1, 4, 1, 7);
        vm.warp(until + 1);
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WindowClosed.selector, until));
        court.challenge(1, 1, 7, roots);
    }

    function test_reverts_for_other_roots() external {
        bytes32[] memory roots = _rootsOf(1, 4);
        bytes32 evidence = federation.record(1).evidence;
        (roots[0], roots[1]) = (roots[1], roots[0]);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongRoots.selector, evidence));
        court.challenge(1, 1, 7, roots);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongRoots.selector, evidence));
        court.challenge(1, 1, 7, new bytes32[](0));
    }

    function test_reverts_outside_the_blob() external {
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchLeaf.selector, 3, 3));
        court.challenge(1, 3, 0, roots);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchCoordinate.selector, 1024, 1024));
        court.challenge(1, 1, 1024, roots);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchCoordinate.selector, 128, 128));
        court.challenge(1, 0, 128, roots);
    }

    function test_reverts_without_the_bond() external {
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.prank(address(0xF00));
        (bool ok,) = address(court).call(abi.encodeCall(ICourt.challenge, (1, 1, 7, roots)));
        vm.assertFalse(ok);
        IFederation.Terms memory t = _courtTerms(4);
        t.coin = address(0);
        _refound(t);
        vm.deal(address(this), BOND);
        roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, BOND - 1, BOND));
        court.challenge{value: BOND - 1}(1, 1, 7, roots);
        court.challenge{value: BOND}(1, 1, 7, roots);
    }

    function test_reverts_for_a_rule_that_the_court_does_not_know() external {
        IFederation.Terms memory t = _courtTerms(4);
        t.rule = 0;
        _refound(t);
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(ICourt.NotChallengeable.selector);
        court.challenge(1, 1, 7, roots);
        court.challenge(1, 0, 7, roots);
        court.demand(1, 0, 1, roots);
    }

    function _refound(IFederation.Terms memory t) private {
        t.stake = 0;
        _found(t);
        _joinAll(4);
        bytes32 root = _mergedBlob(1, 4).root;
        _playBlobs(1, 4, root);
    }

    function _expectNotFinal(uint32 round) private {
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotFinal.selector, round));
        court.challenge(round, 1, 7, roots);
    }
}
