// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Which rounds were taken back: ranges that do not overlap, in ascending order.
/// @notice A round is taken back with all that follow it, so a new range swallows the later ones, and both questions
/// cost a search by halves, however many rounds there have been.
library Undos {
    /// @notice Whether the round is in one of the ranges.
    function has(uint64[] storage ranges, uint256 round) internal view returns (bool) {
        uint256 n = _startingUpTo(ranges, round);
        return n != 0 && round <= uint32(ranges[n - 1]);
    }

    /// @notice Take back the rounds first..last, of which the first is in no range and the last after all of them.
    function add(uint64[] storage ranges, uint256 first, uint256 last) internal {
        uint256 n = _startingUpTo(ranges, first);
        uint64 range = uint64(first << 32 | last);
        if (n == ranges.length) {
            ranges.push(range);
        } else {
            ranges[n] = range;
            // Those beyond it lie within it; to clear them one by one would have no bound.
            assembly ("memory-safe") {
                sstore(ranges.slot, add(n, 1))
            }
        }
    }

    /// @dev How many ranges start at the round or before it.
    function _startingUpTo(uint64[] storage ranges, uint256 round) private view returns (uint256 low) {
        uint256 high = ranges.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (ranges[middle] >> 32 <= round) low = middle + 1;
            else high = middle;
        }
    }
}
