// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Merkle} from "../../src/libraries/Merkle.sol";
import {Trees} from "../../src/libraries/Trees.sol";

/// @notice A blob of `count` leaves of which all but the header and leaf `at` are zeros.
struct Sparse {
    bytes header;
    bytes leaf;
    uint256 at;
    uint256 count;
    bytes32[32] zeros; // roots of 2^k leaves of zeros
}

/// @title Makes blobs of any size whose trees cost next to nothing to work out.
library Sparses {
    /// @notice The `i`-th blob, which weighs `i` + 1; its leaf says anything.
    function make(uint256 i, uint256 at, uint256 count) internal pure returns (Sparse memory b) {
        (b.at, b.count) = (at, count);
        b.leaf = new bytes(512);
        b.header = new bytes(512);
        for (uint256 w = 0; w < 16; ++w) {
            bytes32 word = keccak256(abi.encode("dense", i, w));
            bytes memory leaf = b.leaf;
            assembly ("memory-safe") {
                mstore(add(add(leaf, 32), mul(32, w)), word)
            }
        }
        bytes memory header = b.header;
        assembly ("memory-safe") {
            mstore(add(header, add(32, mul(32, 7))), add(i, 1))
        }
        b.zeros[0] = Merkle.leafHash(new bytes(512));
        for (uint256 k = 1; k < 18; ++k) {
            b.zeros[k] = Merkle.nodeHash(b.zeros[k - 1], b.zeros[k - 1]);
        }
    }

    function root(Sparse memory b) internal pure returns (bytes32) {
        return _node(b, 0, b.count);
    }

    /// @notice What a side shows at a point.
    function parts(Sparse memory b, uint256 from, uint256 count) internal pure returns (bytes32[] memory p) {
        uint256 size = Trees.partOf(count);
        p = new bytes32[]((count + size - 1) / size);
        for (uint256 i = 0; i < p.length; ++i) {
            uint256 left = count - i * size;
            p[i] = _node(b, from + i * size, left < size ? left : size);
        }
    }

    /// @notice Audit path of a leaf, lowest sibling first.
    function path(Sparse memory b, uint256 index) internal pure returns (bytes32[] memory p) {
        bytes32[] memory room = new bytes32[](20);
        uint256 n;
        (uint256 from, uint256 count) = (0, b.count);
        while (count > 1) {
            uint256 k = 1;
            while (2 * k < count) k *= 2;
            if (index < from + k) {
                room[n++] = _node(b, from + k, count - k);
                count = k;
            } else {
                room[n++] = _node(b, from, k);
                (from, count) = (from + k, count - k);
            }
        }
        p = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            p[i] = room[n - 1 - i];
        }
    }

    function _node(Sparse memory b, uint256 from, uint256 count) private pure returns (bytes32) {
        bool special = from == 0 || (from <= b.at && b.at < from + count);
        if (count == 1) return !special ? b.zeros[0] : Merkle.leafHash(from == 0 ? b.header : b.leaf);
        (uint256 k, uint256 log) = (1, 0);
        while (2 * k < count) (k, log) = (2 * k, log + 1);
        if (!special && 2 * k == count) return b.zeros[log + 1];
        return Merkle.nodeHash(_node(b, from, k), _node(b, from + k, count - k));
    }
}
