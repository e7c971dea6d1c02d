// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITreasury} from "../src/ITreasury.sol";
import {FeeCoin, ReentrantCoin} from "./utils/BadCoins.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// @title The federation's own coin, and coins that mean no good.
contract CoinsTest is FederationTest {
    bytes4 private constant REENTERED = bytes4(keccak256("ReentrancyGuardReentrantCall()"));

    function test_all_of_the_coin_is_there_from_the_start() external {
        vm.assertEq(coin.totalSupply(), 1_000_000 ether);
        vm.assertEq(IERC20Metadata(address(coin)).decimals(), 18);
        vm.assertEq(keccak256(bytes(IERC20Metadata(address(coin)).symbol())), keccak256("DLC"));
        for (uint256 i = 0; i < 4; ++i) {
            string memory power = i == 0
                ? "mint(address,uint256)"
                : i == 1 ? "owner()" : i == 2 ? "pause()" : "upgradeToAndCall(address,bytes)";
            (bool ok,) = address(coin).call(abi.encodeWithSignature(power, address(this), 1));
            vm.assertFalse(ok, power);
        }
    }

    function test_a_coin_that_calls_back_gets_nothing_more() external {
        ReentrantCoin bad = new ReentrantCoin();
        coin = IERC20(address(bad));
        _found(_terms(4));
        bytes[4] memory calls = [
            abi.encodeCall(ITreasury.deposit, (address(bad), 1)),
            abi.encodeCall(ITreasury.fund, (1)),
            abi.encodeCall(ITreasury.claim, (address(bad))),
            abi.encodeCall(ITreasury.refund, (address(bad)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            bad.aim(address(f), calls[i]);
            f.deposit(_member(0), STAKE);
            vm.assertFalse(bad.went(), "reentered");
            vm.assertEq(bad.answered(), bytes32(REENTERED));
        }
        vm.assertEq(_stakeOf(0), 4 * STAKE);
        vm.assertEq(coin.balanceOf(address(f)), 4 * STAKE);
    }

    function test_what_arrives_is_what_counts() external {
        coin = IERC20(address(new FeeCoin()));
        _found(_terms(4));
        f.deposit(_member(0), 100);
        vm.assertEq(_stakeOf(0), 99);
        f.fund(1000);
        (uint256 pool,,) = f.books();
        vm.assertEq(pool, 990);
        vm.assertEq(coin.balanceOf(address(f)), 1089);
    }
}
