// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Merkle} from "./Merkle.sol";

/// @title The tree that names a blob (Merkle.sol), as a descent goes through it.
/// @notice A tree over `m` leaves is also one over the roots of its *parts*, each of the same power of two of leaves and
/// the last of what is left: a descent goes from a range to its first part that differs, at most PARTS of them a step.
library Trees {
    /// @notice Values in a leaf that is not the header.
    uint256 internal constant VALUES = Merkle.LEAF / 4;
    /// @notice The most parts that one step shows.
    uint256 internal constant PARTS = 32;

    /// @notice `1 + ceil(values / VALUES)`.
    function leaves(uint256 values) internal pure returns (uint256) {
        return 1 + (values + VALUES - 1) / VALUES;
    }

    /// @notice Leaves of each part of a range of `count`, at least 2: the smallest power of two that makes no more than
    /// PARTS of them.
    function partOf(uint256 count) internal pure returns (uint256 size) {
        size = 1;
        while ((count + size - 1) / size > PARTS) size <<= 1;
    }

    /// @notice The root over the roots of parts.
    function rootOf(bytes32[] memory parts) internal view returns (bytes32) {
        uint256 n = parts.length;
        assembly ("memory-safe") {
            // 0x01 || left || right, laid out behind what is in use.
            let buffer := mload(0x40)
            mstore8(buffer, 1)
            let from := add(parts, 32)
            for {} gt(n, 1) {} {
                let half := shr(1, n)
                for { let i := 0 } lt(i, half) { i := add(i, 1) } {
                    mstore(add(buffer, 1), mload(add(from, shl(6, i))))
                    mstore(add(buffer, 33), mload(add(from, add(shl(6, i), 32))))
                    if iszero(staticcall(gas(), 2, buffer, 65, add(from, shl(5, i)), 32)) { revert(0, 0) }
                }
                // The last one without a neighbour moves up as it is.
                if and(n, 1) { mstore(add(from, shl(5, half)), mload(add(from, shl(5, sub(n, 1))))) }
                n := sub(n, half)
            }
        }
        return parts[0];
    }
}
