// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract CommitTest is FederationTest {
    function setUp() public override {
        super.setUp();
        _joinAll(4);
    }

    function test_keeps_the_root() external {
        vm.expectEmit();
        emit IFederation.Committed(1, 2, _update(1, 2));
        _commit(1, 2);
        IFederation.View memory v = _now();
        vm.assertEq(v.committed, 4);
        vm.assertEq(v.roots[2], _update(1, 2));
        vm.assertEq(v.roots[1], bytes32(0));
        _expectPhase(1, IFederation.Phase.Commit);
    }

    function test_the_last_of_the_roster_opens_the_vote() external {
        _commitAll(1, 3);
        vm.warp(START + 17);
        vm.expectEmit();
        emit IFederation.Committed(1, 3, _update(1, 3));
        vm.expectEmit();
        emit IFederation.PhaseOpened(1, IFederation.Phase.Vote, START + 17 + VOTE_SECONDS);
        _commit(1, 3);
        _expectPhase(1, IFederation.Phase.Vote);
    }

    function test_a_root_of_the_round_before_is_not_shown(uint256 speakers) external {
        _play(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            if ((speakers >> i) & 1 != 0 && i != 0) _commit(2, i);
        }
        IFederation.View memory v = _now();
        vm.assertEq(v.committed, speakers & 14);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(v.roots[i], (v.committed >> i) & 1 != 0 ? _update(2, i) : bytes32(0));
            vm.assertEq(v.ballots[i], 0);
            vm.assertEq(v.attestations[i], bytes32(0));
        }
    }

    function test_reverts_for_a_stranger() external {
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(9)));
        federation.commit(1, _update(1, 9));
    }

    function test_reverts_for_another_round() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 1));
        federation.commit(2, _update(2, 0));
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 1));
        federation.commit(0, _update(0, 0));
    }

    function test_reverts_in_another_phase() external {
        _commitAll(1, 4);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Vote));
        federation.commit(1, _update(1, 0));
    }

    function test_reverts_when_late() external {
        _commitAll(1, 2);
        vm.warp(START + COMMIT_SECONDS - 1);
        _commit(1, 2);
        vm.warp(START + COMMIT_SECONDS);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Vote));
        federation.commit(1, _update(1, 3));
    }

    function test_reverts_outside_the_roster() external {
        _join(4);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.commit(1, _update(1, 4));
    }

    function test_reverts_the_second_time() external {
        _commit(1, 1);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyCommitted.selector, 1));
        federation.commit(1, keccak256("another"));
    }

    function test_reverts_for_zero() external {
        vm.prank(_member(0));
        vm.expectRevert(IFederation.ZeroRoot.selector);
        federation.commit(1, 0);
    }

    function test_256_members_have_a_seat_each() external {
        federation = _deploy(_terms(256));
        _joinAll(256);
        _commitAll(1, 256);
        IFederation.View memory v = _now();
        vm.assertEq(v.committed, type(uint256).max);
        for (uint256 i = 0; i < 256; ++i) {
            vm.assertEq(v.roots[i], _update(1, i));
        }
        _voteAll(1, 256, _first(256));
        vm.assertEq(_now().included, type(uint256).max);
        _attestAll(1, 256);
        vm.assertEq(federation.outcome(1).attesters, type(uint256).max);
    }
}
