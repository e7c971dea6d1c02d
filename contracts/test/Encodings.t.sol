// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITournament} from "../src/ITournament.sol";
import {Terms} from "../src/Terms.sol";
import {BlobHeaders} from "../src/libraries/BlobHeaders.sol";
import {Encodings} from "../src/libraries/Encodings.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title Updates that are differences from the base (docs/protocol.md, clause 2.7), and matches about them.
contract EncodingsTest is FederationTest {
    using Blobs for Blob;

    uint256 private constant POSITION = 671;
    uint256 private constant LEAF = 1 + POSITION / 128;

    Terms private _t;

    function test_a_leaf_says_what_the_vectors_say() external view {
        string memory json = vm.readFile(string.concat(vm.projectRoot(), "/../tests/vectors/encodings.json"));
        for (uint256 c = 0; c < 2; ++c) {
            string memory key = string.concat(".cases[", vm.toString(c), "]");
            uint256 bits = vm.parseJsonUint(json, string.concat(key, ".bits"));
            bytes memory leaf = vm.parseJsonBytes(json, string.concat(key, ".leaf"));
            uint256[] memory offsets = vm.parseJsonUintArray(json, string.concat(key, ".offsets"));
            int256[] memory bases = vm.parseJsonIntArray(json, string.concat(key, ".bases"));
            vm.assertGe(offsets.length, 8, "there are vectors");
            for (uint256 i = 0; i < offsets.length; ++i) {
                string memory row = string.concat(key, ".values[", vm.toString(i), "]");
                int256[] memory values = vm.parseJsonIntArray(json, row);
                for (uint256 b = 0; b < bases.length; ++b) {
                    vm.assertEq(this.value(bits, leaf, offsets[i], bases[b]), values[b], row);
                }
            }
        }
    }

    function value(uint256 bits, bytes calldata leaf, uint256 offset, int256 base) external pure returns (int256) {
        return Encodings.value(bits, leaf, offset, base);
    }

    function test_any_leaf_says_some_int32(bytes32 seed, uint16 offset, int32 base) external view {
        for (uint256 bits = 8; bits <= 16; bits += 8) {
            uint256 each = Encodings.valuesALeaf(bytes32(bits));
            this.value(bits, _noise(seed), offset % each, base);
        }
    }

    function test_each_rule_of_differences() external {
        for (uint256 k = 0; k < 6; ++k) {
            _foundWith(bytes32(8 * (1 + k % 2)), uint8(1 + k / 2));
            (Blob memory right, Blob memory sham) = _disputed();
            ITournament.Point memory p = _point(1, 0, 0, 1);
            vm.assertEq(p.from, LEAF);
            f.prove(p, _votingOf(_updateRoots()), _updateRoots(), _proofs());
            _assertFate(1, 0, ITournament.Fate.Won);
            vm.assertTrue(right.root != sham.root);
        }
    }

    function test_without_the_base_nothing_is_proved() external {
        _foundWith(bytes32(uint256(8)), 1);
        _disputed();
        ITournament.Point memory p = _point(1, 0, 0, 1);
        bytes32[] memory roots = _updateRoots();
        bytes32 voting = _votingOf(roots);
        ITournament.Input[] memory inputs = _proofs();
        ITournament.Input[] memory some = new ITournament.Input[](1);
        some[0] = inputs[1]; // an update where the base should be
        vm.expectRevert(abi.encodeWithSelector(ITournament.NoSuchInput.selector, 0));
        f.prove(p, voting, roots, some);
        some[0] = inputs[0]; // the base alone is no news
        vm.expectRevert(ITournament.NothingNew.selector);
        f.prove(p, voting, roots, some);
        vm.expectRevert(ITournament.NothingNew.selector);
        f.prove(p, voting, roots, new ITournament.Input[](0));
        inputs[0].leaf = _base(_t).leaves[LEAF + 1]; // another leaf of it
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 4));
        f.prove(p, voting, roots, inputs);
        inputs = _proofs();
        inputs[0].header = new bytes(512); // nobody pays for what nobody asked for
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 4));
        f.prove(p, voting, roots, inputs);
        inputs = _proofs();
        inputs[4] = inputs[0]; // the base twice
        vm.expectRevert(abi.encodeWithSelector(ITournament.NoSuchInput.selector, 4));
        f.prove(p, voting, roots, inputs);
        inputs = _proofs();
        (uint256 leaf,) = Encodings.place(_t.encoding, POSITION);
        Blob memory first = _update(0);
        (inputs[1].leaf, inputs[1].path) = (first.leaves[leaf - 1], first.path(leaf - 1)); // the leaf before
        vm.expectRevert(abi.encodeWithSelector(ITournament.WrongProof.selector, 0));
        f.prove(p, voting, roots, inputs);
        // In two calls, each with the base.
        inputs = _proofs();
        ITournament.Input[] memory two = new ITournament.Input[](2);
        (two[0], two[1]) = (inputs[0], inputs[3]);
        f.prove(p, voting, roots, two);
        _assertFate(1, 0, ITournament.Fate.Pending);
        f.prove(p, voting, roots, inputs);
        _assertFate(1, 0, ITournament.Fate.Won);
    }

    // ------------------------------------------------------------------------------------------------------- parts

    /// @dev A federation of differences whose genesis can be proved.
    function _foundWith(bytes32 encoding, uint8 rule) private {
        Terms memory t = _terms(4);
        (t.encoding, t.rule, t.trim) = (encoding, rule, 2500);
        t.genesis = _base(t).root;
        _t = t;
        f = IFederation(factory.found(t, bytes32(uint256(rule))));
        coin.approve(address(f), type(uint256).max);
        _fill(4);
    }

    function _base(Terms memory t) private pure returns (Blob memory b) {
        b = Blobs.empty(t);
        b.leaves[0] = BlobHeaders.merged(t, 0);
        for (uint256 i = 1; i < b.leaves.length; ++i) {
            b.leaves[i] = _noise(keccak256(abi.encode("base", i)));
        }
        b.seal();
    }

    /// @dev Down to the leaf: the right merge, which all have attested, and one that somebody entered. Where they do not
    /// differ they say nothing, and nobody asks.
    function _disputed() private returns (Blob memory right, Blob memory sham) {
        bytes32[] memory roots = _updateRoots();
        for (uint256 i = 0; i < 4; ++i) {
            _commit(1, i, roots[i]);
        }
        f.advance();
        _voteAll(1, 4, _first(4));
        int256[] memory values = new int256[](4);
        uint256[] memory weights = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            (values[i], weights[i]) = (_said(i), Blobs.weightOf(i));
        }
        int256 merged = _t.rule == 1
            ? Rules.mean(values, weights, _t.maxWeight)
            : _t.rule == 2 ? Rules.trimmedMean(values, _t.trim) : Rules.median(values);
        (right, sham) = (Blobs.empty(_t), Blobs.empty(_t));
        right.leaves[0] = sham.leaves[0] = BlobHeaders.merged(_t, 1);
        right.set(POSITION, merged);
        sham.set(POSITION, merged + 1);
        right.seal();
        sham.seal();
        for (uint256 i = 0; i < 4; ++i) {
            _attest(1, i, right.root);
        }
        f.advance();
        _enter(THIEF, 1, sham.root);
        _toTournament(1);
        _descend(1, 0, 0, 1, right, sham);
    }

    function _update(uint256 member) private view returns (Blob memory b) {
        b.leaves = new bytes[](Encodings.leaves(_t.encoding, _t.values));
        for (uint256 i = 0; i < b.leaves.length; ++i) {
            b.leaves[i] = _noise(keccak256(abi.encode(member, i)));
        }
        Blobs.put(b.leaves[0], BlobHeaders.WEIGHT, bytes32(Blobs.weightOf(member)));
        b.seal();
    }

    /// @dev Block by block, and not as the library goes about it.
    function _said(uint256 member) private view returns (int256) {
        bytes memory all;
        Blob memory b = _update(member);
        for (uint256 i = 1; i < b.leaves.length; ++i) {
            all = bytes.concat(all, b.leaves[i]);
        }
        uint256 width = uint256(_t.encoding) / 8;
        uint256 each = 64 / width - 1;
        uint256 start = POSITION / each * 64;
        uint256 at = start + width + POSITION % each * width;
        int256 q = width == 1
            ? int256(int8(uint8(all[at])))
            : int256(int16(uint16(uint8(all[at + 1])) * 256 + uint16(uint8(all[at]))));
        uint256 shift = uint8(all[start]);
        if (shift > 32 - 8 * width) shift = 32 - 8 * width;
        int256 x = _baseValue() + q * int256(2 ** shift);
        return x > type(int32).max ? type(int32).max : x < type(int32).min ? type(int32).min : int256(int32(x));
    }

    function _baseValue() private view returns (int256) {
        bytes memory leaf = _base(_t).leaves[LEAF];
        uint256 x;
        for (uint256 i = 0; i < 4; ++i) {
            x |= uint256(uint8(leaf[POSITION % 128 * 4 + i])) << 8 * i;
        }
        return int32(uint32(x));
    }

    function _updateRoots() private view returns (bytes32[] memory roots) {
        roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            roots[i] = _update(i).root;
        }
    }

    /// @dev The base, then the four updates.
    function _proofs() private view returns (ITournament.Input[] memory inputs) {
        (uint256 leaf,) = Encodings.place(_t.encoding, POSITION);
        inputs = new ITournament.Input[](5);
        bytes32[] memory none;
        Blob memory base = _base(_t);
        inputs[0] = ITournament.Input(4, base.leaves[LEAF], base.path(LEAF), "", none);
        for (uint256 i = 0; i < 4; ++i) {
            inputs[1 + i] = _input(_update(i), i, leaf);
        }
    }

    function _noise(bytes32 seed) private pure returns (bytes memory leaf) {
        leaf = new bytes(512);
        for (uint256 word = 0; word < 16; ++word) {
            Blobs.put(leaf, word, keccak256(abi.encode(seed, word)));
        }
        for (uint256 block_ = 0; block_ < 8; ++block_) {
            leaf[64 * block_] = bytes1(uint8(leaf[64 * block_]) % 40); // of the shifts, too, some are too large
        }
    }
}
