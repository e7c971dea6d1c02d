// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract WithdrawTest is CourtTest {
    address internal constant ELSEWHERE = address(0xE15E);

    function test_stake_comes_back_when_what_was_signed_is_settled() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        _leave(0);
        vm.expectEmit();
        emit ICourt.Exited(_member(0), 2);
        _exit(0);
        vm.assertTrue(court.account(_member(0)).exiting);
        vm.assertEq(court.account(_member(0)).exitRound, 2);
        _expectLocked(0, 0, 2);
        _sleepUntilSettled(1);
        court.settle(9);
        _expectLocked(0, 1, 2);
        federation.poke(); // round 2, silent, is void
        court.settle(9);
        vm.expectEmit();
        emit ICourt.Withdrawn(_member(0), ELSEWHERE, STAKE);
        vm.prank(_member(0));
        court.withdraw(ELSEWHERE);
        vm.assertEq(coin.balanceOf(ELSEWHERE), STAKE);
        vm.assertEq(_stakeOf(0), 0);
        _expectBalanced();
    }

    function test_who_comes_back_stays_locked() external {
        _leave(0);
        _exit(0);
        _join(0);
        vm.assertFalse(court.account(_member(0)).exiting);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotExiting.selector, _member(0)));
        court.withdraw(ELSEWHERE);
    }

    function test_who_never_joined_waits_too() external {
        court.deposit(_member(9), 1);
        _exit(9);
        _expectLocked(9, 0, 1);
    }

    /// @dev Out before the slash: the stake is there until the round can no longer be challenged.
    function test_nobody_withdraws_around_a_slash() external {
        uint256 id;
        _equip(CHALLENGER);
        id = _proveWrong(1, 4);
        _leave(0);
        _exit(0);
        vm.warp(block.timestamp + 1_000_000);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingToSettle.selector, 0));
        court.settle(9);
        _expectLocked(0, 0, 2);
        court.conclude(id);
        vm.assertEq(_stakeOf(0), 0);
        court.settle(9);
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingAtStake.selector, _member(0)));
        court.withdraw(ELSEWHERE);
    }

    function test_reverts_the_second_time() external {
        court.deposit(_member(9), 1);
        _exit(9);
        _sleepThrough(1);
        court.settle(9);
        vm.prank(_member(9));
        court.withdraw(ELSEWHERE);
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotExiting.selector, _member(9)));
        court.withdraw(ELSEWHERE);
    }

    function test_reverts_for_who_is_active() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.StillActive.selector, _member(0)));
        court.exit();
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotExiting.selector, _member(0)));
        court.withdraw(ELSEWHERE);
    }

    function test_reverts_for_who_has_nothing() external {
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(ICourt.NothingAtStake.selector, _member(9)));
        court.exit();
    }

    function test_reverts_for_nobody() external {
        vm.prank(_member(0));
        vm.expectRevert(ICourt.ZeroRecipient.selector);
        court.withdraw(address(0));
    }

    // -------------------------------------------------------------------------------------- the chain's own currency

    bytes private _again;
    bytes private _answer;

    /// @dev Asks for more while it is being paid.
    receive() external payable {
        bool ok;
        if (_again.length != 0) {
            (ok, _answer) = address(court).call(_again);
            vm.assertFalse(ok, "reentered");
        }
    }

    function test_a_recipient_that_asks_again_gets_nothing_more() external {
        _exitInNative();
        _again = abi.encodeCall(ICourt.withdraw, (address(this)));
        court.withdraw(address(this));
        vm.assertEq(bytes4(_answer), bytes32(bytes4(keccak256("ReentrancyGuardReentrantCall()"))));
        _again = abi.encodeCall(ICourt.claim, (address(this), 9));
        court.deposit{value: 2}(address(this), 2);
        court.exit();
        _sleepThrough(2);
        court.settle(9);
        court.withdraw(address(this));
        vm.assertEq(bytes4(_answer), bytes32(bytes4(keccak256("ReentrancyGuardReentrantCall()"))));
        vm.assertEq(address(court).balance, 4 * STAKE);
    }

    function test_reverts_for_a_recipient_that_takes_nothing() external {
        _exitInNative();
        vm.expectRevert(abi.encodeWithSelector(ICourt.PaymentFailed.selector, address(federation)));
        court.withdraw(address(federation));
    }

    function _exitInNative() private {
        IFederation.Terms memory t = _courtTerms(4);
        t.coin = address(0);
        _found(t);
        vm.deal(address(this), 5 * STAKE);
        for (uint256 i = 0; i < 4; ++i) {
            court.deposit{value: STAKE}(_member(i), STAKE);
        }
        _joinAll(4);
        court.deposit{value: 2}(address(this), 2);
        court.exit();
        _sleepThrough(1);
        court.settle(9);
    }

    function _exit(uint256 index) private {
        vm.prank(_member(index));
        court.exit();
    }

    function _expectLocked(uint256 index, uint256 settled, uint256 exitRound) private {
        vm.prank(_member(index));
        vm.expectRevert(abi.encodeWithSelector(ICourt.StillLocked.selector, settled, exitRound));
        court.withdraw(ELSEWHERE);
    }
}
