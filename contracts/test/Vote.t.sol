// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {Tally} from "../src/libraries/Tally.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract VoteTest is FederationTest {
    using Bitmaps for uint256;
    using Tally for uint256[9];

    function setUp() public override {
        super.setUp();
        _joinAll(4);
        _commitAll(1, 4);
    }

    function test_keeps_the_ballot() external {
        vm.expectEmit();
        emit IFederation.Voted(1, 1, 13);
        _vote(1, 1, 13);
        IFederation.View memory v = _now();
        vm.assertEq(v.voted, 2);
        vm.assertEq(v.ballots[1], 13);
        vm.assertEq(v.included, 0);
        _expectPhase(1, IFederation.Phase.Vote);
    }

    function test_the_last_of_the_roster_opens_the_attest_phase() external {
        _voteAll(1, 3, 15);
        vm.expectEmit();
        emit IFederation.Voted(1, 3, 15);
        vm.expectEmit();
        emit IFederation.PhaseOpened(1, IFederation.Phase.Attest, START + ATTEST_SECONDS);
        _vote(1, 3, 15);
        _expectPhase(1, IFederation.Phase.Attest);
        vm.assertEq(_now().included, 15);
    }

    function test_included_are_those_whom_more_than_half_of_the_roster_accepts() external {
        _vote(1, 0, 1 + 2);
        _vote(1, 1, 1 + 2);
        _vote(1, 2, 1 + 4);
        _vote(1, 3, 8);
        vm.assertEq(_now().included, 1, "half is not enough");
    }

    function test_half_is_of_the_roster_not_of_the_voters() external {
        _vote(1, 0, 15);
        _vote(1, 1, 15);
        vm.warp(START + VOTE_SECONDS);
        federation.poke();
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Void));
        vm.assertEq(federation.outcome(1).included, 0);
    }

    function test_a_member_without_a_commit_may_vote() external {
        _voteAll(1, 4, 15);
        _attestAll(1, 4);
        _commitAll(2, 3);
        vm.warp(START + COMMIT_SECONDS);
        _vote(2, 3, 7);
        vm.assertEq(_now().voted, 8);
    }

    function test_nothing_accepted_makes_the_round_void() external {
        vm.assertEq(_now().round, 1);
        _voteAll(1, 4, 0);
        _expectPhase(2, IFederation.Phase.Commit);
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Void));
    }

    function test_counts_as_one_by_one(uint256 seed) external pure {
        uint256[9] memory planes;
        uint256[16] memory counts; // of every sixteenth member, from one of the first sixteen on
        uint256 n = seed % 257;
        for (uint256 i = 0; i < n; ++i) {
            uint256 ballot = uint256(keccak256(abi.encode(seed, i)));
            if (seed & 1 != 0) ballot |= uint256(keccak256(abi.encode(seed, i, "more")));
            if (seed & 6 == 6) ballot = type(uint256).max;
            planes.add(ballot);
            for (uint256 j = 0; j < 16; ++j) {
                if (ballot.has(seed % 16 + 16 * j)) counts[j] += 1;
            }
        }
        uint256 limit = seed & 8 != 0 ? n / 2 : (seed >> 8) % 257;
        uint256 above = planes.above(limit);
        for (uint256 j = 0; j < 16; ++j) {
            vm.assertTrue(above.has(seed % 16 + 16 * j) == (counts[j] > limit), "count");
        }
    }

    function test_bitmaps_count_and_find_the_first_gap(uint256 bitmap, uint8 ones) external pure {
        bitmap |= (1 << ones) - 1;
        uint256 count;
        uint256 prefix = 256;
        for (uint256 i = 0; i < 256; ++i) {
            if (bitmap.has(i)) count += 1;
            else if (prefix == 256) prefix = i;
        }
        vm.assertEq(bitmap.count(), count);
        vm.assertEq(bitmap.prefix(), prefix);
        vm.assertEq(type(uint256).max.count(), 256);
        vm.assertEq(type(uint256).max.prefix(), 256);
    }

    function test_reverts_for_a_stranger() external {
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(9)));
        federation.vote(1, 1);
    }

    function test_reverts_for_another_round() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 1));
        federation.vote(2, 1);
    }

    function test_reverts_in_another_phase() external {
        _voteAll(1, 4, 15);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Attest));
        federation.vote(1, 1);
    }

    function test_reverts_outside_the_roster() external {
        _join(4);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.vote(1, 1);
    }

    function test_reverts_the_second_time() external {
        _vote(1, 1, 0);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyVoted.selector, 1));
        federation.vote(1, 1);
    }

    function test_reverts_for_a_ballot_outside_the_commits(uint256 ballot) external {
        vm.assume(ballot & ~uint256(15) != 0);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.BallotOutsideCommits.selector, 15));
        federation.vote(1, ballot);
    }

    function test_reverts_for_a_ballot_in_a_gap_of_the_commits() external {
        _voteAll(1, 4, 15);
        _attestAll(1, 4);
        _commit(2, 0);
        _commit(2, 2);
        vm.warp(START + COMMIT_SECONDS);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.BallotOutsideCommits.selector, 5));
        federation.vote(2, 2);
        _vote(2, 1, 4);
        vm.assertEq(_now().ballots[1], 4);
    }
}
