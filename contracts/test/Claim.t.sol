// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract ClaimTest is CourtTest {
    address internal constant ELSEWHERE = address(0xE15E);

    function setUp() public override {
        super.setUp();
        _play(1, 4);
        _play(2, 4);
        _play(3, 4);
        _sleepUntilSettled(3);
    }

    function test_pays_settled_rounds_to_any_address() external {
        court.settle(2);
        vm.expectEmit();
        emit ICourt.Claimed(_member(1), ELSEWHERE, REWARD / 2);
        _claim(1, 9);
        vm.assertEq(coin.balanceOf(ELSEWHERE), REWARD / 2);
        vm.assertEq(court.account(_member(1)).claimed, 2);
        court.settle(1);
        _claim(1, 9);
        vm.assertEq(coin.balanceOf(ELSEWHERE), REWARD / 4 * 3);
        _expectBalanced();
    }

    function test_pays_at_most_so_many_rounds() external {
        court.settle(3);
        _claim(1, 1);
        vm.assertEq(coin.balanceOf(ELSEWHERE), REWARD / 4);
        _claim(1, type(uint256).max);
        vm.assertEq(coin.balanceOf(ELSEWHERE), REWARD / 4 * 3);
        vm.assertEq(court.books().owed, 3 * (REWARD / 4 * 3));
    }

    function test_rounds_without_a_reward_are_passed() external {
        federation.poke(); // round 4, silent, is void
        court.settle(9);
        _claim(1, 3);
        _claim(1, 1);
        vm.assertEq(coin.balanceOf(ELSEWHERE), REWARD / 4 * 3);
        vm.assertEq(court.account(_member(1)).claimed, 4);
    }

    function test_reverts_the_second_time() external {
        court.settle(3);
        _claim(1, 9);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingToClaim.selector, _member(1)));
        court.claim(ELSEWHERE, 9);
    }

    function test_reverts_for_who_has_earned_nothing() external {
        court.settle(3);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingToClaim.selector, address(this)));
        court.claim(ELSEWHERE, 9);
    }

    function test_reverts_for_nobody() external {
        court.settle(3);
        vm.prank(_member(1));
        vm.expectRevert(ICourt.ZeroRecipient.selector);
        court.claim(address(0), 9);
    }

    function _claim(uint256 index, uint256 most) private {
        vm.prank(_member(index));
        court.claim(ELSEWHERE, most);
    }
}
