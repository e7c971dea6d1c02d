// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Rules} from "../../src/libraries/Rules.sol";

/// @title The merge rules for whoever asks by eth_call: many coordinates at once.
contract RulesCaller {
    /// @param rule 1 mean, 2 trimmed mean, 3 median
    /// @param columns what each update says, by coordinate
    /// @param weights by update
    function merge(uint8 rule, uint256 trim, uint256 maxWeight, int256[][] memory columns, uint256[] calldata weights)
        external
        pure
        returns (int256[] memory merged)
    {
        merged = new int256[](columns.length);
        for (uint256 i = 0; i < columns.length; ++i) {
            if (rule == 1) merged[i] = Rules.mean(columns[i], weights, maxWeight);
            else if (rule == 2) merged[i] = Rules.trimmedMean(columns[i], trim);
            else merged[i] = Rules.median(columns[i]);
        }
    }
}
