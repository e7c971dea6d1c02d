// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Streaks} from "../src/libraries/Streaks.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract PhasesTest is FederationTest {
    using Streaks for Streaks.Counters;

    function test_all_rounds_to_the_end() external {
        _joinAll(4);
        _play(1, 4);
        _play(2, 4);
        _commitAll(3, 4);
        _voteAll(3, 4, 15);
        _attest(3, 0, _merge(3));
        _attest(3, 1, _merge(3));
        vm.expectEmit();
        emit IFederation.Attested(3, 2, _merge(3));
        vm.expectEmit();
        emit IFederation.RoundClosed(3, IFederation.Status.Final, _merge(3), 15, 7);
        vm.expectEmit();
        emit IFederation.PhaseOpened(3, IFederation.Phase.Done, 0);
        _attest(3, 2, _merge(3));
        IFederation.View memory v = _now();
        vm.assertEq(v.deadline, 0);
        vm.assertEq(v.base, _merge(3));
        vm.warp(START + 1_000_000);
        federation.poke();
        _expectPhase(3, IFederation.Phase.Done);
    }

    function test_forming_waits_for_members_beyond_its_deadline() external {
        _join(0);
        vm.warp(START + 10 * JOIN_SECONDS);
        federation.poke();
        _expectPhase(0, IFederation.Phase.Forming);
        vm.assertEq(_now().deadline, START + JOIN_SECONDS);
    }

    function test_forming_opens_at_its_deadline_with_min_members() external {
        _joinAll(2);
        vm.warp(START + JOIN_SECONDS - 1);
        federation.poke();
        _expectPhase(0, IFederation.Phase.Forming);
        vm.warp(START + JOIN_SECONDS);
        federation.poke();
        _expectPhase(1, IFederation.Phase.Commit);
    }

    function test_commit_goes_on_with_enough() external {
        _joinAll(4);
        _commitAll(1, 2);
        vm.warp(START + COMMIT_SECONDS);
        vm.expectEmit();
        emit IFederation.PhaseOpened(1, IFederation.Phase.Vote, START + COMMIT_SECONDS + VOTE_SECONDS);
        federation.poke();
        vm.assertEq(_now().committed, 3);
    }

    function test_commit_with_too_few_makes_the_round_void() external {
        _joinAll(4);
        _commit(1, 0);
        vm.warp(START + COMMIT_SECONDS);
        vm.expectEmit();
        emit IFederation.RoundClosed(1, IFederation.Status.Void, 0, 0, 0);
        vm.expectEmit();
        emit IFederation.PhaseOpened(2, IFederation.Phase.Commit, START + 2 * COMMIT_SECONDS);
        federation.poke();
        vm.assertEq(_now().base, GENESIS);
    }

    function test_vote_goes_on_with_the_ballots_that_are_there() external {
        _joinAll(4);
        _commitAll(1, 4);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(1, i, i == 0 ? 15 : 7);
        }
        vm.warp(START + VOTE_SECONDS);
        federation.poke();
        vm.assertEq(_now().included, 7);
        _expectPhase(1, IFederation.Phase.Attest);
    }

    /// @dev A phase opens when the ledger moves, not when it could have: one transaction revives a silent federation.
    function test_a_long_silence_is_one_step() external {
        _joinAll(4);
        _commitAll(1, 3);
        uint256 later = START + 1_000_000;
        vm.warp(later);
        _vote(1, 0, 7);
        IFederation.View memory v = _now();
        vm.assertEq(v.voted, 1);
        vm.assertEq(v.deadline, later + VOTE_SECONDS);
    }

    function test_a_verb_that_reverts_moves_nothing() external {
        _joinAll(4);
        _commitAll(1, 3);
        vm.warp(START + COMMIT_SECONDS);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Vote));
        federation.commit(1, _update(1, 3));
        vm.warp(START + COMMIT_SECONDS + 5);
        vm.assertEq(_now().deadline, START + COMMIT_SECONDS + 5 + VOTE_SECONDS);
    }

    // ---------------------------------------------------------------------------------------------------- dropping

    /// @dev Member 3 says nothing in two rounds of different endings, and is out.
    function test_missing_rounds_in_a_row_drops_a_member() external {
        _joinAll(4);
        _commitAll(1, 3);
        vm.warp(_now().deadline);
        _voteAll(1, 3, 7);
        vm.warp(_now().deadline);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        vm.assertEq(_now().roster, 15, "one miss is forgiven");
        _commitAll(2, 3);
        vm.warp(_now().deadline);
        _voteAll(2, 3, 0);
        vm.warp(_now().deadline);
        vm.expectEmit();
        emit IFederation.RoundClosed(2, IFederation.Status.Void, 0, 0, 0);
        vm.expectEmit();
        emit IFederation.Dropped(8, 2);
        federation.poke();
        vm.assertEq(_now().roster, 7);
    }

    function test_a_round_in_between_starts_the_streak_again() external {
        _joinAll(4);
        _sleepThrough(1);
        _play(2, 4);
        _commitAll(3, 4);
        vm.assertEq(_now().active, 15);
    }

    function test_committing_alone_is_missing_a_round() external {
        _joinAll(4);
        for (uint32 round = 1; round <= 2; ++round) {
            _commitAll(round, 4);
            _voteAll(round, 3, 15);
            vm.warp(_now().deadline);
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, _merge(round));
            }
        }
        vm.assertEq(_now().active, 7);
    }

    /// @dev Who is late to attest a final root has still taken part; where no root got the quorum, it has not.
    function test_not_attesting_counts_only_against_a_void_round() external {
        _joinAll(4);
        for (uint32 round = 1; round <= 2; ++round) {
            _commitAll(round, 4);
            _voteAll(round, 4, 15);
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, _merge(round));
            }
        }
        vm.assertEq(_now().active, 15);
        IFederation.Terms memory t = _terms(4);
        t.maxMissed = 1;
        federation = _deploy(t);
        _joinAll(4);
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        _attest(1, 0, _merge(1));
        _attest(1, 1, keccak256("wrong"));
        vm.warp(_now().deadline);
        federation.poke();
        vm.assertEq(_now().active, 3);
    }

    function test_nobody_is_dropped_where_the_terms_say_never() external {
        IFederation.Terms memory t = _terms(4);
        (t.maxMissed, t.rounds) = (0, 20);
        federation = _deploy(t);
        _joinAll(4);
        for (uint32 round = 1; round <= 20; ++round) {
            _sleepThrough(round);
        }
        vm.assertEq(_now().active, 15);
    }

    function test_streaks_count_as_one_by_one(uint256 seed, uint8 limit) external pure {
        uint256 most = 1 + limit % 7;
        Streaks.Counters memory c;
        uint256[256] memory counts;
        for (uint256 round = 0; round < 12; ++round) {
            uint256 roster = uint256(keccak256(abi.encode(seed, round)));
            uint256 absent = roster & (uint256(keccak256(abi.encode(seed))) | uint256(keccak256(abi.encode(round))));
            uint256 out = c.step(roster, absent, most);
            for (uint256 i = 0; i < 256; ++i) {
                if ((roster >> i) & 1 != 0) counts[i] = (absent >> i) & 1 != 0 ? counts[i] + 1 : 0;
                bool isOut = counts[i] == most;
                if (isOut) counts[i] = 0;
                vm.assertTrue(((out >> i) & 1 != 0) == isOut, "out");
            }
        }
    }
}
