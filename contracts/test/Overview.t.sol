// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {IViews} from "../src/IViews.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title The one answer that a node asks for says what all the others do, in every phase.
contract OverviewTest is FederationTest {
    function test_while_members_gather() external {
        _found(_terms(5));
        f.fund(1000 ether);
        for (uint256 i = 0; i < 2; ++i) {
            _equip(_member(i));
            _join(i);
        }
        IViews.Overview memory o = _overview();
        vm.assertEq(o.current.round, 0);
        vm.assertEq(uint256(o.current.status), 0);
        vm.assertEq(o.holders.length, 2);
        vm.assertEq(o.base, GENESIS);
        vm.assertEq(o.baseContext, CHARTER);
        vm.assertTrue(o.baseSettled);
        vm.assertEq(o.position.founded, block.number);
        _leave(0);
        vm.assertEq(_overview().holders[0], address(0));
    }

    function test_through_a_round_and_the_next() external {
        _overview();
        for (uint256 i = 0; i < 3; ++i) {
            _commit(1, i, _update(1, i));
            bytes32[] memory roots = _overview().roots;
            vm.assertEq(roots[i], _update(1, i));
            vm.assertEq(roots[i + 1], 0);
        }
        _sleep();
        _vote(1, 0, 5, 2);
        _vote(1, 1, 7, 0);
        IViews.Overview memory votes = _overview();
        vm.assertEq(votes.accepts[0], 5);
        vm.assertEq(votes.misses[0], 2);
        vm.assertEq(votes.accepts[1], 7);
        vm.assertEq(votes.misses[1], 0);
        vm.assertEq(votes.accepts[2], 0);
        _vote(1, 2, 7, 0);
        _vote(1, 3, 7, 0);
        f.advance();
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, _merge(1));
            _overview();
        }
        f.advance();
        IViews.Overview memory o = _overview();
        vm.assertEq(o.previous.round, 1);
        vm.assertEq(o.previous.root, _merge(1));
        vm.assertEq(o.base, _merge(1));
        vm.assertEq(o.baseContext, o.previous.context);
        vm.assertFalse(o.baseSettled);
        vm.assertEq(o.roots[0], 0);
        vm.assertEq(o.accepts[0], 0);
        _commit(2, 0, 0); // abstains: what it committed to in round 1 is not shown
        vm.assertEq(_overview().roots[0], 0);
        vm.warp(o.previous.deadline + WINDOW + 1);
        f.settle(1, 1);
        vm.assertTrue(_overview().baseSettled);
    }

    function test_when_it_waits_and_when_it_is_done() external {
        for (uint32 round = 1; round <= UNSETTLED; ++round) {
            _play(round, 4);
        }
        IViews.Overview memory o = _overview();
        vm.assertEq(uint256(o.position.phase), uint256(ILedger.Phase.Waiting));
        vm.assertEq(o.baseRound, UNSETTLED);
        vm.assertEq(o.base, _merge(uint32(UNSETTLED)));
        vm.assertEq(o.previous.round, UNSETTLED);
        vm.assertEq(o.roots[0], 0);
        vm.warp(START + WINDOW + 1);
        f.settle(1, 1);
        vm.assertTrue(_overview().due);
        f.advance();
        vm.assertFalse(_overview().due);
        uint64 deadline = f.position().deadline;
        vm.assertFalse(f.overview(deadline - 1).due);
        vm.assertTrue(f.overview(deadline).due);
        vm.assertEq(f.overview(deadline).time, deadline);
        _play(5, 4);
        o = _overview();
        vm.assertEq(uint256(o.position.phase), uint256(ILedger.Phase.Done));
        vm.assertEq(o.base, _merge(5));
        vm.assertFalse(o.due);
    }

    /// @dev Says the same as the questions one by one.
    function _overview() private view returns (IViews.Overview memory o) {
        o = f.overview(0);
        vm.assertEq(o.time, block.timestamp);
        vm.assertEq(keccak256(abi.encode(o.position)), keccak256(abi.encode(f.position())));
        vm.assertEq(o.due ? 1 : 0, f.isDue() ? 1 : 0);
        vm.assertEq(keccak256(abi.encode(o.current)), keccak256(abi.encode(f.roundOf(o.position.round))));
        bool isOpen = o.current.status == ILedger.Status.Open;
        uint32 last = isOpen ? o.position.round - 1 : o.position.round;
        vm.assertEq(keccak256(abi.encode(o.previous)), keccak256(abi.encode(f.roundOf(last))));
        if (isOpen) vm.assertEq(o.current.base, o.base);
        address[256] memory holders = f.holders();
        for (uint256 i = 0; i < 256; ++i) {
            vm.assertEq(holders[i], i < o.holders.length ? o.holders[i] : address(0));
        }
        vm.assertTrue(o.holders.length == 0 || o.holders[o.holders.length - 1] != address(0));
    }
}
