// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract LeaveTest is FederationTest {
    function test_the_next_round_does_not_count_on_who_left() external {
        _joinAll(4);
        vm.expectEmit();
        emit IFederation.Left(2);
        _leave(2);
        vm.assertEq(_now().active, 11);
        vm.assertEq(_now().roster, 15, "this round still does");
        _play(1, 4);
        vm.assertEq(_now().roster, 11);
    }

    function test_who_left_while_forming_does_not_count() external {
        _joinAll(3);
        _leave(0);
        _join(3);
        _expectPhase(0, IFederation.Phase.Forming);
        _join(4);
        vm.assertEq(_now().roster, 0x1e);
    }

    function test_a_federation_that_all_have_left_ends_by_itself() external {
        _joinAll(4);
        for (uint256 i = 0; i < 4; ++i) {
            _leave(i);
        }
        for (uint32 round = 1; round <= 3; ++round) {
            _sleepThrough(round);
        }
        _expectPhase(3, IFederation.Phase.Done);
        vm.assertEq(_now().base, GENESIS);
    }

    function test_reverts_for_a_stranger() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(0)));
        federation.leave();
    }

    function test_reverts_the_second_time() external {
        _joinAll(2);
        _leave(1);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(1)));
        federation.leave();
    }
}
