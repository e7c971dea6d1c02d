// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Merkle} from "./Merkle.sol";

/// @title How values lie in an update's leaves: as int32, or as differences from the round's base in 16 or 8 bits.
/// @notice A leaf of differences is 8 blocks of 64 bytes. A block's first byte is its shift `s`; then come whole numbers
/// `q` of 8 bits (63 of them) or 16 (31, little-endian, behind a byte that is not looked at). Each stands for
/// `base + q * 2**min(s, 32 - bits)`, clipped to int32: any bytes stand for some update.
library Encodings {
    uint256 private constant BLOCK = 64;
    uint256 private constant BLOCKS = Merkle.LEAF / BLOCK;
    uint256 private constant VALUES = Merkle.LEAF / 4;

    /// @notice Whether terms may name it: 0 for int32, or the bits of a difference.
    function isKnown(bytes32 encoding) internal pure returns (bool) {
        return encoding == 0 || uint256(encoding) == 8 || uint256(encoding) == 16;
    }

    /// @notice Values in a leaf that is not the header.
    function valuesALeaf(bytes32 encoding) internal pure returns (uint256) {
        return encoding == 0 ? VALUES : BLOCKS * _valuesABlock(uint256(encoding));
    }

    /// @notice Leaves of an update of so many values, the header's among them.
    function leaves(bytes32 encoding, uint256 values) internal pure returns (uint256) {
        uint256 each = valuesALeaf(encoding);
        return 1 + (values + each - 1) / each;
    }

    /// @notice In which leaf of an update the value at a position among all lies, and where in it.
    function place(bytes32 encoding, uint256 position) internal pure returns (uint256 leaf, uint256 offset) {
        uint256 each = valuesALeaf(encoding);
        return (1 + position / each, position % each);
    }

    /// @notice One of the little-endian int32 values of a leaf, whose length has been checked.
    function value(bytes calldata leaf, uint256 offset) internal pure returns (int32) {
        uint32 x = uint32(bytes4(leaf[4 * offset:4 * offset + 4]));
        x = (x & 0x00ff00ff) << 8 | (x >> 8 & 0x00ff00ff);
        return int32(x << 16 | x >> 16);
    }

    /// @notice One of the values that a leaf of differences stands for, given the base's in the same place.
    /// @param bits 8 or 16
    function value(uint256 bits, bytes calldata leaf, uint256 offset, int256 base) internal pure returns (int32) {
        uint256 each = _valuesABlock(bits);
        uint256 start = BLOCK * (offset / each);
        uint256 at = start + bits / 8 * (1 + offset % each);
        int256 q = bits == 8
            ? int256(int8(uint8(leaf[at])))
            : int256(int16(uint16(uint8(leaf[at])) | uint16(uint8(leaf[at + 1])) << 8));
        uint256 shift = uint8(leaf[start]);
        if (shift > 32 - bits) shift = 32 - bits;
        int256 x = base + (q << shift);
        if (x < type(int32).min) return type(int32).min;
        return x > type(int32).max ? type(int32).max : int32(x);
    }

    function _valuesABlock(uint256 bits) private pure returns (uint256) {
        return 8 * BLOCK / bits - 1;
    }
}
