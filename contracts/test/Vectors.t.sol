// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Merkle} from "../src/libraries/Merkle.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {vm} from "./utils/Vm.sol";

/// @title Solidity against the vectors that Python is checked against too; `tests/vectors/README.md` describes them.
contract VectorsTest {
    bool public constant IS_TEST = true;

    string private constant FOLDER = "/../tests/vectors/";

    function test_roots_and_proofs() external view {
        string memory json = _read("merkle.json");
        uint256 proofs;
        for (uint256 c = 0; vm.keyExistsJson(json, _at(".cases", c)); ++c) {
            string memory key = _at(".cases", c);
            uint256 count = vm.parseJsonUint(json, string.concat(key, ".count"));
            bytes32 root = vm.parseJsonBytes32(json, string.concat(key, ".root"));
            for (uint256 p = 0; vm.keyExistsJson(json, _at(string.concat(key, ".proofs"), p)); ++p) {
                string memory proof = _at(string.concat(key, ".proofs"), p);
                uint256 index = vm.parseJsonUint(json, string.concat(proof, ".index"));
                _prove(root, index, count, vm.parseJsonBytes32Array(json, string.concat(proof, ".proof")));
                proofs += 1;
            }
        }
        vm.assertGe(proofs, 12, "there are vectors");
    }

    function test_a_leaf_of_another_length_is_none() external {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 length = i == 0 ? 0 : i == 1 ? 511 : 513;
            (bool ok, bytes memory answer) = address(this).call(abi.encodeCall(this.hash, (new bytes(length))));
            vm.assertFalse(ok);
            vm.assertEq(answer, abi.encodeWithSelector(Merkle.WrongLeafLength.selector, length));
        }
    }

    function hash(bytes calldata data) external pure returns (bytes32) {
        return Merkle.leafHash(data);
    }

    function test_rules() external view {
        string memory json = _read("rules.json");
        uint256 coordinates;
        for (uint256 c = 0; vm.keyExistsJson(json, _at(".cases", c)); ++c) {
            string memory key = _at(".cases", c);
            uint256[] memory weights = vm.parseJsonUintArray(json, string.concat(key, ".weights"));
            uint256 maxWeight = vm.parseJsonUint(json, string.concat(key, ".maxWeight"));
            uint256 trim = vm.parseJsonUint(json, string.concat(key, ".trim"));
            int256[] memory mean = vm.parseJsonIntArray(json, string.concat(key, ".mean"));
            int256[] memory trimmedMean = vm.parseJsonIntArray(json, string.concat(key, ".trimmedMean"));
            int256[] memory median = vm.parseJsonIntArray(json, string.concat(key, ".median"));
            int256[][] memory values = new int256[][](weights.length);
            for (uint256 n = 0; n < weights.length; ++n) {
                values[n] = vm.parseJsonIntArray(json, _at(string.concat(key, ".values"), n));
            }
            for (uint256 i = 0; i < mean.length; ++i) {
                vm.assertEq(Rules.mean(_column(values, i), weights, maxWeight), mean[i], key);
                vm.assertEq(Rules.trimmedMean(_column(values, i), trim), trimmedMean[i], key);
                vm.assertEq(Rules.median(_column(values, i)), median[i], key);
                coordinates += 1;
            }
        }
        vm.assertGe(coordinates, 20, "there are vectors");
    }

    function test_division_floors(int128 a, uint64 b) external pure {
        vm.assume(b != 0);
        int256 divisor = int256(uint256(b));
        int256 rest = a - Rules.floorDiv(a, divisor) * divisor;
        vm.assertTrue(rest >= 0 && rest < divisor);
    }

    // ------------------------------------------------------------------------------------------------------- parts

    /// @dev The proof holds, and holds for nothing else.
    function _prove(bytes32 root, uint256 index, uint256 count, bytes32[] memory path) private pure {
        bytes32 leaf = Merkle.leafHash(_leaf(index));
        vm.assertTrue(Merkle.verify(root, leaf, index, count, path), "proof");
        vm.assertFalse(Merkle.verify(root, leaf, count, count, path), "index beyond the leaves");
        vm.assertFalse(Merkle.verify(root, Merkle.leafHash(_leaf(count)), index, count, path), "another leaf");
        for (uint256 other = 0; other < count; ++other) {
            if (other != index) vm.assertFalse(Merkle.verify(root, leaf, other, count, path), "another index");
        }
        bytes32[] memory longer = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
            path[i] ^= bytes32(uint256(1));
            vm.assertFalse(Merkle.verify(root, leaf, index, count, path), "another sibling");
            path[i] ^= bytes32(uint256(1));
        }
        longer[path.length] = root;
        vm.assertFalse(Merkle.verify(root, leaf, index, count, longer), "a longer path");
        vm.assertFalse(Merkle.verify(Merkle.nodeHash(root, root), leaf, index, count, longer), "a longer path");
        if (path.length > 0) {
            bytes32[] memory shorter = new bytes32[](path.length - 1);
            for (uint256 i = 0; i < shorter.length; ++i) {
                shorter[i] = path[i];
            }
            vm.assertFalse(Merkle.verify(root, leaf, index, count, shorter), "a shorter path");
        }
    }

    /// @dev Byte j of leaf i is (31 i + 7 j) mod 256.
    function _leaf(uint256 index) private pure returns (bytes memory data) {
        data = new bytes(Merkle.LEAF);
        for (uint256 j = 0; j < data.length; ++j) {
            data[j] = bytes1(uint8((31 * index + 7 * j) % 256));
        }
    }

    function _column(int256[][] memory values, uint256 i) private pure returns (int256[] memory column) {
        column = new int256[](values.length);
        for (uint256 n = 0; n < values.length; ++n) {
            column[n] = values[n][i];
        }
    }

    function _read(string memory name) private view returns (string memory) {
        return vm.readFile(string.concat(vm.projectRoot(), FOLDER, name));
    }

    function _at(string memory key, uint256 index) private pure returns (string memory) {
        return string.concat(key, "[", vm.toString(index), "]");
    }
}
