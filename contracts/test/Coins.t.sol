// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {FeeCoin, ReentrantCoin} from "./utils/BadCoins.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// @title The federation's own coin, and coins that mean no good.
contract CoinsTest is CourtTest {
    bytes4 private constant REENTERED = bytes4(keccak256("ReentrancyGuardReentrantCall()"));

    function test_all_of_the_coin_is_there_from_the_start() external {
        vm.assertEq(coin.totalSupply(), SUPPLY);
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
        _found(_courtTerms(4));
        bytes[5] memory calls = [
            abi.encodeCall(ICourt.deposit, (address(bad), 1)),
            abi.encodeCall(ICourt.fund, (1)),
            abi.encodeCall(ICourt.withdraw, (address(bad))),
            abi.encodeCall(ICourt.claim, (address(bad), 1)),
            abi.encodeCall(ICourt.demand, (1, 0, 0, new bytes32[](1)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            bad.aim(court, calls[i]);
            court.deposit(_member(0), STAKE);
            vm.assertFalse(bad.went(), "reentered");
            vm.assertEq(bad.answered(), bytes32(REENTERED));
        }
        _expectBalanced();
    }

    function test_what_arrives_is_what_counts() external {
        coin = IERC20(address(new FeeCoin()));
        _found(_courtTerms(4));
        court.deposit(_member(0), 100);
        vm.assertEq(_stakeOf(0), 99);
        court.fund(1000);
        vm.assertEq(court.books().pool, 990);
        _expectBalanced();
    }

    function test_a_bond_that_does_not_arrive_whole_opens_nothing() external {
        coin = IERC20(address(new FeeCoin()));
        IFederation.Terms memory t = _courtTerms(4);
        t.stake = 0;
        _found(t);
        _joinAll(4);
        bytes32 root = _mergedBlob(1, 4).root;
        _playBlobs(1, 4, root);
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongAmount.selector, BOND - BOND / 100, BOND));
        court.challenge(1, 1, 7, roots);
    }
}
