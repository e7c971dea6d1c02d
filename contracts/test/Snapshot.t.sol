// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract SnapshotTest is FederationTest {
    function test_of_a_new_federation() external view {
        IFederation.View memory v = _now();
        vm.assertEq(v.time, START);
        vm.assertEq(v.deadline, START + JOIN_SECONDS);
        vm.assertEq(v.base, GENESIS);
        vm.assertEq(v.baseRound, 0);
        vm.assertEq(v.members.length, 0);
        vm.assertEq(v.previous.round, 0);
        vm.assertEq(uint256(v.previous.status), uint256(IFederation.Status.None));
        _expectPhase(0, IFederation.Phase.Forming);
    }

    function test_a_moment_in_the_past_means_now(uint64 time) external view {
        time = uint64(_bound(time, 0, START));
        vm.assertEq(federation.snapshot(time).time, START);
    }

    /// @dev In each phase, what is foreseen for its deadline is what a poke at that moment makes of it.
    function test_foresees_what_a_poke_will_do(uint256 seed) external {
        _joinAll(2 + seed % 3);
        for (uint256 step = 0; step < 20; ++step) {
            IFederation.View memory v = _now();
            uint256 dice = uint256(keccak256(abi.encode(seed, step)));
            for (uint256 i = 0; i < v.members.length; ++i) {
                bool speaks = (dice >> i) & 3 != 0 && _now().phase == v.phase && (v.roster >> i) & 1 != 0;
                if (speaks && v.phase == IFederation.Phase.Commit) _commit(v.round, i);
                if (speaks && v.phase == IFederation.Phase.Vote) _vote(v.round, i, dice & v.committed);
                if (speaks && v.phase == IFederation.Phase.Attest && _now().round == v.round) {
                    _attest(v.round, i, _merge(uint32(dice % 2)));
                }
            }
            if (_now().phase == IFederation.Phase.Done) break;
            uint64 time = _now().deadline + uint64(dice % 100);
            bytes memory foreseen = abi.encode(federation.snapshot(time));
            vm.warp(time);
            vm.assertEq(abi.encode(_now()), foreseen);
            federation.poke();
            vm.assertEq(abi.encode(_now()), foreseen);
        }
    }

    function test_one_step_only() external {
        _joinAll(4);
        IFederation.View memory v = federation.snapshot(uint64(START + 1_000_000));
        vm.assertEq(v.round, 2);
        vm.assertEq(uint256(v.phase), uint256(IFederation.Phase.Commit));
        vm.assertEq(v.previous.round, 1);
        vm.assertEq(uint256(v.previous.status), uint256(IFederation.Status.Void));
    }

    function test_outcomes_of_rounds_that_have_not_closed_are_none() external {
        _joinAll(4);
        _play(1, 4);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 round = i == 0 ? 0 : i == 1 ? 2 : type(uint256).max;
            IFederation.Outcome memory none;
            vm.assertEq(abi.encode(federation.outcome(round)), abi.encode(none));
        }
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Final));
    }

    function test_outcomes_stay_for_ever() external {
        IFederation.Terms memory t = _terms(4);
        t.rounds = 12;
        federation = _deploy(t);
        _joinAll(4);
        bytes[13] memory seen;
        for (uint32 round = 1; round <= 12; ++round) {
            if (round % 4 == 0) _sleepThrough(round);
            else _play(round, 4);
            seen[round] = abi.encode(federation.outcome(round));
            vm.warp(block.timestamp + 7);
        }
        for (uint256 round = 1; round <= 12; ++round) {
            vm.assertEq(abi.encode(federation.outcome(round)), seen[round]);
            vm.assertEq(federation.outcome(round).root, round % 4 == 0 ? bytes32(0) : _merge(uint32(round)));
        }
    }
}
