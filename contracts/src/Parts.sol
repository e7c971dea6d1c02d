// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Hands what this part has no verb for to the part behind it, on the same storage.
abstract contract Parts {
    address private immutable NEXT;

    /// @notice Nothing comes without a verb.
    error NoVerb();

    constructor(address next) {
        NEXT = next;
    }

    fallback() external payable {
        address next = NEXT;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            let ok := delegatecall(gas(), next, buffer, calldatasize(), 0, 0)
            returndatacopy(buffer, 0, returndatasize())
            switch ok
            case 0 { revert(buffer, returndatasize()) }
            default { return(buffer, returndatasize()) }
        }
    }

    receive() external payable {
        revert NoVerb();
    }
}
