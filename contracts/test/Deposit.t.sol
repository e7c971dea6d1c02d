// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

contract DepositTest is CourtTest {
    function test_anybody_puts_stake_down_for_a_member() external {
        vm.expectEmit();
        emit ICourt.Deposited(_member(9), address(this), 7);
        court.deposit(_member(9), 7);
        vm.assertEq(_stakeOf(9), 7);
        vm.assertEq(court.books().stakes, 4 * STAKE + 7);
        _expectBalanced();
    }

    function test_who_has_too_little_cannot_join() external {
        court.deposit(_member(4), STAKE - 1);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(ICourt.UnderStaked.selector, STAKE - 1, STAKE));
        federation.join(CHARTER, new bytes32[](0));
        court.deposit(_member(4), 1);
        _join(4);
        vm.assertEq(_now().active, 31);
    }

    function test_only_the_federation_admits() external {
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotFederation.selector, address(this)));
        court.admit(_member(0));
    }

    function test_reverts_for_nothing() external {
        vm.expectRevert(ICourt.ZeroAmount.selector);
        court.deposit(_member(0), 0);
        vm.expectRevert(ICourt.ZeroAmount.selector);
        court.fund(0);
    }

    function test_reverts_for_the_chains_currency_beside_a_coin() external {
        vm.deal(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, 1, 0));
        court.deposit{value: 1}(_member(0), 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, 1, 0));
        court.fund{value: 1}(1);
    }

    function test_reverts_for_what_the_caller_has_not_got() external {
        address poor = address(0xF00);
        vm.prank(poor);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(court), 0, 5));
        court.deposit(poor, 5);
    }

    function test_adds_to_the_pool() external {
        vm.expectEmit();
        emit ICourt.Funded(address(this), 5);
        court.fund(5);
        vm.assertEq(court.books().pool, 1000 ether + 5);
        _expectBalanced();
    }

    // ----------------------------------------------------------------------------------------------------- permits

    function test_deposits_by_a_permit() external {
        address owner = _member(9);
        coin.transfer(owner, STAKE);
        (uint8 v, bytes32 r, bytes32 s) = _permit(9, STAKE);
        vm.prank(owner);
        court.depositWithPermit(owner, STAKE, block.timestamp, v, r, s);
        vm.assertEq(_stakeOf(9), STAKE);
        _expectBalanced();
    }

    /// @dev Whoever sees a permit on its way may use it first; that must not hold the deposit back.
    function test_a_permit_that_was_used_already_is_as_good() external {
        address owner = _member(9);
        coin.transfer(owner, STAKE);
        (uint8 v, bytes32 r, bytes32 s) = _permit(9, STAKE);
        ERC20Permit(address(coin)).permit(owner, address(court), STAKE, block.timestamp, v, r, s);
        vm.prank(owner);
        court.depositWithPermit(owner, STAKE, block.timestamp, v, r, s);
        vm.assertEq(_stakeOf(9), STAKE);
    }

    function test_reverts_for_anothers_permit() external {
        address owner = _member(9);
        coin.transfer(owner, STAKE);
        (uint8 v, bytes32 r, bytes32 s) = _permit(8, STAKE);
        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(court), 0, STAKE)
        );
        court.depositWithPermit(owner, STAKE, block.timestamp, v, r, s);
    }

    function _permit(uint256 index, uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        ERC20Permit token = ERC20Permit(address(coin));
        bytes32 kind = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(kind, _member(index), address(court), amount, 0, block.timestamp));
        return vm.sign(_key(index), keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content)));
    }

    // -------------------------------------------------------------------------------------- the chain's own currency

    function test_in_the_chains_own_currency() external {
        IFederation.Terms memory t = _courtTerms(4);
        t.coin = address(0);
        _found(t);
        vm.deal(address(this), 10 ether);
        court.deposit{value: 3}(_member(0), 3);
        court.fund{value: 4}(4);
        vm.assertEq(address(court).balance, 7);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, 3, 4));
        court.deposit{value: 3}(_member(0), 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, 0, 4));
        court.fund(4);
        vm.expectRevert(ICourt.NoPermits.selector);
        court.depositWithPermit(_member(0), 1, 0, 0, 0, 0);
        vm.deal(address(this), 1 << 129);
        vm.expectRevert(abi.encodeWithSelector(ICourt.TooMuch.selector, 1 << 128));
        court.deposit{value: 1 << 128}(_member(0), 1 << 128);
    }
}
