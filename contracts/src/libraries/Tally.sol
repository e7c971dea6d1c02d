// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Counts ballots for all members at once.
/// @notice The counters are bit-sliced: bit `i` of plane `p` is bit `p` of member `i`'s count. Adding a ballot is a
/// ripple-carry addition of 256 one-bit numbers, two planes on average, so nobody loops over pairs of members.
library Tally {
    /// @dev Nine planes count up to 511; there are at most 256 ballots.
    uint256 private constant PLANES = 9;

    /// @notice Add one to the count of every member whose bit is set.
    function add(uint256[PLANES] memory planes, uint256 ballot) internal pure {
        for (uint256 p = 0; ballot != 0; ++p) {
            uint256 plane = planes[p];
            planes[p] = plane ^ ballot;
            ballot &= plane;
        }
    }

    /// @notice The members whose count is greater than `limit`.
    function above(uint256[PLANES] memory planes, uint256 limit) internal pure returns (uint256 greater) {
        uint256 equal = type(uint256).max;
        for (uint256 p = PLANES; p > 0; --p) {
            uint256 plane = planes[p - 1];
            if ((limit >> (p - 1)) & 1 != 0) {
                equal &= plane;
            } else {
                greater |= equal & plane;
                equal &= ~plane;
            }
        }
    }
}
