// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITournament} from "../src/ITournament.sol";
import {Terms} from "../src/Terms.sol";
import {BlobHeaders} from "../src/libraries/BlobHeaders.sol";
import {Encodings} from "../src/libraries/Encodings.sol";
import {Trees} from "../src/libraries/Trees.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {Sparse, Sparses} from "./utils/Sparse.sol";
import {vm} from "./utils/Vm.sol";

/// @title What a whole match costs on 11.2 million weights, each move in a transaction of its own; kept in snapshots/.
/// forge-config: default.isolate = true
contract GasOfMatchesTest is FederationTest {
    using Sparses for Sparse;

    uint256 private constant TRANSACTION = 16_777_216;
    uint256 private constant VALUES = 11_200_000;
    uint256 private constant LEAF = 54_321; // of 87,501 leaves of a merge
    uint256 private constant POSITION = 128 * LEAF - 1; // the leaf's last value, on which the two sides differ

    string private _group;
    Terms private _t;

    function setUp() public override {
        vm.warp(START);
        _deploy();
    }

    function test_gas_of_a_match_with_16_inputs() external {
        vm.assertLe(_match("match with 16 inputs", 16, 16, 0), 3_000_000);
    }

    function test_gas_of_a_match_with_256_inputs() external {
        vm.assertLe(_match("match with 256 inputs", 256, 64, 0), 25_000_000);
    }

    /// @dev Each call that proves inputs brings the base's leaf as well.
    function test_gas_of_a_match_about_differences() external {
        vm.assertLe(_match("match with 16 inputs of 16 bits", 16, 16, 16), 3_000_000);
        vm.assertLe(_match("match with 16 inputs of 8 bits", 16, 16, 8), 3_000_000);
    }

    function test_gas_of_a_match_about_256_differences() external {
        vm.assertLe(_match("match with 256 inputs of 8 bits", 256, 64, 8), 25_000_000);
    }

    /// @dev Both sides' moves apart, as two parties make them.
    function _match(string memory group, uint256 n, uint256 batch, uint256 bits) private returns (uint256 total) {
        _group = group;
        _foundWith(n, bits);
        bytes32[] memory roots = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            roots[i] = _updateOf(i).root();
            _commit(1, i, roots[i]);
        }
        f.advance();
        _voteAll(1, n, _first(n));
        Sparse memory right = Sparses.make(n, LEAF, Trees.leaves(VALUES));
        right.header = BlobHeaders.merged(_t, 1);
        Sparse memory sham = Sparses.make(n, LEAF, Trees.leaves(VALUES));
        sham.header = right.header;
        sham.leaf[511] ^= 0x01;
        bytes32 root = right.root();
        for (uint256 i = 0; i < n; ++i) {
            _attest(1, i, root);
        }
        f.advance();
        _enter(THIEF, 1, sham.root());
        _toTournament(1);
        total = _descent(right, sham);
        for (uint256 from = 0; from < n; from += batch) {
            f.prove(_point(1, 0, 0, 1), _votingOf(roots), roots, _proofs(n, from, batch));
            total += _note(string.concat("proofs from ", vm.toString(from)));
        }
        vm.assertEq(uint256(f.matchAt(1, 0, 0).state), uint256(ITournament.State.Decided));
    }

    /// @dev A federation whose genesis can be proved.
    function _foundWith(uint256 n, uint256 bits) private {
        Terms memory t = _terms(n);
        (t.values, t.encoding, t.genesis) = (uint40(VALUES), bytes32(bits), _base(n).root());
        _t = t;
        f = IFederation(factory.found(t, 0));
        coin.approve(address(f), type(uint256).max);
        vm.deal(address(this), 10_000 ether);
        _fill(n);
    }

    function _base(uint256 n) private pure returns (Sparse memory) {
        return Sparses.make(n + 1, LEAF, Trees.leaves(VALUES));
    }

    function _updateOf(uint256 i) private view returns (Sparse memory) {
        (uint256 leaf,) = Encodings.place(_t.encoding, POSITION);
        return Sparses.make(i, leaf, Encodings.leaves(_t.encoding, VALUES));
    }

    function _descent(Sparse memory right, Sparse memory sham) private returns (uint256 total) {
        bytes32[] memory none = new bytes32[](0);
        for (uint256 step = 0;; ++step) {
            ITournament.Point memory p = _point(1, 0, 0, 1);
            if (p.count == 1) {
                f.showLeaf(p, right.leaf, "");
                total += _note("leaf, first side");
                f.showLeaf(p, right.leaf, sham.leaf);
                return total + _note("leaf, both");
            }
            f.show(p, right.parts(p.from, p.count), none);
            total += _note(string.concat("step ", vm.toString(step), ", first side"));
            f.show(p, right.parts(p.from, p.count), sham.parts(p.from, p.count));
            total += _note(string.concat("step ", vm.toString(step), ", both"));
        }
    }

    /// @dev So many updates' leaves; before them, where updates are differences, the base's.
    function _proofs(uint256 n, uint256 from, uint256 batch) private view returns (ITournament.Input[] memory inputs) {
        uint256 first = _t.encoding == 0 ? 0 : 1;
        inputs = new ITournament.Input[](first + batch);
        if (first == 1) {
            Sparse memory base = _base(n);
            inputs[0] = ITournament.Input(uint16(n), base.leaf, base.path(LEAF), "", new bytes32[](0));
        }
        for (uint256 k = 0; k < batch; ++k) {
            Sparse memory u = _updateOf(from + k);
            inputs[first + k] = ITournament.Input(uint16(from + k), u.leaf, u.path(u.at), u.header, u.path(0));
        }
    }

    function _note(string memory name) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(_group, name);
        vm.assertLe(gas, TRANSACTION, name);
    }
}
