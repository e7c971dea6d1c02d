// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITournament} from "../src/ITournament.sol";
import {Terms} from "../src/Terms.sol";
import {BlobHeaders} from "../src/libraries/BlobHeaders.sol";
import {Merkle} from "../src/libraries/Merkle.sol";
import {Signed} from "../src/libraries/Statements.sol";
import {Trees} from "../src/libraries/Trees.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title What things cost, each in a transaction of its own; kept in snapshots/.
/// forge-config: default.isolate = true
contract GasTest is FederationTest {
    uint256 private constant STEADY = 41_000;
    uint256 private constant RELAYED = 12_500;
    uint8 private constant RING = 2;
    uint256 private constant TRANSACTION = 16_777_216;

    /// @dev A blob of `count` leaves of which all but the header and leaf `at` are zeros.
    struct Sparse {
        bytes header;
        bytes leaf;
        uint256 at;
        uint256 count;
        bytes32[32] zeros; // roots of 2^k leaves of zeros
    }

    function setUp() public override {
        vm.warp(START);
        _deploy();
    }

    // ------------------------------------------------------------------------------------------------- statements

    function test_gas_of_statements() external {
        uint256[3] memory sizes = [uint256(8), 32, 256];
        for (uint256 k = 0; k < 3; ++k) {
            _measure(sizes[k]);
        }
    }

    function _measure(uint256 n) private {
        string memory group = string.concat("", vm.toString(n), " members");
        _start(n);
        for (uint32 round = 1; round <= RING; ++round) {
            _playFast(round, n); // every slot of the ring has been used
        }
        uint32 r = RING + 1;
        uint256 limit = n <= 140 ? STEADY : STEADY + 8000;
        for (uint256 i = 0; i < n; ++i) {
            _commit(r, i, _update(r, i));
            if (i == n / 2) _note(group, "commit", limit);
        }
        f.advance();
        _note(group, "advance, commit to vote", TRANSACTION);
        for (uint256 i = 0; i < n; ++i) {
            _vote(r, i, _first(n) ^ 1, 0);
            if (i == n / 2) _note(group, "vote, another ballot", limit);
        }
        f.advance();
        _note(group, "advance, vote to attest", TRANSACTION);
        for (uint256 i = 0; i < n; ++i) {
            _attest(r, i, _merge(r));
            if (i == 0) _note(group, "attest, first", limit);
            if (i == n / 2) _note(group, "attest", limit);
        }
        f.advance();
        _note(group, "advance, attest to the next round", TRANSACTION);
        vm.warp(f.roundOf(r).deadline + WINDOW + 1);
        f.settle(r, 1);
        _note(group, "settle", TRANSACTION);
    }

    function test_gas_of_relaying_32() external {
        uint256 n = 32;
        _start(n);
        for (uint32 round = 1; round <= RING; ++round) {
            _playFast(round, n);
        }
        uint32 r = RING + 1;
        ILedger.Phase[3] memory phases = [ILedger.Phase.Commit, ILedger.Phase.Vote, ILedger.Phase.Attest];
        for (uint256 k = 0; k < 3; ++k) {
            Signed[] memory m = new Signed[](n);
            bytes32 context = _context(r);
            for (uint256 i = 0; i < n; ++i) {
                bytes32 value = k == 0 ? _update(r, i) : k == 1 ? bytes32(_first(n) ^ 2) : _merge(r);
                m[i] = _sign(_key(i), phases[k], r, context, value, 0);
            }
            f.relay(phases[k], r, context, _first(n), m, new uint256[](0), new address[](0), false);
            string memory name = k == 0 ? "commit" : k == 1 ? "vote, another ballot" : "attest";
            _note("relay of 32", name, n * RELAYED);
            f.advance();
        }
    }

    function test_gas_of_founding_and_joining() external {
        Terms memory t = _terms(4);
        factory.found(t, bytes32(uint256(1)));
        _note("founding", "found", 1_000_000);
        f = IFederation(factory.found(t, bytes32(uint256(1))));
        coin.approve(address(f), type(uint256).max);
        _equip(_member(0));
        _join(0);
        _note("founding", "join", TRANSACTION);
    }

    /// @dev What a flood costs who makes it, and what a bracket of 4,096 in which nobody moved costs to look through.
    function test_gas_of_a_flood() external {
        _start(4);
        _play(1, 4);
        bytes32 context = _context(1);
        for (uint256 k = 0; k < 4092; ++k) {
            f.enter{value: BOND}(1, context, bytes32(k + 1));
            if (k == 2000) _note("flood of 4096", "an entry", TRANSACTION);
        }
        (, uint256 start, uint256 stage,) = f.tournament(1);
        vm.warp(start + 12 * stage + 1);
        for (uint256 b = 0; b < 4; ++b) {
            f.resolve(1, 10, b);
            if (b == 1) _note("flood of 4096", "resolve a quarter of the bracket", TRANSACTION);
        }
        f.undo(1); // nobody moved for the right root either
        _note("flood of 4096", "undo", TRANSACTION);
        f.collect(1, 3000);
        _note("flood of 4096", "collect an entry that lost", TRANSACTION);
        f.settle(1, 1500);
        _note("flood of 4096", "settle, 1500 entries", TRANSACTION);
    }

    // -------------------------------------------------------------------------------------------------------- a match

    /// @dev 11.2 million weights; both sides' moves apart, as two parties make them.
    function test_gas_of_a_match_with_16_inputs() external {
        vm.assertLe(_match(16, 16), 3_000_000);
    }

    function test_gas_of_a_match_with_256_inputs() external {
        vm.assertLe(_match(256, 64), 25_000_000);
    }

    function _match(uint256 n, uint256 batch) private returns (uint256 total) {
        string memory group = string.concat("match with ", vm.toString(n), " inputs");
        Terms memory t = _terms(n);
        t.values = 11_200_000;
        f = IFederation(factory.found(t, 0));
        coin.approve(address(f), type(uint256).max);
        vm.deal(address(this), 10_000 ether);
        _fill(n);
        uint256 at = 54_321; // of 87,501 leaves
        bytes32[] memory roots = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            roots[i] = _root(_sparse(i, at));
            _commit(1, i, roots[i]);
        }
        f.advance();
        _voteAll(1, n, _first(n));
        Sparse memory right = _sparse(n, at);
        right.header = BlobHeaders.merged(t, 1);
        Sparse memory sham = _sparse(n, at);
        (sham.header, sham.leaf) = (right.header, abi.encodePacked(right.leaf));
        sham.leaf[511] ^= 0x01;
        bytes32 root = _root(right);
        for (uint256 i = 0; i < n; ++i) {
            _attest(1, i, root);
        }
        f.advance();
        _enter(THIEF, 1, _root(sham));
        _toTournament(1);
        bytes32[] memory none = new bytes32[](0);
        for (uint256 step = 0;; ++step) {
            ITournament.Point memory p = _point(1, 0, 0, 1);
            if (p.count == 1) {
                f.showLeaf(p, right.leaf, "");
                total += _note(group, "leaf, first side", TRANSACTION);
                f.showLeaf(p, right.leaf, sham.leaf);
                total += _note(group, "leaf, both", TRANSACTION);
                break;
            }
            f.show(p, _parts(right, p.from, p.count), none);
            total += _note(group, string.concat("step ", vm.toString(step), ", first side"), TRANSACTION);
            f.show(p, _parts(right, p.from, p.count), _parts(sham, p.from, p.count));
            total += _note(group, string.concat("step ", vm.toString(step), ", both"), TRANSACTION);
        }
        ITournament.Point memory leaf = _point(1, 0, 0, 1);
        bytes32 voting = _votingOf(roots);
        for (uint256 from = 0; from < n; from += batch) {
            ITournament.Input[] memory inputs = new ITournament.Input[](batch);
            for (uint256 k = 0; k < batch; ++k) {
                Sparse memory u = _sparse(from + k, at);
                inputs[k] = ITournament.Input(uint16(from + k), u.leaf, _path(u, at), u.header, _path(u, 0));
            }
            f.prove(leaf, voting, roots, inputs);
            total += _note(group, string.concat("proofs from ", vm.toString(from)), TRANSACTION);
        }
        vm.assertEq(uint256(f.matchAt(1, 0, 0).state), uint256(ITournament.State.Decided));
    }

    // ------------------------------------------------------------------------------------------------- sparse blobs

    function _sparse(uint256 i, uint256 at) private pure returns (Sparse memory b) {
        (b.at, b.count) = (at, Trees.leaves(11_200_000));
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

    function _root(Sparse memory b) private pure returns (bytes32) {
        return _node(b, 0, b.count);
    }

    function _node(Sparse memory b, uint256 from, uint256 count) private pure returns (bytes32) {
        bool special = from == 0 || (from <= b.at && b.at < from + count);
        if (count == 1) return !special ? b.zeros[0] : Merkle.leafHash(from == 0 ? b.header : b.leaf);
        (uint256 k, uint256 log) = (1, 0);
        while (2 * k < count) (k, log) = (2 * k, log + 1);
        if (!special && 2 * k == count) return b.zeros[log + 1];
        return Merkle.nodeHash(_node(b, from, k), _node(b, from + k, count - k));
    }

    function _parts(Sparse memory b, uint256 from, uint256 count) private pure returns (bytes32[] memory p) {
        uint256 size = Trees.partOf(count);
        p = new bytes32[]((count + size - 1) / size);
        for (uint256 i = 0; i < p.length; ++i) {
            uint256 left = count - i * size;
            p[i] = _node(b, from + i * size, left < size ? left : size);
        }
    }

    function _path(Sparse memory b, uint256 index) private pure returns (bytes32[] memory p) {
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

    // ------------------------------------------------------------------------------------------------------ helpers

    function _start(uint256 n) private {
        Terms memory t = _terms(n);
        t.rounds = 99;
        t.maxUnsettled = RING;
        f = IFederation(factory.found(t, bytes32(n)));
        coin.approve(address(f), type(uint256).max);
        vm.deal(address(this), 10_000 ether);
        _fill(n);
    }

    /// @dev A whole round, and settled.
    function _playFast(uint32 round, uint256 n) private {
        _play(round, n);
        vm.warp(f.roundOf(round).deadline + WINDOW + 1);
        f.settle(round, 1);
        if (f.position().phase == ILedger.Phase.Waiting || f.position().round == round) f.advance();
        // The next round's commit phase is over by now: its deadline is as it would be if time stood still.
        vm.warp(START);
    }

    function _note(string memory group, string memory name, uint256 limit) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(group, name);
        vm.assertLe(gas, limit, name);
    }
}
