// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Terms} from "../Terms.sol";
import {Trees} from "./Trees.sol";

/// @title Leaf 0 of a merged blob, which is the same to the byte for everybody. Of an update only the weight is read.
library BlobHeaders {
    /// @notice The word that holds the examples that an update was trained on.
    uint256 internal constant WEIGHT = 7;

    /// @dev `sha256("rayfed.blob.v2")`.
    bytes32 internal constant MAGIC = sha256("rayfed.blob.v2");
    bytes32 private constant MERGED = bytes32(uint256(2));

    /// @notice The header of the model that a round made, Merkle.LEAF bytes.
    function merged(Terms memory t, uint256 round) internal pure returns (bytes memory data) {
        bytes32[16] memory words;
        words[0] = MAGIC;
        words[1] = MERGED;
        words[4] = bytes32(round);
        words[6] = t.layout;
        words[8] = bytes32(uint256(t.values));
        words[9] = t.encoding;
        words[10] = t.frozen;
        data = abi.encode(words);
    }
}
