// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title How many rounds in a row each member has missed, 0..7.
/// @notice Bit-sliced as in `Tally`: bit `i` of the three words are the three bits of member `i`'s streak.
library Streaks {
    struct Counters {
        uint256 ones;
        uint256 twos;
        uint256 fours;
    }

    /// @notice Start these members at zero.
    function clear(Counters memory c, uint256 members) internal pure {
        c.ones &= ~members;
        c.twos &= ~members;
        c.fours &= ~members;
    }

    /// @notice Add one to the absent members of the roster, and start its other members at zero.
    /// @param limit streak at which a member is out, 1..7
    /// @return out absent members who have reached the limit; they start at zero again
    function step(Counters memory c, uint256 roster, uint256 absent, uint256 limit)
        internal
        pure
        returns (uint256 out)
    {
        clear(c, roster & ~absent);
        uint256 carry = absent & c.ones;
        c.ones ^= absent;
        uint256 carries = carry & c.twos;
        c.twos ^= carry;
        c.fours ^= carries;
        out = absent & ~((c.ones ^ _spread(limit, 0)) | (c.twos ^ _spread(limit, 1)) | (c.fours ^ _spread(limit, 2)));
        clear(c, out);
    }

    /// @dev All ones if bit `p` of `value` is set, otherwise zero.
    function _spread(uint256 value, uint256 p) private pure returns (uint256) {
        unchecked {
            return 0 - ((value >> p) & 1);
        }
    }
}
