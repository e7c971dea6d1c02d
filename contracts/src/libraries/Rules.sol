// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The merge rules, for one coordinate: exactly what every node computes for all of them.
/// @notice Values are int32, weights below 2^32, at most 256 of each, so that no sum comes near the limits of a word.
/// Divisions floor (towards minus infinity), and the order of the updates makes no difference.
library Rules {
    /// @notice `trim` counts in parts of this.
    uint256 internal constant TRIM_UNIT = 10_000;

    /// @notice `floor(sum(w * q) / sum(w))` with each weight capped to 1..maxWeight.
    function mean(int256[] memory values, uint256[] memory weights, uint256 maxWeight) internal pure returns (int256) {
        int256 sum;
        int256 total;
        for (uint256 i = 0; i < values.length; ++i) {
            uint256 weight = weights[i];
            if (weight == 0) weight = 1;
            if (weight > maxWeight) weight = maxWeight;
            int256 w = int256(weight);
            sum += w * values[i];
            total += w;
        }
        return floorDiv(sum, total);
    }

    /// @notice The floored mean of what is left without the k smallest and the k largest, `k = n * trim / TRIM_UNIT`.
    /// @dev Sorts `values` in place.
    /// @param trim below TRIM_UNIT / 2
    function trimmedMean(int256[] memory values, uint256 trim) internal pure returns (int256) {
        return _middle(values, values.length * trim / TRIM_UNIT);
    }

    /// @notice The middle value; for an even number of values the floored mean of the middle two.
    /// @dev Sorts `values` in place.
    function median(int256[] memory values) internal pure returns (int256) {
        return _middle(values, (values.length - 1) / 2);
    }

    /// @notice `a / b` towards minus infinity, for b > 0; Solidity's own division goes towards zero.
    function floorDiv(int256 a, int256 b) internal pure returns (int256 quotient) {
        quotient = a / b;
        if (a % b < 0) --quotient;
    }

    /// @dev The floored mean without the k smallest and the k largest.
    function _middle(int256[] memory values, uint256 k) private pure returns (int256) {
        _sort(values);
        int256 sum;
        for (uint256 i = k; i < values.length - k; ++i) {
            sum += values[i];
        }
        return floorDiv(sum, int256(values.length - 2 * k));
    }

    /// @dev By a heap (Williams, 1964), upwards: who chooses the values cannot make it slow, as it could an insertion.
    function _sort(int256[] memory values) private pure {
        unchecked {
            uint256 n = values.length;
            for (uint256 i = n / 2; i > 0; --i) {
                _sift(values, i - 1, n);
            }
            for (uint256 end = n; end > 1; --end) {
                int256 largest = _get(values, 0);
                _set(values, 0, _get(values, end - 1));
                _set(values, end - 1, largest);
                _sift(values, 0, end - 1);
            }
        }
    }

    /// @dev Lets the value at `i` sink until neither of its two children is larger; the heap is the first `n` values.
    function _sift(int256[] memory values, uint256 i, uint256 n) private pure {
        unchecked {
            int256 value = _get(values, i);
            for (uint256 child = 2 * i + 1; child < n; child = 2 * i + 1) {
                int256 larger = _get(values, child);
                if (child + 1 < n) {
                    int256 right = _get(values, child + 1);
                    if (right > larger) (child, larger) = (child + 1, right);
                }
                if (larger <= value) break;
                _set(values, i, larger);
                i = child;
            }
            _set(values, i, value);
        }
    }

    /// @dev Without asking again whether the index is in the array.
    function _get(int256[] memory values, uint256 i) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(values, 32), shl(5, i)))
        }
    }

    function _set(int256[] memory values, uint256 i, int256 value) private pure {
        assembly ("memory-safe") {
            mstore(add(add(values, 32), shl(5, i)), value)
        }
    }
}
