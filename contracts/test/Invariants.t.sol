// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {vm} from "./utils/Vm.sol";
import {World} from "./utils/World.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What is true of a federation and its court whatever their members, and all others, do.
/// @notice Foundry plays each invariant a campaign of its own. `World` says what can happen.
contract InvariantsTest {
    bool public constant IS_TEST = true;

    /// @dev With a handful of members.
    uint256 private constant GAS_TO_MOVE_ON = 250_000;
    uint256 private constant GAS_TO_SETTLE = 2_000_000;

    World internal world;
    IFederation internal federation;
    ICourt internal court;
    IERC20 internal coin;

    function setUp() external {
        world = new World();
        (federation, court, coin) = world.contracts();
    }

    /// @dev Foundry asks this which contracts to play with.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    /// @dev What cannot be shared out equally, the dust, stays in the pool.
    function invariant_the_balance_is_stakes_unbonding_claimable_bonds_and_pool() external view {
        (uint256 stakes, uint256 unbonding, uint256 owed) = world.sums();
        ICourt.Books memory b = court.books();
        vm.assertEq(b.stakes, stakes + unbonding, "stakes");
        vm.assertEq(b.owed, owed, "owed");
        vm.assertEq(b.bonds, court.openCases().length * 5 ether, "bonds");
        vm.assertEq(b.pool, world.pooled() - world.rewarded(), "pool");
        vm.assertEq(coin.balanceOf(address(court)), stakes + unbonding + owed + b.bonds + b.pool, "balance");
    }

    /// @dev Nor does the base, but when rounds are taken back.
    function invariant_round_and_phase_never_go_back() external view {
        vm.assertEq(world.wentBack(), 0);
    }

    function invariant_one_commit_one_vote_and_one_attestation_a_member_and_round() external view {
        vm.assertEq(world.spokenOutOfTurn(), 0);
    }

    function invariant_final_means_quorum_of_that_rounds_roster_on_that_root() external view {
        vm.assertEq(world.finalWithoutQuorum(), 0);
        IFederation.View memory v = federation.snapshot(0);
        if (v.previous.status != IFederation.Status.Final) return;
        uint256 roster = world.rosterOf(v.previous.round);
        vm.assertEq(v.previous.attesters & ~roster, 0, "attesters");
        for (uint256 i = 0; i < v.members.length; ++i) {
            if ((v.previous.attesters >> i) & 1 == 0) continue;
            vm.assertEq(world.attestationOf(v.previous.round, i), v.previous.root, "root");
        }
    }

    function invariant_who_is_honest_never_loses_stake() external view {
        vm.assertEq(court.accounts()[0].slashed, 0);
    }

    function invariant_a_slash_is_at_most_the_stake_and_once_an_offence() external view {
        vm.assertEq(world.slashedBeyondStake(), 0, "beyond");
        vm.assertEq(world.slashedTwice(), 0, "twice");
    }

    function invariant_no_withdrawal_while_slashable() external view {
        vm.assertEq(world.withdrawnTooEarly(), 0);
    }

    function invariant_rewards_are_at_most_the_pool() external view {
        vm.assertEq(world.rewardedBeyondTerms(), 0, "terms");
        vm.assertLe(world.rewarded(), world.pooled(), "pool");
    }

    function invariant_after_any_deadline_anybody_can_move_on_within_bounded_gas() external view {
        vm.assertEq(world.stoodStill(), 0, "stood still");
        vm.assertLe(world.mostGasToMoveOn(), GAS_TO_MOVE_ON, "moving on");
        vm.assertLe(world.mostGasToSettle(), GAS_TO_SETTLE, "settling");
    }

    function invariant_nobody_changes_anothers_state_without_its_signature_or_a_proof() external view {
        vm.assertEq(world.intrusions(), 0);
    }

    // ------------------------------------------------------------------------------------------------- not in vain

    /// @dev What a campaign never does, its invariants say nothing about.
    function test_the_world_reaches_everything() external {
        for (uint256 k = 0; k < 3000; ++k) {
            _step(uint256(keccak256(abi.encode(k))));
        }
        _expect(IFederation.Joined.selector, "joined");
        _expect(IFederation.Left.selector, "left");
        _expect(IFederation.Dropped.selector, "dropped");
        _expect(IFederation.Relayed.selector, "relayed");
        _expect(IFederation.Undone.selector, "undone");
        _expect(IFederation.Unseated.selector, "unseated");
        _expect(ICourt.Exited.selector, "exited");
        _expect(ICourt.Withdrawn.selector, "withdrawn");
        _expect(ICourt.Rewarded.selector, "rewarded");
        _expect(ICourt.Settled.selector, "settled");
        _expect(ICourt.Claimed.selector, "claimed");
        _expect(ICourt.Upheld.selector, "upheld");
        _expect(ICourt.Failed.selector, "failed");
        _expect(ICourt.Answered.selector, "answered");
        _expect(ICourt.Forfeited.selector, "forfeited");
        _expect(ICourt.Closed.selector, "closed");
        _expect(ICourt.Equivocated.selector, "equivocated");
        for (uint256 reason = 0; reason <= uint256(type(ICourt.Reason).max); ++reason) {
            vm.assertGe(world.slashes(ICourt.Reason(reason)), 1, "slashes");
        }
        vm.assertGe(world.refusals(), 1, "withdrawals refused");
        vm.assertGe(world.mostGasToMoveOn(), 1, "moved on");
        vm.assertGe(federation.snapshot(0).round, 50, "rounds");
    }

    function _expect(bytes32 what, string memory name) private view {
        vm.assertGe(world.happened(what), 1, name);
    }

    function _step(uint256 dice) private {
        (uint256 kind, uint256 who, uint256 what) = (dice % 40, dice >> 8 & 0xffff, dice >> 32);
        if (kind < 6) world.speak(who, what);
        else if (kind < 15) world.speakTogether(what);
        else if (kind < 19) world.relay(who, what);
        else if (kind < 20) world.attestLate(who);
        else if (kind < 23) world.join(who);
        else if (kind < 24) world.leave(who * 4);
        else if (kind < 26) world.exit(who);
        else if (kind < 28) world.withdraw(who);
        else if (kind < 29) world.claim(who);
        else if (kind < 30) world.fund(what);
        else if (kind < 32) world.sleep(what);
        else if (kind < 33) world.oversleep(what);
        else if (kind < 34) world.equivocate(who, what);
        else if (kind < 36) world.contest(what);
        else if (kind < 38) world.end(what);
        else if (kind < 39) world.settle(what);
        else world.intrude(who, what);
    }
}
