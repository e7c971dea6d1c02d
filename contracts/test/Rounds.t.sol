// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITreasury} from "../src/ITreasury.sol";
import {IViews} from "../src/IViews.sol";
import {Terms} from "../src/Terms.sol";
import {FederationTest, IFederation, cheats} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title Phases, ballots, absence, limits (docs/protocol.md, sections 3 and 4).
contract RoundsTest is FederationTest {
    // ------------------------------------------------------------------------------------------------- all is well

    function test_rounds_to_the_end() external {
        for (uint32 round = 1; round <= 5; ++round) {
            if (f.position().phase == ILedger.Phase.Waiting) {
                vm.warp(f.roundOf(round - 4).deadline + WINDOW + 1);
                f.settle(round - 4, 9);
                f.advance();
            }
            _assertPhase(round, ILedger.Phase.Commit);
            vm.assertEq(f.roundOf(round).base, round == 1 ? GENESIS : _merge(round - 1));
            _play(round, 4);
            _assertStatus(round, ILedger.Status.Final);
        }
        _assertPhase(5, ILedger.Phase.Done);
        vm.assertEq(f.position().finals, 5);
    }

    function test_a_phase_closes_by_a_call_of_its_own() external {
        for (uint256 i = 0; i < 4; ++i) {
            _commit(1, i, _update(1, i));
        }
        _assertPhase(1, ILedger.Phase.Commit);
        vm.assertTrue(f.isDue());
        f.advance();
        _assertPhase(1, ILedger.Phase.Vote);
        vm.assertFalse(f.isDue());
    }

    function test_reverts_when_no_step_is_due() external {
        uint256 deadline = START + COMMIT;
        vm.expectRevert(abi.encodeWithSelector(ILedger.NothingDue.selector, ILedger.Phase.Commit, deadline));
        f.advance();
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NothingDue.selector, ILedger.Phase.Commit, deadline));
        f.advance();
    }

    function test_what_comes_after_a_deadline_is_refused_though_nobody_closed_the_phase() external {
        bytes32 context = _context(1);
        vm.warp(START + COMMIT);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, ILedger.Phase.Commit));
        _commitIn(1, context, 0, _update(1, 0));
    }

    // --------------------------------------------------------------------------------------------------- contexts

    function test_every_statement_names_what_it_rests_on() external {
        bytes32 opening = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, opening));
        _commitIn(1, bytes32(uint256(1)), 0, _update(1, 0));
        _commitAll(1, 4);
        bytes32 voting = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, voting));
        _voteIn(1, opening, 0, 15, 0);
        _voteAll(1, 4, 15);
        bytes32 included = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, included));
        _attestIn(1, voting, 0, _merge(1));
    }

    /// @dev Same roster bitmap, same base: another address behind an index is another context.
    function test_a_context_binds_who_is_behind_an_index() external {
        bytes32 one = _context(1);
        vm.warp(START);
        Terms memory t = _terms(4);
        f = _another(t);
        f.fund(1 ether);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 k = i < 2 ? 1 - i : i;
            _equip(_member(k));
            _join(k);
        }
        f.advance();
        vm.assertEq(f.roundOf(1).roster, 15);
        vm.assertTrue(_context(1) != one);
    }

    // ---------------------------------------------------------------------------------------------------- ballots

    function test_more_than_half_of_the_roster_include_and_misses_veto_nothing() external {
        _commitAll(1, 4);
        _vote(1, 0, 7, 0);
        _vote(1, 1, 3, 4);
        _vote(1, 2, 1, 2);
        _vote(1, 3, 2, 5);
        f.advance();
        // 0 has three, 1 has three (and one who misses it), 2 has one.
        vm.assertEq(f.roundOf(1).included, 3);
    }

    function test_reverts_for_a_ballot_that_accepts_what_it_misses() external {
        _commitAll(1, 4);
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BallotContradicts.selector, 2));
        _voteIn(1, context, 0, 3, 6);
    }

    function test_reverts_for_a_ballot_outside_the_commits() external {
        for (uint256 i = 0; i < 3; ++i) {
            _commit(1, i, _update(1, i));
        }
        _sleep();
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BallotOutsideCommits.selector, 7));
        _voteIn(1, context, 0, 15, 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BallotOutsideCommits.selector, 7));
        _voteIn(1, context, 0, 7, 8);
    }

    function test_min_members_holds_for_what_is_merged() external {
        _commitAll(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            _vote(1, i, i < 3 ? 1 : 15, 0);
        }
        f.advance();
        _assertStatus(1, ILedger.Status.Over);
        _assertPhase(2, ILedger.Phase.Commit);
        vm.assertEq(f.roundOf(2).base, GENESIS);
    }

    /// @dev Seven members, maxMissed 1: who is excused stays, who only kept silent goes.
    function test_who_misses_what_at_most_two_thirds_have_is_excused() external {
        _seven(1);
        _commitAll(1, 7);
        for (uint256 i = 0; i < 7; ++i) {
            if (i < 4) _vote(1, i, 127, 0);
            else _vote(1, i, 126, 1);
        }
        f.advance();
        vm.assertEq(f.roundOf(1).included, 127);
        vm.assertEq(f.roundOf(1).excused, 0x70);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        _sleep();
        _assertStatus(1, ILedger.Status.Void);
        vm.assertEq(f.position().active, 0x77, "3 has all and kept silent");
    }

    /// @dev Five of seven have it, which is more than two thirds: some honest one of them serves it.
    function test_who_misses_what_more_than_two_thirds_have_is_not_excused() external {
        _seven(1);
        _commitAll(1, 7);
        for (uint256 i = 0; i < 7; ++i) {
            if (i < 5) _vote(1, i, 127, 0);
            else _vote(1, i, 126, 1);
        }
        f.advance();
        vm.assertEq(f.roundOf(1).excused, 0);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        _sleep();
        vm.assertEq(f.position().active, 15);
    }

    /// @dev Nobody is excused by missing what was not included, or by claiming to.
    function test_missing_what_is_not_included_excuses_nobody() external {
        _seven(1);
        _commitAll(1, 7);
        for (uint256 i = 0; i < 7; ++i) {
            _vote(1, i, 126, 1);
        }
        f.advance();
        vm.assertEq(f.roundOf(1).included, 126);
        vm.assertEq(f.roundOf(1).excused, 0);
    }

    /// @dev The tally of misses against a plain count, over every way in which seven members may miss an update.
    function test_the_excuse_is_two_thirds_exactly() external {
        uint256 state = _sevenVoting();
        for (uint256 ballots = 0; ballots < 3 ** 7; ballots += 7) {
            (uint256 accepting, uint256 missing, uint256 silent) = (0, 0, 0);
            uint256 code = ballots;
            for (uint256 i = 0; i < 7; ++i) {
                uint256 kind = (code % 3 + i) % 3;
                code /= 3;
                if (kind == 0 || i < 2) {
                    _vote(1, i, 127, 0);
                    ++accepting;
                } else if (kind == 1) {
                    _vote(1, i, 126, 1);
                    missing |= 1 << i;
                } else {
                    ++silent;
                }
            }
            _sleepIfAwaited();
            IViews.Round memory r = f.roundOf(1);
            if (r.status == ILedger.Status.Open) {
                bool scarce = r.included & 1 != 0 && accepting * 3 <= 14;
                vm.assertEq(r.included & 1, accepting * 2 > 7 ? 1 : 0);
                vm.assertEq(r.excused, scarce ? missing : 0);
            }
            cheats.revertToState(state);
        }
    }

    // ---------------------------------------------------------------------------------------------------- absence

    function test_silence_in_a_final_round_is_no_absence() external {
        for (uint32 round = 1; round <= 3; ++round) {
            _commitAll(round, 4);
            _voteAll(round, 4, 15);
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, _merge(round));
            }
            f.advance();
        }
        vm.assertEq(f.position().active, 15);
    }

    function test_missing_rounds_in_a_row_drops_a_member_and_presence_ends_the_count() external {
        for (uint32 round = 1; round <= 3; ++round) {
            for (uint256 i = 0; i < 3; ++i) {
                _commit(round, i, _update(round, i));
            }
            if (round == 2) _commit(round, 3, _update(round, 3));
            vm.warp(f.position().deadline);
            f.advance();
            for (uint256 i = 0; i < 4; ++i) {
                if (i < 3 || round == 2) _vote(round, i, 7, 0);
            }
            vm.warp(f.position().deadline);
            f.advance();
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, _merge(round));
            }
            f.advance();
            vm.assertEq(f.position().active, 15);
        }
        for (uint256 i = 0; i < 3; ++i) {
            _commit(4, i, _update(4, i));
        }
        _sleep();
        _voteAll3(4);
        vm.assertEq(f.position().active, 7, "two in a row, rounds 3 and 4");
    }

    // ------------------------------------------------------------------------------------------------- abstaining

    function test_an_abstaining_commit_is_presence_while_its_base_is_unsettled() external {
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BaseSettled.selector, 0));
        _commitIn(1, context, 3, 0);
        _play(1, 4);
        for (uint256 i = 0; i < 3; ++i) {
            _commit(2, i, _update(2, i));
        }
        _commit(2, 3, 0);
        f.advance();
        IViews.Round memory r = f.roundOf(2);
        vm.assertEq(r.committed, 7);
        vm.assertEq(r.abstained, 8);
        _voteAll(2, 4, 7); // it may vote, and attest
        for (uint256 i = 1; i < 4; ++i) {
            _attest(2, i, _merge(2));
        }
        f.advance();
        _assertStatus(2, ILedger.Status.Final);
        vm.assertEq(f.roundOf(2).attesters, 14);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 9);
        vm.warp(f.roundOf(2).deadline + WINDOW + 1);
        f.settle(2, 9);
        vm.assertEq(f.account(_member(3)).claimable, 3 ether, "round 1; unpaid for round 2");
    }

    function test_abstaining_does_not_count_for_min_members() external {
        _play(1, 4);
        _commit(2, 0, _update(2, 0));
        for (uint256 i = 1; i < 4; ++i) {
            _commit(2, i, 0);
        }
        f.advance();
        _assertStatus(2, ILedger.Status.Over);
        vm.assertEq(f.position().active, 15, "all were present");
    }

    function test_reverts_for_abstaining_on_a_settled_base() external {
        _play(1, 4);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 9);
        f.advance(); // round 2 had nobody
        _assertPhase(3, ILedger.Phase.Commit);
        bytes32 context = _context(3);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BaseSettled.selector, 1));
        _commitIn(3, context, 3, 0);
    }

    // ------------------------------------------------------------------------------------------------------ refusals

    function test_reverts_for_strangers_and_for_who_is_not_in_the_roster() external {
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotMember.selector, _member(9)));
        _commitIn(1, context, 9, _update(1, 9));
        _equip(_member(4));
        _join(4);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotInRoster.selector, 4));
        _commitIn(1, context, 4, _update(1, 4));
    }

    function test_reverts_the_second_time() external {
        _commit(1, 0, _update(1, 0));
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.AlreadySpoken.selector, 0));
        _commitIn(1, context, 0, _update(1, 1));
        _commit(1, 1, _update(1, 1));
        _sleep();
        _vote(1, 0, 3, 0);
        context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.AlreadySpoken.selector, 0));
        _voteIn(1, context, 0, 1, 0);
        for (uint256 i = 1; i < 4; ++i) {
            _vote(1, i, 3, 0);
        }
        f.advance();
        _attest(1, 0, _merge(1));
        context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.AlreadySpoken.selector, 0));
        _attestIn(1, context, 0, _update(1, 1));
    }

    function test_reverts_for_another_round_or_phase() external {
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongRound.selector, 1));
        _commitIn(2, context, 0, _update(2, 0));
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongRound.selector, 1));
        _commitIn(0, context, 0, _update(2, 0));
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongRound.selector, 1));
        _commitIn(17, context, 0, _update(2, 0)); // the same slot
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, ILedger.Phase.Commit));
        _voteIn(1, context, 0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, ILedger.Phase.Commit));
        _attestIn(1, context, 0, _merge(1));
    }

    function test_reverts_for_attesting_nothing() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        bytes32 context = _context(1);
        vm.expectRevert(ILedger.ZeroRoot.selector);
        _attestIn(1, context, 0, 0);
    }

    // ----------------------------------------------------------------------------------------------- late, and final

    function test_until_the_deadline_any_root_is_attested_though_another_is_final() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, keccak256("quick"));
        }
        f.advance();
        _assertPhase(2, ILedger.Phase.Commit);
        _attest(1, 3, _merge(1));
        (uint256 entries, uint256 start,,) = f.tournament(1);
        vm.assertEq(entries, 2);
        vm.assertEq(start, START + ATTEST + WINDOW);
        vm.assertEq(f.entry(1, 1).root, _merge(1));
        vm.assertEq(f.entry(1, 1).attesters, 8);
        vm.assertEq(f.entry(1, 0).attesters, 7);
        vm.assertEq(f.position().active, 15);
    }

    function test_when_all_have_attested_the_phase_is_over_and_the_window_runs() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        vm.warp(START + 10);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(f.roundOf(1).deadline, START + ATTEST);
            _attest(1, i, i == 3 ? keccak256("other") : _merge(1));
        }
        vm.assertEq(f.roundOf(1).deadline, START + 10);
        f.advance();
        (, uint256 start,,) = f.tournament(1);
        vm.assertEq(start, START + 10 + WINDOW);
    }

    function test_the_last_to_attest_ends_the_phase_of_a_final_round_too() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        f.advance();
        vm.warp(START + 7);
        _attest(1, 3, _merge(1));
        vm.assertEq(f.roundOf(1).deadline, START + 7);
        vm.warp(START + 7 + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotOver.selector, START + 7 + WINDOW));
        f.settle(1, 9);
        vm.warp(START + 7 + WINDOW + 1);
        vm.assertTrue(f.settle(1, 9));
    }

    function test_a_round_that_is_closed_late_can_be_contested_for_its_whole_window() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _merge(1)); // no honest member among them, and nobody says so
        }
        uint256 late = START + ATTEST + WINDOW + 1;
        vm.warp(late);
        f.advance();
        vm.assertEq(f.roundOf(1).deadline, late);
        vm.warp(late + WINDOW);
        _enter(address(this), 1, keccak256("right"));
        (, uint256 start,,) = f.tournament(1);
        vm.assertEq(start, late + WINDOW);
    }

    function test_a_tournament_that_has_its_start_keeps_it_when_the_last_attests() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        f.advance();
        _enter(WATCHER, 1, keccak256("other"));
        vm.warp(START + 7);
        _attest(1, 3, _merge(1));
        vm.assertEq(f.roundOf(1).deadline, START + ATTEST);
        (, uint256 start,,) = f.tournament(1);
        vm.assertEq(start, START + ATTEST + WINDOW);
    }

    function test_late_for_the_attest_phase_is_too_late() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        f.advance();
        bytes32 context = _context(1);
        vm.warp(START + ATTEST);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, ILedger.Phase.Commit));
        _attestIn(1, context, 3, _merge(1));
    }

    function test_the_quorum_is_more_than_two_thirds() external {
        _found6();
        _commitAll(1, 6);
        _voteAll(1, 6, 63);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        vm.assertFalse(f.isDue());
        _attest(1, 4, _merge(1));
        vm.assertTrue(f.isDue());
    }

    function test_a_root_that_was_not_the_first_can_become_final() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        _attest(1, 0, keccak256("sham"));
        for (uint256 i = 1; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        f.advance();
        _assertStatus(1, ILedger.Status.Final);
        vm.assertEq(f.roundOf(1).root, _merge(1));
        vm.assertEq(f.roundOf(1).attesters, 14);
        vm.assertEq(f.roundOf(2).base, _merge(1));
    }

    // ------------------------------------------------------------------------------------------------------ limits

    function test_rounds_count_when_final_and_void_ones_in_a_row_end_it() external {
        Terms memory t = _terms(4);
        t.maxVoid = 3;
        t.maxMissed = 0;
        f = _another(t);
        _fill(4);
        _sleep();
        _sleep();
        _play(3, 4);
        vm.assertEq(f.position().voids, 0);
        _sleep();
        _sleep();
        _assertPhase(6, ILedger.Phase.Commit);
        _sleep();
        _assertPhase(6, ILedger.Phase.Done);
        vm.assertEq(f.position().finals, 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NothingDue.selector, ILedger.Phase.Done, 0));
        f.advance();
    }

    function test_a_limit_in_time_ends_it_also_while_it_forms() external {
        Terms memory t = _terms(4);
        t.limitSeconds = 1200;
        f = _another(t);
        vm.warp(START + 1199);
        vm.assertFalse(f.isDue());
        vm.warp(START + 1200);
        f.advance();
        _assertPhase(0, ILedger.Phase.Done);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, ILedger.Phase.Done));
        f.join(CHARTER, new bytes32[](0));
    }

    /// @dev Four rounds unsettled: none opens, and the limit stands still meanwhile.
    function test_waits_for_rounds_to_be_settled_and_the_limit_stands_still() external {
        for (uint32 round = 1; round <= 4; ++round) {
            _play(round, 4);
        }
        _assertPhase(4, ILedger.Phase.Waiting);
        vm.assertEq(f.position().unsettled, 4);
        uint256 since = f.position().since;
        vm.warp(START + 500_000);
        vm.assertFalse(f.isDue());
        f.settle(1, 9);
        f.advance();
        _assertPhase(5, ILedger.Phase.Commit);
        vm.assertEq(f.position().since, since + 500_000, "all of it");
    }

    /// @dev Three may be unsettled, so there are three slots: void rounds take theirs too, and the first one's is in use.
    function test_no_round_opens_in_a_slot_in_use_though_few_are_unsettled() external {
        Terms memory t = _terms(4);
        (t.maxUnsettled, t.maxMissed) = (3, 0);
        f = _another(t);
        _fill(4);
        _play(1, 4);
        _sleep();
        _sleep();
        _assertPhase(3, ILedger.Phase.Waiting);
        vm.assertEq(f.position().unsettled, 1);
        vm.warp(f.roundOf(1).deadline + WINDOW + 1);
        f.settle(1, 9);
        f.advance();
        _assertPhase(4, ILedger.Phase.Commit);
        vm.assertEq(f.roundOf(4).base, _merge(1), "round 3 knew it");
        vm.assertEq(f.roundOf(1).round, 0, "written anew");
        vm.assertEq(f.roundOf(2).round, 2);
        _play(4, 4);
        _assertStatus(4, ILedger.Status.Final);
    }

    /// @dev Where one round alone may be unsettled, there are two slots: its predecessor can be read while it is open.
    function test_a_round_can_be_read_while_the_next_is_open() external {
        Terms memory t = _terms(4);
        t.maxUnsettled = 1;
        f = _another(t);
        _fill(4);
        for (uint32 round = 1; round <= 4; ++round) {
            _play(round, 4);
            _assertPhase(round, ILedger.Phase.Waiting);
            vm.warp(f.roundOf(round).deadline + WINDOW + 1);
            f.settle(round, 9);
            f.advance();
            _assertPhase(round + 1, ILedger.Phase.Commit);
            _assertStatus(round, ILedger.Status.Settled);
            vm.assertEq(f.roundOf(round + 1).base, _merge(round));
            if (round > 1) vm.assertEq(f.roundOf(round - 1).round, 0, "written anew");
        }
    }

    function test_void_rounds_with_an_attestation_hold_their_slots_until_settled() external {
        Terms memory t = _terms(4);
        t.maxMissed = 0;
        f = _another(t);
        _fill(4);
        for (uint32 round = 1; round <= 4; ++round) {
            _commitAll(round, 4);
            _voteAll(round, 4, 15);
            _attest(round, round % 4, _merge(round));
            _sleep();
            _assertStatus(round, ILedger.Status.Void);
            if (round == 1) vm.assertEq(f.position().unsettled, 1);
            f.settle(round, 9); // one entry: nobody differs
            vm.assertEq(f.position().unsettled, 0);
        }
    }

    function test_forms_again_where_too_few_are_left() external {
        _leave(0);
        _leave(1);
        _leave(2);
        _play(1, 4);
        _assertPhase(1, ILedger.Phase.Forming);
        vm.warp(block.timestamp + JOIN);
        vm.assertFalse(f.isDue());
        _join(0);
        f.advance();
        _assertPhase(2, ILedger.Phase.Commit);
        vm.assertEq(f.roundOf(2).roster, 9);
        vm.assertEq(f.roundOf(2).base, _merge(1));
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _another(Terms memory t) private returns (IFederation) {
        t.charter = CHARTER;
        address at = factory.found(t, bytes32(uint256(7)));
        coin.approve(at, type(uint256).max);
        return IFederation(at);
    }

    function _seven(uint8 maxMissed) private {
        Terms memory t = _terms(7);
        t.maxMissed = maxMissed;
        f = _another(t);
        _fill(7);
    }

    function _found6() private {
        f = _another(_terms(6));
        _fill(6);
    }

    function _sevenVoting() private returns (uint256) {
        _seven(1);
        _commitAll(1, 7);
        return cheats.snapshotState();
    }

    function _sleepIfAwaited() private {
        if (!f.isDue()) vm.warp(f.position().deadline);
        f.advance();
    }

    function _voteAll3(uint32 round) private {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(round, i, 7, 0);
        }
        _sleep();
        for (uint256 i = 0; i < 3; ++i) {
            _attest(round, i, _merge(round));
        }
        f.advance();
    }
}
