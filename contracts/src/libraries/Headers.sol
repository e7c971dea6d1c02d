// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Merkle} from "./Merkle.sol";

/// @title Leaf 0 of a blob: what its values are and whose; nine words, then zeros.
library Headers {
    /// @notice Words of the leaf that say something.
    uint256 internal constant WORDS = 9;
    /// @notice Words in the leaf.
    uint256 internal constant ALL_WORDS = Merkle.LEAF / 32;
    /// @notice The word that holds the examples that an update was trained on.
    uint256 internal constant WEIGHT = 7;

    /// @dev `sha256("rayfed.blob.v1")`.
    bytes32 private constant MAGIC = 0xbdea2e61e5a2289703ed824268faa9049749d452dc7cbd80fd29f3fcb5dd3851;
    uint256 private constant UPDATE = 1;
    uint256 private constant MERGED = 2;

    /// @notice The header of the model that a round made.
    function merged(uint256 round, bytes32 layout, uint256 values) internal pure returns (bytes32[WORDS] memory words) {
        words[0] = MAGIC;
        words[1] = bytes32(MERGED);
        words[4] = bytes32(round);
        words[6] = layout;
        words[8] = bytes32(values);
    }

    /// @notice The header of a node's update.
    function update(address federation, uint256 round, address node, bytes32 layout, bytes32 weight, uint256 values)
        internal
        view
        returns (bytes32[WORDS] memory words)
    {
        words[0] = MAGIC;
        words[1] = bytes32(UPDATE);
        words[2] = bytes32(block.chainid);
        words[3] = bytes32(uint256(uint160(federation)));
        words[4] = bytes32(round);
        words[5] = bytes32(uint256(uint160(node)));
        words[6] = layout;
        words[WEIGHT] = weight;
        words[8] = bytes32(values);
    }

    /// @notice The whole leaf: Merkle.LEAF bytes.
    function leaf(bytes32[WORDS] memory words) internal pure returns (bytes memory data) {
        data = new bytes(Merkle.LEAF);
        for (uint256 i = 0; i < WORDS; ++i) {
            bytes32 word = words[i];
            assembly ("memory-safe") {
                mstore(add(add(data, 32), mul(32, i)), word)
            }
        }
    }
}
