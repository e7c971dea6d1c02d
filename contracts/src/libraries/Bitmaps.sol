// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Sets of members as bits of one word.
library Bitmaps {
    /// @notice Whether bit `index` is set.
    function has(uint256 bitmap, uint256 index) internal pure returns (bool) {
        return (bitmap >> index) & 1 != 0;
    }

    /// @notice How many bits are set, 0..256.
    /// @dev Adds neighbours in ever wider fields (Warren, Hacker's Delight, 5-1). The last step multiplies the sums of
    /// the sixteen 16-bit fields into the top one; a field holds up to 256, so nothing is carried out of it.
    function count(uint256 x) internal pure returns (uint256) {
        unchecked {
            x -= (x >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555;
            x = (x & 0x3333333333333333333333333333333333333333333333333333333333333333)
                + ((x >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            x = (x + (x >> 8)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
            return (x * 0x0001000100010001000100010001000100010001000100010001000100010001) >> 240;
        }
    }

    /// @notice How many of the lowest bits are set before the first that is not, 0..256.
    function prefix(uint256 bitmap) internal pure returns (uint256) {
        unchecked {
            return count(bitmap & ~(bitmap + 1));
        }
    }
}
