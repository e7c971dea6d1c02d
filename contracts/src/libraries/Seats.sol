// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Which seat an address has: its index as a member + 1, or 0 if it never joined.
/// @notice Every message of every member begins with this look-up. A seat lies in the slot whose number is the
/// complement of the address, its upper 96 bits all ones: as far from hashed slots as they are from each other, and 58
/// gas cheaper than a mapping, which would hash.
library Seats {
    function get(address member) internal view returns (uint256 seat) {
        assembly ("memory-safe") {
            seat := sload(not(member))
        }
    }

    function set(address member, uint256 seat) internal {
        assembly ("memory-safe") {
            sstore(not(member), seat)
        }
    }
}
