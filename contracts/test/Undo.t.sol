// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Undos} from "../src/libraries/Undos.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract UndoTest is FederationTest {
    using Undos for uint64[];

    uint64[] private _ranges;

    function setUp() public override {
        vm.warp(START);
        IFederation.Terms memory t = _terms(4);
        t.rounds = 9;
        federation = _deploy(t);
        _joinAll(4);
    }

    function test_takes_back_a_round_and_all_that_was_built_on_it() external {
        _play(1, 4);
        _play(2, 4);
        _play(3, 4);
        _commit(4, 0);
        vm.expectEmit();
        emit IFederation.Undone(2, 4, 1);
        vm.expectEmit();
        emit IFederation.RoundClosed(4, IFederation.Status.Void, 0, 0, 0);
        vm.expectEmit();
        emit IFederation.PhaseOpened(5, IFederation.Phase.Commit, START + COMMIT_SECONDS);
        _undo(2);
        vm.assertEq(_now().base, _merge(1));
        vm.assertEq(_now().baseRound, 1);
        vm.assertEq(_now().committed, 0);
        IFederation.Outcome memory o = federation.outcome(3);
        vm.assertEq(uint256(o.status), uint256(IFederation.Status.Void));
        vm.assertEq(o.root | bytes32(o.attesters | o.openUntil), 0);
        IFederation.Record memory r = federation.record(3);
        vm.assertEq(r.root, _merge(3), "the record stays");
        vm.assertEq(r.attesters, 15);
        vm.assertEq(r.baseRound, 2);
        vm.assertTrue(r.undone && federation.record(4).undone && !federation.record(1).undone);
        _play(5, 4);
        vm.assertEq(_now().base, _merge(5));
        vm.assertEq(federation.record(5).baseRound, 1);
        vm.assertFalse(federation.record(5).undone);
    }

    function test_again_and_further_back() external {
        _play(1, 4);
        _play(2, 4);
        _undo(2); // and 3
        _play(4, 4);
        _undo(4); // and 5
        _play(6, 4);
        _undo(1); // and all others
        for (uint32 round = 1; round <= 7; ++round) {
            vm.assertTrue(federation.record(round).undone);
        }
        vm.assertEq(_now().base, GENESIS);
        _play(8, 4);
        vm.assertEq(_now().base, _merge(8));
        vm.assertEq(federation.record(8).baseRound, 0);
    }

    function test_takes_no_late_attestation_any_more() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, _merge(1));
        }
        _undo(1);
        bytes32 root = _merge(1);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 3));
        federation.attest(1, root);
        vm.assertEq(federation.record(1).attesters, 7);
    }

    function test_when_all_rounds_are_over() external {
        for (uint32 round = 1; round <= 8; ++round) {
            _play(round, 4);
        }
        _commitAll(9, 4);
        _voteAll(9, 4, 15);
        for (uint256 i = 0; i < 3; ++i) {
            _attest(9, i, _merge(9));
        }
        _undo(9);
        _expectPhase(9, IFederation.Phase.Done);
        vm.assertEq(_now().base, _merge(8));
        vm.assertEq(federation.record(9).attesters, 7);
        bytes32 root = _merge(9);
        vm.prank(_member(3));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Done));
        federation.attest(9, root);
        _undo(3);
        vm.assertEq(_now().base, _merge(2));
    }

    function test_in_the_last_round_ends_it_all() external {
        for (uint32 round = 1; round <= 8; ++round) {
            _play(round, 4);
        }
        _commit(9, 0);
        _undo(8);
        _expectPhase(9, IFederation.Phase.Done);
        vm.assertEq(_now().base, _merge(7));
        vm.assertEq(_now().previous.round, 9);
    }

    /// @dev Who had no time to speak has missed nothing.
    function test_nobody_is_dropped_for_it() external {
        for (uint256 i = 0; i < 4; ++i) {
            uint32 round = uint32(1 + 2 * i);
            _play(round, 4);
            _undo(round);
        }
        vm.assertEq(_now().active, 15);
    }

    function test_unseating_counts_from_the_next_round_on() external {
        vm.prank(address(federation.COURT()));
        vm.expectEmit();
        emit IFederation.Unseated(6);
        federation.unseatMembers(6 + 16);
        vm.assertEq(_now().active, 9);
        vm.assertEq(_now().roster, 15);
        _join(1);
        vm.assertEq(_now().active, 11);
    }

    /// @dev What a snapshot has foreseen stays so.
    function test_unseating_moves_the_phase_on_first() external {
        IFederation.Terms memory t = _terms(4);
        t.minMembers = 3;
        federation = _deploy(t);
        _joinAll(3);
        vm.warp(_now().deadline);
        _expectPhase(1, IFederation.Phase.Commit);
        vm.prank(address(federation.COURT()));
        federation.unseatMembers(4);
        _expectPhase(1, IFederation.Phase.Commit);
        vm.assertEq(_now().roster, 7);
        vm.assertEq(_now().active, 3);
    }

    function test_taking_back_moves_the_phase_on_first() external {
        _play(1, 4);
        vm.warp(_now().deadline);
        _expectPhase(3, IFederation.Phase.Commit);
        vm.prank(address(federation.COURT()));
        vm.expectEmit();
        emit IFederation.RoundClosed(2, IFederation.Status.Void, 0, 0, 0);
        vm.expectEmit();
        emit IFederation.PhaseOpened(3, IFederation.Phase.Commit, block.timestamp + COMMIT_SECONDS);
        vm.expectEmit();
        emit IFederation.Undone(1, 3, 0);
        federation.undo(1);
        _expectPhase(4, IFederation.Phase.Commit);
    }

    function test_reverts_for_anybody_but_the_court() external {
        _play(1, 4);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotCourt.selector, address(this)));
        federation.undo(1);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotCourt.selector, address(this)));
        federation.unseatMembers(1);
    }

    /// @dev Against a flag a round.
    function test_ranges_are_as_flags(uint256 seed) external {
        bool[64] memory flags;
        uint256 last;
        for (uint256 i = 0; i < 12; ++i) {
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            last += 2 + dice % 4;
            uint256 first = 1 + (dice >> 8) % (last - 1);
            if (!flags[first]) {
                _ranges.add(first, last);
                for (uint256 round = first; round <= last; ++round) {
                    flags[round] = true;
                }
            }
            for (uint256 round = 0; round < 64; ++round) {
                vm.assertTrue(_ranges.has(round) == flags[round], "flag");
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- the allow-list

    function test_only_whom_the_allow_list_names_may_join() external {
        bytes32 mine = _leaf(_member(0));
        bytes32 other = _leaf(_member(1));
        IFederation.Terms memory t = _terms(2);
        t.allowList = mine < other ? keccak256(abi.encode(mine, other)) : keccak256(abi.encode(other, mine));
        federation = _deploy(t);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = other;
        vm.prank(_member(2));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotAllowed.selector, _member(2)));
        federation.join(CHARTER, proof);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotAllowed.selector, _member(0)));
        federation.join(CHARTER, new bytes32[](0));
        vm.prank(_member(0));
        federation.join(CHARTER, proof);
        vm.assertEq(_now().active, 1);
    }

    function _leaf(address account) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(account))));
    }

    function _undo(uint32 round) private {
        vm.prank(address(federation.COURT()));
        federation.undo(round);
    }
}
