// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Headers} from "../../src/libraries/Headers.sol";
import {Merkle} from "../../src/libraries/Merkle.sol";
import {Rules} from "../../src/libraries/Rules.sol";

/// @notice A blob as its leaves, from the header on.
struct Blob {
    bytes[] leaves;
    bytes32 root;
}

/// @title Makes small blobs: a model of 1100 values, of which all but a few are the same everywhere, in three leaves.
library Blobs {
    uint256 internal constant VALUES = 1100;
    uint256 internal constant LEAVES = 3;
    bytes32 internal constant LAYOUT = keccak256("layout");

    /// @notice The values in which updates differ, by position.
    function positions() internal pure returns (uint256[5] memory) {
        return [uint256(0), 7, 1023, 1024, 1099];
    }

    /// @notice What a member's update says at a position; both signs, and ties.
    function valueOf(uint256 round, uint256 member, uint256 position) internal pure returns (int256) {
        uint256 x = uint256(keccak256(abi.encode(round, member, position)));
        return x % 8 == 0 ? int256(5) : int256(int32(uint32(x >> 8)));
    }

    function weightOf(uint256 member) internal pure returns (uint256) {
        return 1 + member * 300;
    }

    /// @notice A member's update.
    function update(address federation, uint256 round, uint256 member, address node)
        internal
        view
        returns (Blob memory b)
    {
        b.leaves = new bytes[](LEAVES);
        b.leaves[0] = Headers.leaf(Headers.update(federation, round, node, LAYOUT, bytes32(weightOf(member)), VALUES));
        _fill(b);
        for (uint256 p = 0; p < 5; ++p) {
            set(b, positions()[p], valueOf(round, member, positions()[p]));
        }
        b.root = rootOf(b);
    }

    /// @notice The merge of the first `n` members' updates.
    function merge(uint256 round, uint256 n, Merging memory t) internal pure returns (Blob memory b) {
        b.leaves = new bytes[](LEAVES);
        b.leaves[0] = Headers.leaf(Headers.merged(round, LAYOUT, VALUES));
        _fill(b);
        for (uint256 p = 0; p < 5; ++p) {
            set(b, positions()[p], mergedValue(round, n, positions()[p], t));
        }
        b.root = rootOf(b);
    }

    function mergedValue(uint256 round, uint256 n, uint256 position, Merging memory t) internal pure returns (int256) {
        int256[] memory values = new int256[](n);
        uint256[] memory weights = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            values[i] = valueOf(round, i, position);
            weights[i] = weightOf(i);
        }
        if (t.rule == 1) return Rules.mean(values, weights, t.maxWeight);
        if (t.rule == 2) return Rules.trimmedMean(values, t.trim);
        return Rules.median(values);
    }

    /// @notice Write a value into a blob, little-endian; its root is as it was.
    function set(Blob memory b, uint256 position, int256 value) internal pure {
        bytes memory leaf = b.leaves[1 + position / 1024];
        uint256 x = uint256(value);
        for (uint256 i = 0; i < 4; ++i) {
            leaf[position % 1024 * 4 + i] = bytes1(uint8(x >> 8 * i));
        }
    }

    function rootOf(Blob memory b) internal pure returns (bytes32) {
        return Merkle.nodeHash(Merkle.nodeHash(_hash(b, 0), _hash(b, 1)), _hash(b, 2));
    }

    /// @notice Audit path of a leaf.
    function path(Blob memory b, uint256 leaf) internal pure returns (bytes32[] memory p) {
        if (leaf == 2) {
            p = new bytes32[](1);
            p[0] = Merkle.nodeHash(_hash(b, 0), _hash(b, 1));
        } else {
            p = new bytes32[](2);
            p[0] = _hash(b, 1 - leaf);
            p[1] = _hash(b, 2);
        }
    }

    function header(Blob memory b) internal pure returns (bytes32[9] memory words) {
        bytes memory leaf = b.leaves[0];
        for (uint256 i = 0; i < 9; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(leaf, 32), mul(32, i)))
            }
            words[i] = word;
        }
    }

    function _hash(Blob memory b, uint256 leaf) private pure returns (bytes32) {
        return Merkle.leafHash(b.leaves[leaf]);
    }

    /// @dev Leaf 1 is full of the same value in every blob, for bytes that are not zero cost more.
    function _fill(Blob memory b) private pure {
        for (uint256 i = 1; i < LEAVES; ++i) {
            b.leaves[i] = new bytes(Merkle.LEAF);
        }
        bytes memory full = b.leaves[1];
        for (uint256 i = 1; i <= Merkle.LEAF / 32; ++i) {
            assembly ("memory-safe") {
                mstore(add(full, mul(32, i)), 0x0101010101010101010101010101010101010101010101010101010101010101)
            }
        }
    }
}

/// @notice Of the terms, those that say how to merge.
struct Merging {
    uint8 rule;
    uint16 trim;
    uint32 maxWeight;
}
