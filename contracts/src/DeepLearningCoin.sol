// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Deep Learning Coin (DLC): a plain ERC-20 in which federations may pay.
/// @notice Its whole supply exists from the start and belongs to who deployed it. Nobody can mint, burn for others, pause
/// or upgrade it. Approvals can be signed (ERC-2612), so that stake is put down in one transaction.
contract DeepLearningCoin is ERC20, ERC20Permit {
    /// @param supply all that there will ever be, in units of 10^-18 DLC
    constructor(uint256 supply) ERC20("Deep Learning Coin", "DLC") ERC20Permit("Deep Learning Coin") {
        _mint(msg.sender, supply);
    }
}
