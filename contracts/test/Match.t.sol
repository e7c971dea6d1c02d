// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITournament} from "../src/ITournament.sol";
import {ITreasury} from "../src/ITreasury.sol";
import {Terms} from "../src/Terms.sol";
import {Merkle} from "../src/libraries/Merkle.sol";
import {Trees} from "../src/libraries/Trees.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {FederationTest, IFederation, cheats} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title A tournament from its entries to what comes of it (docs/protocol.md, section 6).
contract MatchTest is FederationTest {
    using Blobs for Blob;

    bytes32[] private none;
    Blob private nothing;

    // -------------------------------------------------------------------------------------------- one honest attester

    function test_a_wrong_final_root_loses_to_one_honest_attester() external {
        (Blob memory wrong, Blob memory right) = _forge();
        _assertStatus(1, ILedger.Status.Final);
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Won);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.UndoFirst.selector, 1));
        f.settle(1, 10);
        f.undo(1);
        _assertStatus(1, ILedger.Status.Void);
        vm.assertEq(f.position().active, 8, "unseated at once");
        _assertPhase(2, ILedger.Phase.Forming);
        f.settle(1, 10);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(_stakeOf(i), 0);
            vm.assertEq(f.account(_member(i)).bonds, (UNSETTLED - 1) * BOND);
        }
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertEq(f.account(_member(3)).claimable, 30 ether, "a tenth of what was slashed");
        (uint256 pool, uint256 burned,) = f.books();
        vm.assertEq(pool, 1000 ether);
        vm.assertEq(burned, 270 ether);
    }

    function test_a_right_final_root_beats_a_sham_and_is_paid() external {
        (Blob memory sham, Blob memory right) = _sue();
        _toTournament(1);
        _descend(1, 0, 0, 1, right, sham);
        _prove(1, 0, 0, 1, 4);
        _assertFate(1, 0, ITournament.Fate.Won);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotLost.selector, 1));
        f.undo(1);
        f.settle(1, 10);
        _assertStatus(1, ILedger.Status.Settled);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i), STAKE);
            vm.assertEq(f.account(_member(i)).claimable, REWARD / 4);
        }
        f.collect(1, 1);
        (,, uint256 nativeBurned) = f.books();
        vm.assertEq(nativeBurned, BOND, "gas is free in this test");
    }

    function test_each_rule() external {
        for (uint8 rule = 1; rule <= 3; ++rule) {
            Terms memory t = _terms(4);
            t.rule = rule;
            t.trim = 2500;
            t.charter = CHARTER;
            f = IFederation(factory.found(t, bytes32(uint256(rule))));
            coin.approve(address(f), type(uint256).max);
            _fill(4);
            (Blob memory sham, Blob memory right) = _sue();
            _toTournament(1);
            _descend(1, 0, 0, 1, right, sham);
            _prove(1, 0, 0, 1, 4);
            _assertFate(1, 0, ITournament.Fate.Won);
        }
    }

    // ----------------------------------------------------------------------------------------------------- what moves pay

    function test_the_losers_bond_pays_who_moved_and_the_rest_is_burned() external {
        (Blob memory sham, Blob memory right) = _sue();
        _toTournament(1);
        cheats.fee(10 gwei);
        cheats.txGasPrice(100 gwei); // what is above 9/8 of the base fee is the mover's own affair
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory parts = right.parts(p.from, p.count);
        vm.prank(THIEF); // whoever it is
        f.show(p, parts, none);
        _step(1, 0, 0, 1, right, sham);
        _descend(1, 0, 0, 1, right, sham);
        _prove(1, 0, 0, 1, 4);
        cheats.fee(0);
        cheats.txGasPrice(0);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, THIEF));
        f.reimburse(1, 0, 0, THIEF);
        f.collect(1, 1);
        f.reimburse(1, 0, 0, THIEF);
        f.reimburse(1, 0, 0, address(this));
        uint256 thief = f.account(THIEF).nativeClaimable;
        uint256 mine = f.account(address(this)).nativeClaimable;
        (,, uint256 burned) = f.books();
        vm.assertEq(thief + mine + burned, BOND);
        vm.assertTrue(thief > 11.25 gwei * 60_000 && thief < 11.25 gwei * 300_000);
        vm.assertTrue(mine > thief);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, THIEF));
        f.reimburse(1, 0, 0, THIEF);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingToCollect.selector, 1));
        f.collect(1, 1);
        vm.prank(THIEF);
        f.claimNative(THIEF);
        vm.assertEq(THIEF.balance, thief);
    }

    function test_moves_for_the_side_that_lost_are_not_paid() external {
        (Blob memory sham,) = _sue();
        _toTournament(1);
        cheats.fee(10 gwei);
        cheats.txGasPrice(10 gwei);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory parts = sham.parts(p.from, p.count);
        f.show(p, none, parts);
        vm.warp(block.timestamp + CLOCK + 1); // nobody speaks for the right root: this is the assumption, broken
        _assertFate(1, 0, ITournament.Fate.Lost);
        f.undo(1);
        f.collect(1, 0);
        f.reimburse(1, 0, 0, address(this));
        vm.assertTrue(f.account(address(this)).nativeClaimable > 0, "the sham's side won");
    }

    function test_where_both_lose_nobody_is_paid_less_for_asking_early() external {
        (Blob memory sham, Blob memory right) = _sue();
        _toTournament(1);
        _descend(1, 0, 0, 1, right, sham);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32 voting = _voting(1, 4);
        bytes32[] memory roots = _rootsOf(1, 4);
        ITournament.Input[] memory inputs = _inputs(1, 4, p.from);
        cheats.fee(BOND / 50_000); // two proofs cost more than all bonds
        cheats.txGasPrice(BOND / 50_000);
        ITournament.Input[] memory one = new ITournament.Input[](1);
        one[0] = inputs[0];
        vm.prank(THIEF);
        f.prove(p, voting, roots, one);
        one[0] = inputs[1];
        f.prove(p, voting, roots, one);
        cheats.fee(0);
        cheats.txGasPrice(0);
        vm.warp(block.timestamp + PROOF + 1);
        f.collect(1, 1);
        vm.assertEq(f.owed(1, 0, 0, THIEF), 0);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingThere.selector, THIEF));
        f.reimburse(1, 0, 0, THIEF);
        f.collect(1, 0);
        f.reimburse(1, 0, 0, THIEF);
        f.reimburse(1, 0, 0, address(this));
        uint256 thief = f.account(THIEF).nativeClaimable;
        uint256 mine = f.account(address(this)).nativeClaimable;
        vm.assertTrue(thief + mine <= 5 * BOND && thief + mine >= 5 * BOND - 2, "of four attesters and the entrant");
        vm.assertTrue(thief > mine && thief < 3 * mine, "what it cost: the first one found all slots cold");
    }

    // -------------------------------------------------------------------------------------------------------- clocks

    function test_who_is_silent_loses_when_its_clock_has_run_out() external {
        (, Blob memory right) = _sue();
        _toTournament(1);
        uint256 start = block.timestamp - 1;
        _step(1, 0, 0, 1, right, nothing);
        vm.warp(start + CLOCK);
        _assertFate(1, 0, ITournament.Fate.Pending);
        vm.warp(start + CLOCK + 1);
        _assertFate(1, 0, ITournament.Fate.Won);
        _assertFate(1, 1, ITournament.Fate.Lost);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.MatchOver.selector, 1));
        f.show(p, none, none);
        f.settle(1, 9);
    }

    function test_where_nobody_moves_both_lose() external {
        _sue();
        _toTournament(1);
        vm.warp(block.timestamp + CLOCK - 1);
        _assertFate(1, 0, ITournament.Fate.Pending);
        vm.warp(block.timestamp + 1);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Lost);
    }

    function test_a_clock_is_for_all_steps_together_and_runs_for_who_has_not_shown() external {
        (Blob memory sham, Blob memory right) = _large();
        uint256 t = block.timestamp - 1;
        vm.warp(t + 300);
        _step(1, 0, 0, 1, right, nothing);
        vm.warp(t + 650);
        _step(1, 0, 0, 1, right, sham);
        ITournament.MatchView memory m = f.matchAt(1, 0, 0);
        vm.assertEq(m.clockI, CLOCK - 300);
        vm.assertEq(m.clockJ, CLOCK - 650);
        vm.assertEq(m.since, t + 650);
        // The sham has 50 seconds left, the right root 400.
        vm.warp(t + 700);
        _step(1, 0, 0, 1, right, nothing);
        vm.assertEq(f.matchAt(1, 0, 0).winner, 0);
        vm.warp(t + 701);
        vm.assertEq(f.matchAt(1, 0, 0).winner, 1);
        vm.assertEq(uint256(f.matchAt(1, 0, 0).state), uint256(ITournament.State.Decided));
    }

    function test_with_neither_shown_who_has_less_time_left_loses_first() external {
        (Blob memory sham, Blob memory right) = _large();
        uint256 t = block.timestamp - 1;
        vm.warp(t + 10);
        _step(1, 0, 0, 1, nothing, sham);
        vm.warp(t + 20);
        _step(1, 0, 0, 1, right, sham);
        vm.warp(t + 20 + CLOCK - 20 + 1);
        vm.assertEq(f.matchAt(1, 0, 0).winner, 2, "the left one had ten seconds less");
    }

    function test_unproved_inputs_are_both_sides_loss() external {
        (Blob memory sham, Blob memory right) = _sue();
        _toTournament(1);
        _descend(1, 0, 0, 1, right, sham);
        uint256 t = block.timestamp;
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32 voting = _voting(1, 4);
        bytes32[] memory roots = _rootsOf(1, 4);
        ITournament.Input[] memory inputs = _inputs(1, 4, p.from);
        assembly ("memory-safe") {
            mstore(inputs, 3) // all but one
        }
        f.prove(p, voting, roots, inputs);
        vm.assertEq(f.matchAt(1, 0, 0).proven, 7);
        vm.warp(t + PROOF);
        _assertFate(1, 0, ITournament.Fate.Pending);
        vm.warp(t + PROOF + 1);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Lost);
        vm.expectRevert(abi.encodeWithSelector(ITournament.MatchOver.selector, 0));
        f.prove(p, voting, roots, inputs);
    }

    // --------------------------------------------------------------------------------------------------- double losses

    function test_if_both_values_are_wrong_both_lose_and_the_third_passes() external {
        _playBlobs(1, 4);
        Blob memory one = _wrong(1, 4, 671, 1);
        Blob memory two = _wrong(1, 4, 671, 2);
        Blob memory right = _right(1, 4);
        _attest(1, 0, one.root);
        _attest(1, 1, two.root);
        _attest(1, 2, right.root);
        _attest(1, 3, right.root);
        f.advance();
        _assertStatus(1, ILedger.Status.Void);
        vm.warp(block.timestamp + 1);
        _descend(1, 0, 0, 1, one, two);
        _prove(1, 0, 0, 1, 4);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Lost);
        _assertFate(1, 2, ITournament.Fate.Won);
        f.settle(1, 10);
        vm.assertEq(_stakeOf(0) + _stakeOf(1), 0);
        vm.assertEq(_stakeOf(2) + _stakeOf(3), 2 * STAKE);
        vm.assertEq(f.account(_member(2)).claimable, 10 ether);
        vm.assertEq(f.position().active, 12);
    }

    // --------------------------------------------------------------------------------------- header, padding, bytes

    function test_a_merged_header_is_exact_to_the_byte() external {
        for (uint256 at = 0; at < 512; at += 73) {
            uint256 state = cheats.snapshotState();
            _playBlobs(1, 4);
            (Blob memory right, Blob memory sham) = (_right(1, 4), _right(1, 4));
            sham.leaves[0][at] = bytes1(uint8(sham.leaves[0][at]) ^ 1);
            sham.seal();
            _judgeAgainst(right, sham);
            _assertFate(1, 0, ITournament.Fate.Won);
            cheats.revertToState(state);
        }
    }

    function test_padding_is_judged_without_inputs() external {
        _playBlobs(1, 4);
        (Blob memory right, Blob memory sham) = (_right(1, 4), _right(1, 4));
        sham.set(1100, 1); // the first one beyond the values
        sham.seal();
        _judgeAgainst(right, sham);
        _assertFate(1, 0, ITournament.Fate.Won);
    }

    function test_two_wrong_headers_both_lose() external {
        _playBlobs(1, 4);
        (Blob memory one, Blob memory two) = (_right(1, 4), _right(1, 4));
        one.leaves[0][400] = 0x01;
        two.leaves[0][401] = 0x01;
        one.seal();
        two.seal();
        _judgeAgainst(one, two);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Lost);
    }

    /// @dev An update's header may say anything, its weight too: capped from both sides.
    function test_weights_are_read_as_they_lie() external {
        Terms memory t = f.terms();
        Blob[] memory updates = new Blob[](4);
        int256 sum;
        int256 total;
        for (uint256 i = 0; i < 4; ++i) {
            updates[i] = Blobs.empty(t);
            for (uint256 w = 0; w < 16; ++w) {
                Blobs.put(updates[i].leaves[0], w, bytes32(type(uint256).max - i)); // rubbish
            }
            if (i == 1) Blobs.put(updates[i].leaves[0], 7, 0);
            if (i == 2) Blobs.put(updates[i].leaves[0], 7, bytes32(uint256(500)));
            int256 w_ = i == 1 ? int256(1) : i == 2 ? int256(500) : int256(1000);
            updates[i].set(7, int256(i) * 1000 - 999);
            sum += w_ * (int256(i) * 1000 - 999);
            total += w_;
            updates[i].seal();
            _commit(1, i, updates[i].root);
        }
        f.advance();
        _voteAll(1, 4, 15);
        Blob memory right = Blobs.empty(t);
        right.leaves[0] = _right(1, 4).leaves[0];
        right.set(7, sum / total - (sum % total < 0 ? int256(1) : int256(0)));
        right.seal();
        Blob memory sham = right.copy();
        sham.set(7, 0);
        sham.seal();
        _judgeAgainst(right, sham);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        ITournament.Input[] memory inputs = new ITournament.Input[](4);
        bytes32[] memory roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            inputs[i] = _input(updates[i], i, p.from);
            roots[i] = updates[i].root;
        }
        f.prove(p, _votingOf(roots), roots, inputs);
        _assertFate(1, 0, ITournament.Fate.Won);
    }

    // ------------------------------------------------------------------------------------------------------- shapes

    /// @dev The root by parts is RFC 6962's root, for trees of many shapes.
    function test_a_tree_is_one_over_its_parts() external view {
        uint16[22] memory counts =
            [uint16(2), 3, 4, 5, 7, 8, 15, 31, 32, 33, 34, 63, 64, 65, 96, 97, 127, 128, 129, 1000, 1024, 1025];
        for (uint256 k = 0; k < counts.length; ++k) {
            uint256 n = counts[k];
            Blob memory b;
            b.hashes = new bytes32[](n);
            for (uint256 i = 0; i < n; ++i) {
                b.hashes[i] = keccak256(abi.encode(n, i));
            }
            uint256 size = Trees.partOf(n);
            vm.assertTrue((n + size - 1) / size <= 32 && (size == 1 || (n + size / 2 - 1) / (size / 2) > 32));
            vm.assertEq(Trees.rootOf(b.parts(0, n)), b.rootOfHashes());
        }
    }

    function test_descents_through_trees_of_many_shapes() external {
        uint40[5] memory leaves = [uint40(2), 3, 31, 33, 65];
        for (uint256 k = 0; k < leaves.length; ++k) {
            uint256 state = cheats.snapshotState();
            (Blob memory right, Blob memory sham) = _shaped(leaves[k], bytes32(k + 100));
            _judgeAgainst(right, sham);
            vm.assertEq(f.matchAt(1, 0, 0).from, leaves[k] - 1);
            _prove(1, 0, 0, 1, 2);
            _assertFate(1, 0, ITournament.Fate.Won);
            cheats.revertToState(state);
        }
    }

    // ------------------------------------------------------------------------------------------------------ refusals

    /// @dev Of trees whose counts lie round a step's 32 parts, and at the end of each of the single leaf.
    function test_reverts_for_moves_of_the_wrong_shape() external {
        uint40[5] memory leaves = [uint40(2), 3, 31, 32, 33];
        for (uint256 k = 0; k < leaves.length; ++k) {
            uint256 state = cheats.snapshotState();
            (Blob memory right, Blob memory sham) = _shaped(leaves[k], bytes32(k + 200));
            for (uint256 i = 0; i < 2; ++i) {
                _attest(1, i, right.root);
            }
            f.advance();
            _enter(THIEF, 1, sham.root);
            _toTournament(1);
            _refuseWrongParts(right);
            while (_point(1, 0, 0, 1).count > 1) {
                _step(1, 0, 0, 1, right, sham);
            }
            _refuseWrongLeaves(right);
            cheats.revertToState(state);
        }
    }

    /// @dev A federation on trees of so many leaves, its first round up to the votes; `sham` differs in the last value.
    function _shaped(uint40 leaves, bytes32 salt) private returns (Blob memory right, Blob memory sham) {
        Terms memory t = _terms(2);
        t.values = (leaves - 1) * 128;
        f = IFederation(factory.found(t, salt));
        coin.approve(address(f), type(uint256).max);
        _fill(2);
        _playBlobs(1, 2);
        (right, sham) = (_right(1, 2), _right(1, 2));
        sham.set(t.values - 1, 77); // in the last leaf, which has no neighbour in most of them
        sham.seal();
    }

    function _refuseWrongParts(Blob memory right) private {
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory parts = right.parts(p.from, p.count);
        uint256 n = parts.length;
        vm.assertEq(n, p.count > 32 ? 17 : p.count);
        bytes32[] memory few = new bytes32[](n - 1);
        bytes32[] memory many = new bytes32[](n + 1);
        for (uint256 i = 0; i < n; ++i) {
            many[i] = parts[i];
            if (i < n - 1) few[i] = parts[i];
        }
        bytes32[] memory whole = new bytes32[](1);
        whole[0] = right.root;
        if (few.length != 0) {
            vm.expectRevert(abi.encodeWithSelector(ITournament.WrongParts.selector, n - 1, n));
            f.show(p, few, none);
        }
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongParts.selector, n + 1, n));
        f.show(p, many, none);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongParts.selector, 1, n));
        f.show(p, whole, none); // the root is no part of itself
        if (p.count > 32) {
            vm.expectRevert(abi.encodeWithSelector(ITournament.WrongParts.selector, p.count, n));
            f.show(p, right.hashes, none); // the leaves themselves, where a part has two
        }
        (parts[0], parts[n - 1]) = (parts[n - 1], parts[0]);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongShape.selector, 0));
        f.show(p, parts, none);
    }

    function _refuseWrongLeaves(Blob memory right) private {
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory one = new bytes32[](1);
        one[0] = right.hashes[p.from];
        vm.expectRevert(ITournament.WrongKind.selector);
        f.show(p, one, none);
        bytes memory leaf = right.leaves[p.from];
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongShape.selector, 0));
        f.showLeaf(p, right.leaves[p.from - 1], ""); // a leaf, and not the one of this place
        assembly ("memory-safe") {
            mstore(leaf, 511)
        }
        vm.expectRevert(abi.encodeWithSelector(Merkle.WrongLeafLength.selector, 511));
        f.showLeaf(p, leaf, "");
    }

    function test_reverts_for_entries_that_cannot_be() external {
        vm.deal(address(this), 10 ether);
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotFinal.selector, 1));
        f.enter{value: BOND}(1, context, keccak256("sham"));
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotFinal.selector, 0));
        f.enter{value: BOND}(0, context, keccak256("sham"));
        _play(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, _context(1)));
        f.enter{value: BOND}(1, context, keccak256("sham"));
        context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongBond.selector, BOND - 1, BOND));
        f.enter{value: BOND - 1}(1, context, keccak256("sham"));
        vm.expectRevert(ILedger.ZeroRoot.selector);
        f.enter{value: BOND}(1, context, 0);
        vm.expectRevert(abi.encodeWithSelector(ITournament.AlreadyEntered.selector, 0));
        f.enter{value: BOND}(1, context, _merge(1));
        vm.assertEq(f.enter{value: BOND}(1, context, keccak256("sham")), 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.AlreadyEntered.selector, 1));
        f.enter{value: BOND}(1, context, keccak256("sham"));
        uint256 until = START + WINDOW;
        vm.warp(until);
        f.enter{value: BOND}(1, context, keccak256("in the last second"));
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WindowClosed.selector, until));
        f.enter{value: BOND}(1, context, keccak256("late"));
    }

    function test_reverts_for_an_entry_against_a_settled_round() external {
        _play(1, 4);
        bytes32 context = _context(1);
        vm.warp(START + ATTEST + WINDOW + 1);
        f.settle(1, 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotFinal.selector, 1));
        f.enter{value: BOND}(1, context, keccak256("sham"));
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotFinal.selector, 1));
        f.undo(1);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotUnsettled.selector, 1));
        f.settle(1, 1);
    }

    function test_reverts_for_an_entry_against_a_void_round() external {
        vm.deal(address(this), 10 ether);
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        bytes32 context = _context(1);
        _attest(1, 0, _merge(1));
        _sleep();
        _assertStatus(1, ILedger.Status.Void);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotFinal.selector, 1));
        f.enter{value: BOND}(1, context, keccak256("sham"));
    }

    function test_reverts_for_moves_out_of_turn_time_or_place() external {
        (Blob memory sham, Blob memory right) = _sue();
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory parts = right.parts(p.from, p.count);
        bytes32[] memory shams = sham.parts(p.from, p.count);
        (, uint256 start,,) = f.tournament(1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.TooEarly.selector, start));
        f.show(p, parts, shams);
        _toTournament(1);
        (p.i, p.j) = (1, 0);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotPaired.selector, 1, 0));
        f.show(p, parts, shams);
        (p.i, p.j) = (0, 2);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotPaired.selector, 0, 2));
        f.show(p, parts, shams);
        (p.i, p.j, p.stage) = (0, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotPaired.selector, 0, 1));
        f.show(p, parts, shams);
        p.stage = 0;
        p.count = 3;
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongPoint.selector, 0, 10));
        f.show(p, parts, shams);
        p.count = 10;
        p.round = 2;
        vm.expectRevert(abi.encodeWithSelector(ITournament.NoTournament.selector, 2));
        f.show(p, parts, shams);
        p.round = 1;
        vm.expectRevert(ITournament.NothingNew.selector);
        f.show(p, none, none);
        vm.expectRevert(ITournament.WrongKind.selector);
        f.showLeaf(p, right.leaves[0], sham.leaves[0]);
        bytes32[] memory few = new bytes32[](9);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongParts.selector, 9, 10));
        f.show(p, few, shams);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongShape.selector, 0));
        f.show(p, shams, parts);
        f.show(p, none, shams);
        vm.expectRevert(ITournament.NothingNew.selector);
        f.show(p, none, shams);
        vm.expectRevert(ITournament.BothNeeded.selector);
        f.show(p, parts, none);
        f.show(p, parts, shams);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongPoint.selector, 6, 1));
        f.show(p, parts, shams);
    }

    function test_reverts_at_a_leaf() external {
        (Blob memory sham, Blob memory right) = _sue();
        _toTournament(1);
        _step(1, 0, 0, 1, right, sham);
        ITournament.Point memory p = _point(1, 0, 0, 1);
        vm.assertEq(p.from, 6);
        vm.assertEq(p.count, 1);
        ITournament.Input[] memory inputs = _inputs(1, 4, 6);
        bytes32[] memory roots = _rootsOf(1, 4);
        bytes32 voting = _voting(1, 4);
        vm.expectRevert(ITournament.NotProving.selector);
        f.prove(p, voting, roots, inputs);
        vm.expectRevert(ITournament.WrongKind.selector);
        f.show(p, new bytes32[](1), none);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongShape.selector, 0));
        f.showLeaf(p, right.leaves[5], sham.leaves[6]);
        vm.expectRevert(abi.encodeWithSelector(Merkle.WrongLeafLength.selector, 511));
        f.showLeaf(p, new bytes(511), sham.leaves[6]);
        f.showLeaf(p, right.leaves[6], "");
        vm.expectRevert(ITournament.BothNeeded.selector);
        f.showLeaf(p, "", sham.leaves[6]);
        f.showLeaf(p, right.leaves[6], sham.leaves[6]);
        vm.expectRevert(ITournament.WrongKind.selector);
        f.showLeaf(p, right.leaves[6], sham.leaves[6]);
        // Proofs.
        bytes32[] memory others = _rootsOf(1, 3);
        bytes32 context = _context(1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongRoots.selector, context));
        f.prove(p, voting, others, inputs);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongRoots.selector, context));
        f.prove(p, bytes32(0), roots, inputs);
        inputs[0].which = 4;
        vm.expectRevert(abi.encodeWithSelector(ITournament.NoSuchInput.selector, 4));
        f.prove(p, voting, roots, inputs);
        inputs[0].which = 1; // another's leaf
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 1));
        f.prove(p, voting, roots, inputs);
        inputs[0].which = 0;
        (bytes memory leaf, bytes32[] memory path) = (inputs[0].leaf, inputs[0].path);
        ITournament.Input[] memory elsewhere = _inputs(1, 4, 5);
        (inputs[0].leaf, inputs[0].path) = (elsewhere[0].leaf, elsewhere[0].path);
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 0));
        f.prove(p, voting, roots, inputs);
        (inputs[0].leaf, inputs[0].path) = (leaf, path);
        inputs[0].header = inputs[1].header;
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 0));
        f.prove(p, voting, roots, inputs);
        inputs = _inputs(1, 4, 6);
        assembly ("memory-safe") {
            mstore(inputs, 1)
        }
        f.prove(p, voting, roots, inputs);
        vm.expectRevert(ITournament.NothingNew.selector);
        f.prove(p, voting, roots, inputs);
    }

    function test_reverts_for_settling_early() external {
        _play(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotOver.selector, START + WINDOW));
        f.settle(1, 1);
        _play(2, 4);
        vm.warp(START + ATTEST + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.BaseUnsettled.selector, 1));
        f.settle(2, 1);
        f.settle(1, 0);
        f.settle(2, 0);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotUnsettled.selector, 3));
        f.settle(3, 1);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotUnsettled.selector, 0));
        f.settle(0, 1);
    }

    function test_settles_in_parts() external {
        _playBlobs(1, 4);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, keccak256(abi.encode("sham", i)));
        }
        f.advance();
        vm.warp(block.timestamp + STAGE + STAGE + 1);
        vm.assertFalse(f.settle(1, 3));
        vm.assertEq(_stakeOf(2), 0);
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertTrue(f.settle(1, 3));
        vm.assertEq(_stakeOf(3), 0);
        (, uint256 burned,) = f.books();
        vm.assertEq(burned, 4 * STAKE);
    }

    // ---------------------------------------------------------------------------------------------- before it begins

    /// @dev Nothing of a bracket means anything before its entries are all there.
    function test_nothing_is_resolved_before_the_tournament_begins() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i == 3 ? keccak256("sham") : _merge(1));
            vm.expectRevert(abi.encodeWithSelector(ITournament.NoTournament.selector, 1));
            f.resolve(1, 1, 0);
            vm.expectRevert(abi.encodeWithSelector(ITreasury.NothingToCollect.selector, 1));
            f.collect(1, 1);
        }
        f.advance();
        (, uint256 start,,) = f.tournament(1);
        vm.warp(start);
        vm.expectRevert(abi.encodeWithSelector(ITournament.TooEarly.selector, start));
        f.resolve(1, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ITournament.NotLost.selector, 1));
        f.undo(1);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.NotOver.selector, start + STAGE));
        f.settle(1, 9);
        vm.warp(start + 1);
        vm.expectRevert(abi.encodeWithSelector(ITournament.TooEarly.selector, start + CLOCK));
        f.resolve(1, 1, 0);
    }

    /// @dev A block's number that ran into the stage or the round of a match's key would decide that match for nobody.
    function test_no_block_beyond_the_entries_is_resolved() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, i == 0 ? _merge(1) : keccak256(abi.encode("sham", i)));
        }
        vm.warp(block.timestamp + ATTEST);
        f.advance();
        vm.warp(block.timestamp + 1);
        uint256[5] memory blocks = [uint256(2), 1 << 16, (1 << 16) + 1, 2 << 32, 1 << 255];
        for (uint256 k = 0; k < blocks.length; ++k) {
            vm.expectRevert(abi.encodeWithSelector(ITournament.NoTournament.selector, 1));
            f.resolve(1, 1, blocks[k]);
        }
        vm.assertEq(uint256(f.matchAt(1, 1, 0).state), uint256(ITournament.State.Absent));
    }

    // ------------------------------------------------------------------------------------------------------ helpers

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

    /// @dev Two members and 65 leaves, so that a descent has more than one step; the tournament has begun.
    function _large() private returns (Blob memory sham, Blob memory right) {
        Terms memory t = _terms(2);
        t.values = 64 * 128;
        f = IFederation(factory.found(t, bytes32(uint256(50))));
        coin.approve(address(f), type(uint256).max);
        _fill(2);
        _playBlobs(1, 2);
        (right, sham) = (_right(1, 2), _right(1, 2));
        sham.set(130, 77);
        sham.seal();
        _attest(1, 0, right.root);
        _attest(1, 1, sham.root);
        f.advance();
        _toTournament(1);
    }

    /// @dev The first is attested by all, the second entered; down to the leaf.
    function _judgeAgainst(Blob memory one, Blob memory two) private {
        uint256 n = f.roundOf(1).roster == 3 ? 2 : 4;
        for (uint256 i = 0; i < n; ++i) {
            _attest(1, i, one.root);
        }
        f.advance();
        _enter(THIEF, 1, two.root);
        _toTournament(1);
        _descend(1, 0, 0, 1, one, two);
    }
}
