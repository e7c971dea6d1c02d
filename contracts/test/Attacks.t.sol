// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITournament} from "../src/ITournament.sol";
import {ITreasury} from "../src/ITreasury.sol";
import {Terms} from "../src/Terms.sol";
import {Signed} from "../src/libraries/Statements.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {FederationTest, IFederation, cheats} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title The attacks that worked against the first edition, and those that broke drafts of the second: the same aim by
/// the nearest moves that are left, and nothing comes of it (docs/protocol.md, section 9).
contract AttacksTest is FederationTest {
    using Blobs for Blob;

    bytes32[] private none;
    Blob private nothing;

    // ------------------------------------------------------------------------------------- withheld updates, absence

    /// @dev One of seven serves its update to three others only. Members that miss it stay, round after round.
    function test_one_of_seven_that_withholds_its_update_has_nobody_dropped() external {
        _with(7, 1);
        for (uint32 round = 1; round <= 3; ++round) {
            _withheld(round, 7, 4);
            vm.assertEq(f.roundOf(round).included, 127);
            for (uint256 i = 0; i < 4; ++i) {
                _attest(round, i, _merge(round));
            }
            _sleep();
            _assertStatus(round, ILedger.Status.Void);
            f.settle(round, 9);
            vm.assertEq(f.position().active, 127);
        }
    }

    /// @dev And it voids nothing: of the four that include it three are honest, and give it to the others.
    function test_what_an_honest_member_accepts_it_gives_to_all_and_the_round_is_final() external {
        _with(7, 1);
        _withheld(1, 7, 4);
        for (uint256 i = 1; i < 6; ++i) {
            _attest(1, i, _merge(1)); // without the dishonest one, and one that is slow
        }
        f.advance();
        _assertStatus(1, ILedger.Status.Final);
    }

    /// @dev Five of twelve had five honest ones dropped, and then the quorum. They stay; what the five attest has none.
    function test_five_of_twelve_get_no_quorum() external {
        _with(12, 0);
        for (uint32 round = 1; round <= 3; ++round) {
            _withheld(round, 12, 7);
            for (uint256 i = 0; i < 7; ++i) {
                _attest(round, i, i < 5 ? keccak256("forged") : _merge(round)); // the others are excused
            }
            _sleep();
            _assertStatus(round, ILedger.Status.Void);
            f.settle(round, 9);
            vm.assertEq(f.position().active, 4095);
        }
    }

    /// @dev A bare majority includes what two of five cannot get: the two are excused.
    function test_a_bare_majority_drops_nobody() external {
        _with(5, 0);
        for (uint32 round = 1; round <= 3; ++round) {
            _withheld(round, 5, 3);
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, keccak256("whatever"));
            }
            _sleep();
            _assertStatus(round, ILedger.Status.Void);
            f.settle(round, 9);
        }
        vm.assertEq(f.position().active, 31);
    }

    /// @dev Rubbish attested by a third was presence for nothing. It is an entry, and costs stake and seat.
    function test_rubbish_attested_by_a_third_is_judged() external {
        _playBlobs(1, 4);
        Blob memory right = _right(1, 4);
        _attest(1, 0, bytes32(uint256(1)));
        _attest(1, 1, bytes32(uint256(2)));
        _attest(1, 2, right.root);
        _attest(1, 3, right.root);
        f.advance();
        _assertStatus(1, ILedger.Status.Void);
        vm.warp(block.timestamp + 1);
        // 0 and 1 meet and cannot show anything; the right root has a bye, and passes.
        vm.warp(block.timestamp + 2 * STAGE);
        _assertFate(1, 2, ITournament.Fate.Won);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(0) + _stakeOf(1), 0);
        vm.assertEq(_stakeOf(2) + _stakeOf(3), 2 * STAKE);
        vm.assertEq(f.position().active, 12);
    }

    // ------------------------------------------------------------------------------- other branches, two statements

    /// @dev What was attested on a branch that the chain dropped is not even a statement on another.
    function test_an_attestation_of_another_branch_harms_nobody() external {
        _commitAll(1, 4);
        uint256 fork = cheats.snapshotState();
        _voteAll(1, 4, 15);
        Signed[] memory said = new Signed[](1);
        bytes32 context = _context(1);
        said[0] = _sign(_key(0), ILedger.Phase.Attest, 1, context, keccak256("merge of 0 1 2 3"), 0);
        f.relay(ILedger.Phase.Attest, 1, context, 1, said, new uint256[](0), new address[](0), false);
        cheats.revertToState(fork);
        for (uint256 i = 0; i < 4; ++i) {
            _vote(1, i, i < 2 ? 15 : 7, 0);
        }
        f.advance();
        bytes32 here = _context(1);
        vm.assertTrue(here != context);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, here));
        f.relay(ILedger.Phase.Attest, 1, context, 1, said, new uint256[](0), new address[](0), false);
        (bool ok,) = address(f)
            .call(
                abi.encodeCall(
                    ILedger.relay, (ILedger.Phase.Attest, 1, here, 1, said, new uint256[](0), new address[](0), false)
                )
            );
        vm.assertFalse(ok, "nor under this branch's context: the signature is another's");
        for (uint256 i = 1; i < 4; ++i) {
            _attest(1, i, _merge(1));
        }
        f.advance();
        vm.warp(START + ATTEST + WINDOW + 1);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(0), STAKE);
    }

    /// @dev There is no verb for equivocation: the ledger takes one statement, the other is nothing, whenever it is shown.
    function test_two_statements_of_one_member_harm_nobody() external {
        bytes32 context = _context(1);
        Signed[] memory m = new Signed[](1);
        for (uint256 k = 0; k < 2; ++k) {
            m[0] = _sign(_key(0), ILedger.Phase.Commit, 1, context, keccak256(abi.encode(k)), 0);
            f.relay(ILedger.Phase.Commit, 1, context, 1, m, new uint256[](0), new address[](0), false);
        }
        for (uint256 i = 1; i < 4; ++i) {
            _commit(1, i, _update(1, i));
        }
        f.advance();
        vm.assertEq(f.roundOf(1).committed, 15);
        vm.assertEq(_stakeOf(0), STAKE);
    }

    // --------------------------------------------------------------------------------------------------- in court

    /// @dev A non-zero byte behind an update's header made a wrong mean unprovable. Headers are parsed as they lie.
    function test_no_header_makes_a_wrong_mean_unprovable() external {
        Terms memory t = f.terms();
        Blob memory pawn = Blobs.update(t, 1, 0);
        pawn.leaves[0][511] = 0x01;
        pawn.seal();
        _commit(1, 0, pawn.root);
        for (uint256 i = 1; i < 4; ++i) {
            _commit(1, i, Blobs.update(t, 1, i).root);
        }
        f.advance();
        for (uint256 i = 0; i < 4; ++i) {
            _vote(1, i, i < 3 ? 15 : 14, 0);
        }
        f.advance();
        (Blob memory wrong, Blob memory right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i < 3 ? wrong.root : right.root);
        }
        f.advance();
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        bytes32[] memory roots = _rootsOf(1, 4);
        roots[0] = pawn.root;
        ITournament.Point memory p = _point(1, 0, 0, 1);
        ITournament.Input[] memory inputs = _inputs(1, 4, p.from);
        inputs[0] = _input(pawn, 0, p.from);
        f.prove(p, _votingOf(roots), roots, inputs);
        f.undo(1);
        f.settle(1, 9);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(_stakeOf(i), 0, "attested a wrong merge");
        }
        vm.assertEq(_stakeOf(3), STAKE);
    }

    /// @dev Withholding the merged blob outlasted the window and was paid. Now who withholds is silent, and loses; the honest
    /// one need not know where its root differs.
    function test_withholding_the_merged_blob_loses() external {
        (, Blob memory right) = _forge();
        _toTournament(1);
        _step(1, 0, 0, 1, nothing, right); // its own side alone
        vm.warp(block.timestamp + CLOCK + 1);
        f.undo(1);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(0) + _stakeOf(1) + _stakeOf(2), 0);
        vm.assertEq(_stakeOf(3), STAKE);
    }

    /// @dev Who opened the first case was paid, whoever did the work. To enter earns nothing, and the mover is paid.
    function test_a_forger_that_sues_itself_earns_nothing() external {
        _playBlobs(1, 4);
        (Blob memory wrong, Blob memory right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, wrong.root);
        }
        f.advance();
        _enter(THIEF, 1, right.root); // a forger's second account
        _toTournament(1);
        cheats.fee(10 gwei);
        cheats.txGasPrice(10 gwei);
        cheats.startPrank(WATCHER);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        cheats.stopPrank();
        cheats.fee(0);
        cheats.txGasPrice(0);
        f.undo(1);
        f.settle(1, 9);
        f.collect(1, 1);
        f.reimburse(1, 0, 0, WATCHER);
        vm.assertEq(f.account(THIEF).nativeClaimable, BOND, "its own bond");
        vm.assertEq(f.account(THIEF).claimable, 0);
        vm.assertTrue(f.account(WATCHER).nativeClaimable > 0);
        (, uint256 burned, uint256 nativeBurned) = f.books();
        vm.assertEq(burned, 4 * STAKE, "nobody attested the right root: all of it");
        vm.assertEq(nativeBurned + f.account(WATCHER).nativeClaimable, 4 * BOND);
    }

    /// @dev The same leaf was demanded over and over. A root is one entry, a step is shown once.
    function test_nothing_is_asked_twice() external {
        (Blob memory sham, Blob memory right) = _sue();
        bytes32 context = _context(1);
        vm.deal(THIEF, BOND);
        vm.prank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(ITournament.AlreadyEntered.selector, 1));
        f.enter{value: BOND}(1, context, sham.root);
        _toTournament(1);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory parts = right.parts(p.from, p.count);
        f.show(p, parts, none);
        vm.expectRevert(ITournament.NothingNew.selector);
        f.show(p, parts, none);
    }

    /// @dev Under rule 0 a majority took the minority's stakes. There are no entries, and nobody is slashed for a merge.
    function test_rule_0_slashes_nobody() external {
        _with(4, 0);
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i < 3 ? keccak256("forged") : _merge(1));
        }
        f.advance();
        bytes32 context = _context(1);
        vm.deal(WATCHER, BOND);
        vm.prank(WATCHER);
        vm.expectRevert(ITournament.NotJudged.selector);
        f.enter{value: BOND}(1, context, keccak256("right"));
        vm.warp(START + ATTEST + 1);
        f.settle(1, 9); // no window
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i), STAKE);
        }
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingToCollect.selector, 1));
        f.collect(1, 1);
    }

    /// @dev Whoever won against a quorum was alone, and no round was ever final again. It forms again.
    function test_who_wins_in_court_goes_on_with_whoever_joins() external {
        (Blob memory wrong, Blob memory right) = _forge();
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        f.undo(1);
        _assertPhase(2, ILedger.Phase.Forming);
        vm.assertFalse(f.isDue());
        _equip(_member(4));
        _join(4);
        vm.warp(block.timestamp + JOIN);
        f.advance();
        _assertPhase(3, ILedger.Phase.Commit);
        vm.assertEq(f.roundOf(3).base, GENESIS);
        vm.assertEq(f.roundOf(3).roster, 24);
        _commit(3, 3, _update(3, 3));
        _commit(3, 4, _update(3, 4));
        f.advance();
        _vote(3, 3, 24, 0);
        _vote(3, 4, 24, 0);
        f.advance();
        _attest(3, 3, _merge(3));
        _attest(3, 4, _merge(3));
        f.advance();
        _assertStatus(3, ILedger.Status.Final);
        vm.assertEq(f.position().finals, 1, "the undone one counts no more");
    }

    // ------------------------------------------------------------------------------------------- floods and silence

    /// @dev A thousand shams, and one that is a real tree stands in each stage's way: one match a stage, and no more.
    function test_a_thousand_sham_entries() external {
        _playBlobs(1, 4);
        Blob memory right = _right(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, right.root);
        }
        f.advance();
        Blob[10] memory champions;
        uint256 next;
        for (uint256 k = 1; k < 1000; ++k) {
            bytes32 root = keccak256(abi.encode("sham", k));
            if (k == 1 << next) {
                champions[next] = _wrong(1, 4, 671, int256(k));
                root = champions[next].root;
                ++next;
            }
            vm.assertEq(_enter(THIEF, 1, root), k);
        }
        (uint256 entries, uint256 start, uint256 stageSeconds,) = f.tournament(1);
        vm.assertEq(entries, 1000);
        for (uint256 stage = 0; stage < 10; ++stage) {
            vm.warp(start + stage * stageSeconds + 1);
            // The champions of later stages beat their neighbours, who are silent, by one step each.
            for (uint256 later = stage + 1; later < 10; ++later) {
                // In later stages their neighbours have lost to silence, and they pass.
                uint256 k = 1 << later;
                if (stage == 0) _step(1, stage, k, k + 1, champions[later], nothing);
            }
            _descend(1, stage, 0, 1 << stage, right, champions[stage]);
            _prove(1, stage, 0, 1 << stage, 4);
        }
        _assertFate(1, 0, ITournament.Fate.Won);
        f.settle(1, 600);
        f.settle(1, 600);
        _assertStatus(1, ILedger.Status.Settled);
        vm.assertEq(_stakeOf(0), STAKE);
    }

    /// @dev n - 1 attest shams in each round they can, against one purse: each round's right root plays one match a stage.
    function test_all_but_one_attest_shams_round_after_round() external {
        uint256 rounds = UNSETTLED;
        Blob[] memory rights = new Blob[](rounds + 1);
        Blob[] memory shams = new Blob[](rounds + 1);
        for (uint32 round = 1; round <= rounds; ++round) {
            _playBlobs(round, 4);
            (rights[round], shams[round]) = (_right(round, 4), _wrong(round, 4, 671, 9));
            _attest(round, 3, rights[round].root);
            _attest(round, 0, shams[round].root);
            _attest(round, 1, keccak256(abi.encode("b", round)));
            _attest(round, 2, keccak256(abi.encode("c", round)));
            f.advance();
            _assertStatus(round, ILedger.Status.Void);
        }
        _assertPhase(uint32(rounds), ILedger.Phase.Waiting);
        for (uint32 round = 1; round <= rounds; ++round) {
            vm.warp(block.timestamp + 1);
            _descend(round, 0, 0, 1, rights[round], shams[round]);
            _prove(round, 0, 0, 1, 4);
        }
        vm.warp(block.timestamp + 2 * STAGE);
        for (uint32 round = 1; round <= rounds; ++round) {
            _assertFate(round, 0, ITournament.Fate.Won);
            f.settle(round, 9);
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(_stakeOf(i), 0);
            vm.assertEq(f.account(_member(i)).bonds, 0, "one for each round, and no more");
        }
        vm.assertEq(_stakeOf(3), STAKE);
        f.advance();
        _assertPhase(uint32(rounds), ILedger.Phase.Forming);
    }

    /// @dev In every stage and step the right side's moves come at the last second that its clock allows.
    function test_moves_censored_for_almost_a_clock_in_every_stage() external {
        _playBlobs(1, 4);
        Blob memory right = _right(1, 4);
        Blob[3] memory shams = [_wrong(1, 4, 0, 1), _wrong(1, 4, 61, 1), _wrong(1, 4, 671, 1)];
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, right.root);
        }
        f.advance();
        for (uint256 k = 0; k < 3; ++k) {
            _enter(THIEF, 1, shams[k].root);
        }
        (, uint256 start,,) = f.tournament(1);
        // Stage 0: right against shams[0]; shams[1] beats shams[2] which is silent.
        for (uint256 stage = 0; stage < 2; ++stage) {
            uint256 t = start + stage * STAGE;
            uint256 j = stage == 0 ? 1 : 2;
            vm.warp(t + 1);
            if (stage == 0) _step(1, 0, 2, 3, shams[1], nothing);
            _step(1, stage, 0, j, nothing, shams[j - 1]);
            vm.warp(t + CLOCK - 1);
            _step(1, stage, 0, j, right, shams[j - 1]);
            // At the leaf: the sham waits for its last too.
            vm.warp(t + CLOCK - 1 + CLOCK - 1);
            ITournament.MatchView memory m = f.matchAt(1, stage, 0);
            vm.assertEq(m.clockI, 1);
            vm.assertEq(m.count, 1);
            vm.warp(t + CLOCK);
            _step(1, stage, 0, j, right, nothing);
            vm.warp(t + CLOCK - 1 + CLOCK - 1);
            _step(1, stage, 0, j, right, shams[j - 1]);
            vm.warp(t + CLOCK - 1 + CLOCK - 1 + PROOF);
            _prove(1, stage, 0, j, 4);
        }
        _assertFate(1, 0, ITournament.Fate.Won);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(0), STAKE);
    }

    /// @dev A right root that a saboteur entered, and then keeps silent about, is defended by anybody.
    function test_a_right_root_entered_by_a_saboteur_is_not_burnt() external {
        _playBlobs(1, 4);
        (Blob memory wrong, Blob memory right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, wrong.root);
        }
        f.advance();
        _enter(THIEF, 1, right.root); // before the honest one attests it
        _attest(1, 3, right.root);
        (uint256 entries,,,) = f.tournament(1);
        vm.assertEq(entries, 2, "one root is one entry");
        vm.assertEq(f.entry(1, 1).attesters, 8);
        vm.assertTrue(f.entry(1, 1).entrant == THIEF);
        _toTournament(1);
        vm.prank(WATCHER);
        _step(1, 0, 0, 1, nothing, right);
        vm.warp(block.timestamp + CLOCK + 1);
        f.undo(1);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertEq(f.account(_member(3)).claimable, 30 ether);
    }

    /// @dev An attester that lets its own time run out takes nobody along: there is no time that is its own.
    function test_any_other_moves_for_an_attester_that_keeps_silent() external {
        (, Blob memory right) = _sue();
        _toTournament(1);
        vm.warp(block.timestamp + CLOCK - 2); // all four attesters sleep
        vm.prank(WATCHER);
        _step(1, 0, 0, 1, right, nothing);
        vm.warp(block.timestamp + 2);
        _assertFate(1, 0, ITournament.Fate.Won);
    }

    // -------------------------------------------------------------------------------------------- bases that fall

    /// @dev A round on a base that falls: its tournament ends, bonds come back, nobody loses, nothing is paid.
    function test_a_tournament_on_a_round_whose_base_falls() external {
        (Blob memory wrong, Blob memory right) = _forge();
        // The forgers go on upon it; the honest one abstains. Somebody enters a sham against round 2.
        for (uint256 i = 0; i < 3; ++i) {
            _commit(2, i, _update(2, i));
        }
        _commit(2, 3, 0);
        f.advance();
        _voteAll(2, 4, 7);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(2, i, keccak256("on sand"));
        }
        f.advance();
        _attest(2, 3, keccak256("other"));
        _enter(WATCHER, 2, keccak256("sham"));
        _assertPhase(3, ILedger.Phase.Commit);
        vm.assertEq(f.position().finals, 2);
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        f.undo(1);
        _assertStatus(2, ILedger.Status.Over);
        _assertStatus(3, ILedger.Status.Over);
        vm.assertEq(f.position().finals, 0);
        vm.assertEq(f.position().unsettled, 1, "the undone one");
        _assertFate(2, 1, ITournament.Fate.Fallen);
        _assertFate(2, 2, ITournament.Fate.Fallen);
        f.collect(2, 2);
        vm.assertEq(f.account(WATCHER).nativeClaimable, BOND);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingToCollect.selector, 2));
        f.collect(2, 2);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingToCollect.selector, 1));
        f.collect(2, 1);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotUnsettled.selector, 2));
        f.settle(2, 9);
        vm.warp(block.timestamp + 20 * STAGE);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NoTournament.selector, 2));
        f.resolve(2, 1, 0);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(3), STAKE, "whose other attestation fell with its base");
        vm.assertEq(f.account(_member(3)).bonds, UNSETTLED * BOND);
    }

    /// @dev It lies in a slot that a round with commits had before: those are not its own.
    function test_a_round_that_falls_while_it_awaits_commits_has_none() external {
        Terms memory t = _terms(4);
        (t.maxUnsettled, t.maxMissed) = (2, 0);
        f = IFederation(factory.found(t, bytes32(uint256(29))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
        _commitAll(1, 4);
        _sleep(); // nobody votes
        _assertStatus(1, ILedger.Status.Over);
        vm.assertEq(f.roundOf(1).committed, 15);
        _playBlobs(2, 4);
        (Blob memory wrong, Blob memory right) = (_wrong(2, 4, 671, 1), _right(2, 4));
        for (uint256 i = 0; i < 3; ++i) {
            _attest(2, i, wrong.root);
        }
        f.advance();
        _attest(2, 3, right.root);
        _commit(3, 3, 0);
        _toTournament(2);
        _descend(2, 0, 0, 1, wrong, right);
        _prove(2, 0, 0, 1, 4);
        f.undo(2);
        _assertStatus(3, ILedger.Status.Over);
        vm.assertEq(f.roundOf(3).roster, 15);
        vm.assertEq(f.roundOf(3).committed, 0, "a former round's");
    }

    /// @dev The last round is undone: what was done is not.
    function test_an_undone_last_round_reopens_the_federation() external {
        Terms memory t = _terms(4);
        t.rounds = 1;
        f = IFederation(factory.found(t, bytes32(uint256(21))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
        (Blob memory wrong, Blob memory right) = _forge();
        _assertPhase(1, ILedger.Phase.Done);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(_member(i));
            f.leave(); // the forgers' stakes stay
            vm.expectRevert(abi.encodeWithSelector(ILedger.SeatInUse.selector, i));
            f.release(i);
        }
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        f.undo(1);
        _assertPhase(1, ILedger.Phase.Forming);
        f.settle(1, 9);
        vm.assertEq(_stakeOf(0) + _stakeOf(1) + _stakeOf(2), 0);
    }

    /// @dev Void rounds overwrote evidence. A round that is not settled keeps its slot, and none opens in it.
    function test_void_rounds_overwrite_no_evidence() external {
        Terms memory t = _terms(4);
        t.maxMissed = 0;
        t.maxUnsettled = 16;
        t.maxVoid = 100;
        t.windowSeconds = 20_000;
        f = IFederation(factory.found(t, bytes32(uint256(22))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
        (, Blob memory right) = _forge();
        bytes32 evidence = _context(1);
        for (uint32 round = 2; round <= 16; ++round) {
            _sleep();
        }
        _assertPhase(16, ILedger.Phase.Waiting);
        vm.assertEq(_context(1), evidence);
        _toTournament(1);
        vm.assertFalse(f.isDue());
        _step(1, 0, 0, 1, nothing, right);
        vm.warp(block.timestamp + CLOCK + 1);
        f.undo(1);
        f.settle(1, 9);
        vm.assertTrue(f.isDue());
        f.advance();
        _assertPhase(16, ILedger.Phase.Forming); // the forgers are out
        vm.assertEq(f.position().since, block.timestamp, "what it waited before the undoing counts once");
        _equip(_member(4));
        _join(4);
        vm.warp(f.position().deadline);
        f.advance();
        vm.assertEq(f.roundOf(17).base, GENESIS, "found in the undone round's own slot, as it is written anew");
    }

    /// @dev Who races through rounds cannot shut the honest one out of an earlier one's attest phase.
    function test_racing_through_rounds_does_not_help() external {
        _playBlobs(1, 4);
        Blob memory right = _right(1, 4);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, keccak256("forged"));
        }
        f.advance();
        vm.warp(START + ATTEST - 1);
        _attest(1, 3, right.root);
        vm.assertEq(f.entry(1, 1).attesters, 8);
        _assertPhase(2, ILedger.Phase.Commit);
    }

    /// @dev The limit stands still while disputes keep rounds from opening, and an undoing starts it anew.
    function test_stalling_until_the_limit_by_disputes_ends_nothing() external {
        Terms memory t = _terms(4);
        t.limitSeconds = 2600;
        t.maxUnsettled = 1;
        f = IFederation(factory.found(t, bytes32(uint256(23))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
        (, Blob memory right) = _sue();
        _assertPhase(1, ILedger.Phase.Waiting);
        _toTournament(1);
        _step(1, 0, 0, 1, right, nothing);
        vm.warp(block.timestamp + CLOCK + 1);
        f.settle(1, 9);
        vm.assertTrue(block.timestamp > START + 2600);
        f.advance();
        _assertPhase(2, ILedger.Phase.Commit);
        _sleep();
        _assertPhase(3, ILedger.Phase.Commit);
    }

    /// @dev A worthless coin makes stakes worthless, and no bond.
    function test_bonds_are_in_the_chains_own_currency_whatever_the_coin() external {
        _playBlobs(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _right(1, 4).root);
        }
        f.advance();
        bytes32 context = _context(1);
        vm.assertTrue(coin.transfer(THIEF, 1000 ether));
        cheats.startPrank(THIEF);
        coin.approve(address(f), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongBond.selector, 0, BOND));
        f.enter(1, context, keccak256("sham"));
        cheats.stopPrank();
    }

    /// @dev All places of a tournament taken in one window: those of the roster are kept.
    function test_a_full_tournament_keeps_the_rosters_places() external {
        _play(1, 4);
        bytes32 context = _context(1);
        _playLate();
        vm.deal(THIEF, 5000 * BOND);
        uint256 places = 4096 - 4;
        cheats.startPrank(THIEF);
        for (uint256 k = 0; k < places; ++k) {
            f.enter{value: BOND}(1, context, bytes32(k + 1));
        }
        vm.expectRevert(abi.encodeWithSelector(ITournament.TournamentFull.selector, places));
        f.enter{value: BOND}(1, context, keccak256("one more"));
        cheats.stopPrank();
        vm.deal(_member(0), BOND);
        vm.prank(_member(0)); // it attested: its place is taken
        vm.expectRevert(abi.encodeWithSelector(ITournament.TournamentFull.selector, places));
        f.enter{value: BOND}(1, context, keccak256("another"));
    }

    function test_a_member_that_attested_nothing_enters_into_its_own_place() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, keccak256("forged"));
        }
        f.advance();
        bytes32 context = _context(1);
        vm.deal(THIEF, 5000 * BOND);
        cheats.startPrank(THIEF);
        for (uint256 k = 0; k < 4092; ++k) {
            f.enter{value: BOND}(1, context, bytes32(k + 1));
        }
        cheats.stopPrank();
        vm.deal(_member(3), 2 * BOND);
        cheats.startPrank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(ITournament.TournamentFull.selector, 4092));
        f.enter{value: BOND}(1, context, _merge(1)); // as long as it can still attest
        vm.warp(START + ATTEST);
        vm.assertEq(f.enter{value: BOND}(1, context, _merge(1)), 4093);
        vm.expectRevert(abi.encodeWithSelector(ITournament.TournamentFull.selector, 4092));
        f.enter{value: BOND}(1, context, keccak256("once"));
        cheats.stopPrank();
        // 4,094 entries, all silent: a bracket can be looked through in parts, each within a transaction.
        _toTournament(1);
        (, uint256 start, uint256 stage,) = f.tournament(1);
        vm.warp(start + 12 * stage + 1);
        uint256 most;
        for (uint256 b = 0; b < 8; ++b) {
            uint256 gas = gasleft();
            f.resolve(1, 9, b);
            gas -= gasleft();
            if (gas > most) most = gas;
        }
        vm.assertLe(most, 4_000_000);
        f.undo(1);
        f.settle(1, 9);
    }

    /// @dev Who was undone is unseated at once; any other loser by whoever says so, as soon as it has lost.
    function test_a_loser_is_punished_at_once_and_cannot_come_back_on_the_same_stake() external {
        _playBlobs(1, 4);
        (Blob memory sham, Blob memory right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i == 3 ? sham.root : right.root);
        }
        f.advance();
        _enter(THIEF, 1, keccak256("longer"));
        _toTournament(1);
        _descend(1, 0, 0, 1, right, sham);
        _prove(1, 0, 0, 1, 4);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotOver.selector, START + WINDOW + 2 * STAGE));
        f.settle(1, 9);
        f.collect(1, 1);
        vm.assertEq(f.position().active, 7);
        vm.assertEq(_stakeOf(3), 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnderStaked.selector, 0, STAKE));
        _join(3);
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _with(uint256 n, uint8 rule) private {
        Terms memory t = _terms(n);
        t.rule = rule;
        f = IFederation(factory.found(t, bytes32(n * 10 + rule)));
        coin.approve(address(f), type(uint256).max);
        _fill(n);
    }

    /// @dev All commit; the update of 0 reaches the first `some` alone.
    function _withheld(uint32 round, uint256 n, uint256 some) private {
        _commitAll(round, n);
        uint256 all = _first(n);
        for (uint256 i = 0; i < n; ++i) {
            if (i < some) _vote(round, i, all, 0);
            else _vote(round, i, all ^ 1, 1);
        }
        f.advance();
    }

    function _playLate() private {
        vm.warp(START + ATTEST + 1);
    }

    /// @dev Three forgers of four make a wrong root final; one honest member attests the right one, later.
    function _forge() private returns (Blob memory wrong, Blob memory right) {
        _playBlobs(1, 4);
        (wrong, right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, wrong.root);
        }
        f.advance();
        _attest(1, 3, right.root);
    }

    /// @dev All four attest the right root; somebody enters a sham.
    function _sue() private returns (Blob memory sham, Blob memory right) {
        _playBlobs(1, 4);
        (sham, right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, right.root);
        }
        f.advance();
        _enter(THIEF, 1, sham.root);
    }
}
