// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bank} from "./utils/Bank.sol";
import {vm} from "./utils/Vm.sol";

/// @title What is true of a federation's money whatever happens.
/// @notice `Bank` checks after each call: balance = stakes + bonds + owed + pool, which are the sums of the accounts; who is
/// honest never loses stake; nobody withdraws what may still be slashed; round, phase and settling never go back.
/// forge-config: default.invariant.runs = 4
/// forge-config: default.invariant.depth = 50
contract MoneyTest {
    bool public constant IS_TEST = true;

    Bank internal bank;

    function setUp() external {
        bank = new Bank();
    }

    /// @dev Foundry asks this which contracts to play with.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(bank);
    }

    function invariant_settling_has_a_bounded_price() external view {
        vm.assertLe(bank.mostGasToSettle(), 2_000_000, "settling");
    }
}
