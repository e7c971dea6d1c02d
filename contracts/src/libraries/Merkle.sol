// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The tree that names a blob: RFC 6962, section 2.1, over SHA-256 and leaves of 512 bytes.
library Merkle {
    /// @notice Bytes in a leaf.
    uint256 internal constant LEAF = 512;

    /// @notice A leaf has exactly LEAF bytes.
    error WrongLeafLength(uint256 length);

    /// @notice `SHA-256(0x00 || data)`.
    function leafHash(bytes memory data) internal pure returns (bytes32) {
        require(data.length == LEAF, WrongLeafLength(data.length));
        return sha256(abi.encodePacked(bytes1(0x00), data));
    }

    /// @notice `SHA-256(0x01 || left || right)`.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @notice Whether the leaf with this hash is number `index` of the `count` leaves below `root`.
    /// @dev RFC 9162, section 2.1.3.2. The length of the path follows from index and count, and a longer or shorter one
    /// proves nothing; the prefixes keep an inner node from passing for a leaf.
    /// @param path audit path, lowest sibling first
    function verify(bytes32 root, bytes32 leaf, uint256 index, uint256 count, bytes32[] memory path)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        uint256 last = count - 1;
        bytes32 node = leaf;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return false;
            if (index & 1 != 0 || index == last) {
                node = nodeHash(path[i], node);
                // The last node of a level that has no sibling there moves up as it is.
                while (index & 1 == 0 && index != 0) (index, last) = (index >> 1, last >> 1);
            } else {
                node = nodeHash(node, path[i]);
            }
            (index, last) = (index >> 1, last >> 1);
        }
        return last == 0 && node == root;
    }
}
