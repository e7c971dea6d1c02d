// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../../src/Terms.sol";
import {BlobHeaders} from "../../src/libraries/BlobHeaders.sol";
import {Merkle} from "../../src/libraries/Merkle.sol";
import {Rules} from "../../src/libraries/Rules.sol";
import {Trees} from "../../src/libraries/Trees.sol";

/// @notice A blob as its leaves, from the header on, and their hashes.
struct Blob {
    bytes[] leaves;
    bytes32[] hashes;
    bytes32 root;
}

/// @title Makes small blobs, and the lists that a descent shows. Roots follow RFC 6962's own recursion here, and not the
/// parts by which the contract works them out.
library Blobs {
    /// @notice What a member's update says at a position; both signs.
    function valueOf(uint256 round, uint256 member, uint256 position) internal pure returns (int256) {
        return int256(int32(uint32(uint256(keccak256(abi.encode(round, member, position))))));
    }

    function weightOf(uint256 member) internal pure returns (uint256) {
        return 1 + member * 300;
    }

    /// @notice A member's update; its header names its weight, and otherwise says anything, which nobody asks about.
    function update(Terms memory t, uint256 round, uint256 member) internal pure returns (Blob memory b) {
        b = empty(t);
        put(b.leaves[0], 0, keccak256(abi.encode("anything", round, member)));
        put(b.leaves[0], BlobHeaders.WEIGHT, bytes32(weightOf(member)));
        for (uint256 p = 0; p < t.values; p += 61) {
            set(b, p, valueOf(round, member, p));
        }
        seal(b);
    }

    /// @notice The merge of the first `n` members' updates.
    function merge(Terms memory t, uint256 round, uint256 n) internal pure returns (Blob memory b) {
        b = empty(t);
        b.leaves[0] = BlobHeaders.merged(t, round);
        for (uint256 p = 0; p < t.values; p += 61) {
            set(b, p, mergedValue(t, round, n, p));
        }
        seal(b);
    }

    /// @notice The merge of these members' updates.
    function mergeOf(Terms memory t, uint256 round, uint256 members) internal pure returns (Blob memory b) {
        b = empty(t);
        b.leaves[0] = BlobHeaders.merged(t, round);
        for (uint256 p = 0; p < t.values; p += 61) {
            uint256 n;
            int256[] memory values = new int256[](256);
            uint256[] memory weights = new uint256[](256);
            for (uint256 i = 0; members >> i != 0; ++i) {
                if (members >> i & 1 != 0) (values[n], weights[n++]) = (valueOf(round, i, p), weightOf(i));
            }
            assembly ("memory-safe") {
                mstore(values, n)
                mstore(weights, n)
            }
            set(b, p, Rules.mean(values, weights, t.maxWeight));
        }
        seal(b);
    }

    function mergedValue(Terms memory t, uint256 round, uint256 n, uint256 p) internal pure returns (int256) {
        int256[] memory values = new int256[](n);
        uint256[] memory weights = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            (values[i], weights[i]) = (valueOf(round, i, p), weightOf(i));
        }
        if (t.rule == 1) return Rules.mean(values, weights, t.maxWeight);
        if (t.rule == 2) return Rules.trimmedMean(values, t.trim);
        return Rules.median(values);
    }

    function empty(Terms memory t) internal pure returns (Blob memory b) {
        b.leaves = new bytes[](Trees.leaves(t.values));
        for (uint256 i = 0; i < b.leaves.length; ++i) {
            b.leaves[i] = new bytes(Merkle.LEAF);
        }
    }

    /// @notice Write a value, little-endian; hashes and root are as they were until `seal`.
    function set(Blob memory b, uint256 position, int256 value) internal pure {
        bytes memory leaf = b.leaves[1 + position / Trees.VALUES];
        for (uint256 i = 0; i < 4; ++i) {
            leaf[position % Trees.VALUES * 4 + i] = bytes1(uint8(uint256(value) >> 8 * i));
        }
    }

    function put(bytes memory leaf, uint256 word, bytes32 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(leaf, 32), mul(32, word)), value)
        }
    }

    function seal(Blob memory b) internal pure {
        b.hashes = new bytes32[](b.leaves.length);
        for (uint256 i = 0; i < b.leaves.length; ++i) {
            b.hashes[i] = Merkle.leafHash(b.leaves[i]);
        }
        b.root = rootOf(b.hashes, 0, b.hashes.length);
    }

    function rootOfHashes(Blob memory b) internal pure returns (bytes32) {
        return rootOf(b.hashes, 0, b.hashes.length);
    }

    function copy(Blob memory b) internal pure returns (Blob memory c) {
        return abi.decode(abi.encode(b), (Blob));
    }

    /// @notice RFC 6962, section 2.1.
    function rootOf(bytes32[] memory hashes, uint256 from, uint256 count) internal pure returns (bytes32) {
        if (count == 1) return hashes[from];
        uint256 k = 1;
        while (2 * k < count) k *= 2;
        return Merkle.nodeHash(rootOf(hashes, from, k), rootOf(hashes, from + k, count - k));
    }

    /// @notice Audit path of a leaf, lowest sibling first.
    function path(Blob memory b, uint256 index) internal pure returns (bytes32[] memory p) {
        bytes32[] memory room = new bytes32[](40);
        uint256 n = _path(b.hashes, 0, b.hashes.length, index, room);
        p = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            p[i] = room[i];
        }
    }

    function _path(bytes32[] memory hashes, uint256 from, uint256 count, uint256 index, bytes32[] memory room)
        private
        pure
        returns (uint256 n)
    {
        if (count == 1) return 0;
        uint256 k = 1;
        while (2 * k < count) k *= 2;
        if (index < from + k) {
            n = _path(hashes, from, k, index, room);
            room[n] = rootOf(hashes, from + k, count - k);
        } else {
            n = _path(hashes, from + k, count - k, index, room);
            room[n] = rootOf(hashes, from, k);
        }
        return n + 1;
    }

    /// @notice What a side shows at a point.
    function parts(Blob memory b, uint256 from, uint256 count) internal pure returns (bytes32[] memory p) {
        uint256 size = Trees.partOf(count);
        p = new bytes32[]((count + size - 1) / size);
        for (uint256 i = 0; i < p.length; ++i) {
            uint256 left = count - i * size;
            p[i] = rootOf(b.hashes, from + i * size, left < size ? left : size);
        }
    }
}
