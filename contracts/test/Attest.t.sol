// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract AttestTest is FederationTest {
    function setUp() public override {
        super.setUp();
        _joinAll(4);
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
    }

    function test_more_than_the_quorum_makes_a_root_final() external {
        vm.warp(START + 50);
        _attest(1, 3, _merge(1));
        _attest(1, 1, _merge(1));
        IFederation.View memory v = _now();
        vm.assertEq(v.attested, 10);
        vm.assertEq(v.attestations[1], _merge(1));
        vm.assertEq(v.base, GENESIS);
        vm.expectEmit();
        emit IFederation.Attested(1, 0, _merge(1));
        vm.expectEmit();
        emit IFederation.RoundClosed(1, IFederation.Status.Final, _merge(1), 15, 11);
        vm.expectEmit();
        emit IFederation.PhaseOpened(2, IFederation.Phase.Commit, START + 50 + COMMIT_SECONDS);
        _attest(1, 0, _merge(1));
        v = _now();
        vm.assertEq(v.base, _merge(1));
        vm.assertEq(v.baseRound, 1);
        vm.assertEq(v.previous.attesters, 11);
        vm.assertEq(v.previous.included, 15);
        vm.assertEq(v.previous.openUntil, START + ATTEST_SECONDS);
        _expectPhase(2, IFederation.Phase.Commit);
    }

    function test_exactly_the_quorum_is_not_enough() external {
        IFederation.Terms memory t = _terms(6);
        federation = _deploy(t);
        _joinAll(6);
        _commitAll(1, 6);
        _voteAll(1, 6, 63);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        _expectPhase(1, IFederation.Phase.Attest);
        _attest(1, 4, _merge(1));
        _expectPhase(2, IFederation.Phase.Commit);
    }

    function test_a_root_that_was_not_the_first_can_become_final() external {
        _attest(1, 0, keccak256("wrong"));
        _attest(1, 1, _merge(1));
        _attest(1, 2, _merge(1));
        IFederation.View memory v = _now();
        vm.assertEq(v.attestations[0], keccak256("wrong"));
        vm.assertEq(v.attestations[2], _merge(1));
        _attest(1, 3, _merge(1));
        IFederation.Outcome memory o = federation.outcome(1);
        vm.assertEq(o.root, _merge(1));
        vm.assertEq(o.attesters, 14);
    }

    function test_roots_without_a_quorum_leave_the_base() external {
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i < 2 ? keccak256("this") : keccak256("that"));
        }
        _expectPhase(1, IFederation.Phase.Attest);
        vm.assertEq(_now().attested, 15);
        vm.warp(START + ATTEST_SECONDS);
        vm.expectEmit();
        emit IFederation.RoundClosed(1, IFederation.Status.Void, 0, 15, 0);
        federation.poke();
        _expectPhase(2, IFederation.Phase.Commit);
        vm.assertEq(_now().base, GENESIS);
        vm.assertEq(federation.outcome(1).included, 15);
    }

    function test_the_first_root_of_the_round_before_counts_for_nothing() external {
        _attestAll(1, 4);
        _commitAll(2, 4);
        _voteAll(2, 4, 15);
        _attest(2, 0, _merge(2));
        _attest(2, 1, _merge(1));
        _attest(2, 2, _merge(1));
        vm.assertEq(_now().attestations[0], _merge(2));
        _expectPhase(2, IFederation.Phase.Attest);
        _attest(2, 3, _merge(1));
        vm.assertEq(federation.outcome(2).attesters, 14);
    }

    // ------------------------------------------------------------------------------------------------------- late

    function test_who_is_late_may_attest_the_final_root() external {
        _attestAll(1, 3);
        vm.warp(START + ATTEST_SECONDS);
        vm.expectEmit();
        emit IFederation.Attested(1, 3, _merge(1));
        _attest(1, 3, _merge(1));
        vm.assertEq(federation.outcome(1).attesters, 15);
        vm.assertEq(_now().attested, 0, "nothing of this round");
    }

    function test_who_is_late_may_attest_when_all_is_done() external {
        _attestAll(1, 4);
        _play(2, 4);
        _commitAll(3, 4);
        _voteAll(3, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(3, i, _merge(3));
        }
        _expectPhase(3, IFederation.Phase.Done);
        _attest(3, 3, _merge(3));
        vm.assertEq(federation.outcome(3).attesters, 15);
        vm.assertEq(_now().attested, 7, "as it was when the round closed");
        vm.warp(START + ATTEST_SECONDS + 1);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Done));
        federation.attest(3, _merge(3));
    }

    function test_late_attesters_stay_when_the_next_round_closes() external {
        _attestAll(1, 4);
        vm.assertEq(federation.outcome(1).attesters, 15);
        _sleepThrough(2);
        vm.assertEq(federation.outcome(1).attesters, 15);
        vm.assertEq(uint256(federation.outcome(2).status), uint256(IFederation.Status.Void));
    }

    function test_reverts_late_for_another_root() external {
        _attestAll(1, 3);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRoot.selector, _merge(1)));
        federation.attest(1, keccak256("wrong"));
        vm.prank(_member(3));
        vm.expectRevert(IFederation.ZeroRoot.selector);
        federation.attest(1, 0);
    }

    function test_reverts_late_after_the_deadline() external {
        _attestAll(1, 3);
        vm.warp(START + ATTEST_SECONDS + 1);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 2));
        federation.attest(1, _merge(1));
    }

    function test_reverts_late_the_second_time() external {
        _attest(1, 0, keccak256("wrong"));
        for (uint256 i = 1; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(_member(i));
            vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyAttested.selector, i));
            federation.attest(1, _merge(1));
        }
        vm.assertEq(federation.outcome(1).attesters, 14);
    }

    function test_reverts_late_outside_that_rounds_roster() external {
        _join(4);
        _attestAll(1, 3);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.attest(1, _merge(1));
    }

    function test_reverts_for_a_void_round() external {
        vm.warp(START + ATTEST_SECONDS);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 2));
        federation.attest(1, _merge(1));
    }

    // -------------------------------------------------------------------------------------------------- otherwise

    function test_reverts_for_a_stranger() external {
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(9)));
        federation.attest(1, _merge(1));
    }

    function test_reverts_for_another_round() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 1));
        federation.attest(0, _merge(1));
    }

    function test_reverts_in_another_phase() external {
        _attestAll(1, 4);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Commit));
        federation.attest(2, _merge(2));
    }

    function test_reverts_outside_the_roster() external {
        _join(4);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.attest(1, _merge(1));
    }

    function test_reverts_the_second_time_whatever_the_root() external {
        _attest(1, 1, _merge(1));
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyAttested.selector, 1));
        federation.attest(1, keccak256("another"));
    }

    function test_reverts_for_zero() external {
        vm.prank(_member(0));
        vm.expectRevert(IFederation.ZeroRoot.selector);
        federation.attest(1, 0);
    }
}
