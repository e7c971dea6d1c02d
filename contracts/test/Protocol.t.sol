// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {IViews} from "../src/IViews.sol";
import {Terms} from "../src/Terms.sol";
import {Signed, Statements} from "../src/libraries/Statements.sol";
import {Trees} from "../src/libraries/Trees.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title Solidity against what Python made from the specification alone (tests/vectors/protocol/make.py).
contract ProtocolTest is FederationTest {
    uint160 private constant CONTRACT = type(uint160).max / 0xff * 0xc1;

    function setUp() public override {
        vm.warp(START);
        _deploy();
    }

    function test_contexts() external view {
        string memory json = _read();
        uint256 n;
        for (; vm.keyExistsJson(json, _at(".contexts", n)); ++n) {
            string memory key = _at(".contexts", n);
            bytes32 opening = Statements.opening(
                _uint(json, key, ".round"),
                _uint(json, key, ".baseRound"),
                _word(json, key, ".base"),
                _word(json, key, ".baseContext"),
                _uint(json, key, ".roster"),
                keccak256(abi.encodePacked(vm.parseJsonBytes32Array(json, string.concat(key, ".addresses"))))
            );
            vm.assertEq(opening, _word(json, key, ".opening"));
            bytes32[] memory roots = vm.parseJsonBytes32Array(json, string.concat(key, ".roots"));
            bytes32 voting = Statements.resting(opening, _uint(json, key, ".roster"), roots);
            vm.assertEq(voting, _word(json, key, ".voting"));
        }
        vm.assertGe(n, 4, "there are vectors");
    }

    function test_signatures() external {
        vm.chainId(1);
        string memory json = _read();
        uint256 n;
        for (; vm.keyExistsJson(json, _at(".statements", n)); ++n) {
            string memory key = _at(".statements", n);
            Signed memory s = Signed(_word(json, key, ".value"), _word(json, key, ".r"), _word(json, key, ".vs"));
            bytes32 kind = n == 0 ? Statements.COMMIT : n == 1 ? Statements.VOTE : Statements.ATTEST;
            address who = this.signer(
                kind, uint32(_uint(json, key, ".round")), _word(json, key, ".context"), s, _uint(json, key, ".misses")
            );
            vm.assertEq(bytes32(uint256(uint160(who))), bytes32(_uint(json, key, ".signer")));
        }
        vm.assertEq(n, 3);
    }

    function signer(bytes32 kind, uint32 round, bytes32 context, Signed calldata s, uint256 misses)
        external
        view
        returns (address)
    {
        bytes32 domain = Statements.domain(address(CONTRACT), CHARTER);
        bytes memory common = Statements.prepare(domain, kind, round, context);
        return Statements.signer(common, s, misses, kind == Statements.VOTE ? 5 : 4);
    }

    function test_trees() external view {
        string memory json = _read();
        uint256 n;
        for (; vm.keyExistsJson(json, _at(".trees", n)); ++n) {
            string memory key = _at(".trees", n);
            uint256 count = _uint(json, key, ".count");
            bytes32[] memory parts = vm.parseJsonBytes32Array(json, string.concat(key, ".parts"));
            uint256 size = Trees.partOf(count);
            vm.assertEq(parts.length, (count + size - 1) / size);
            vm.assertEq(Trees.rootOf(parts), _word(json, key, ".root"));
        }
        vm.assertGe(n, 8, "there are vectors");
    }

    function test_tallies() external {
        string memory json = _read();
        uint256 n;
        for (; vm.keyExistsJson(json, _at(".tallies", n)); ++n) {
            string memory key = _at(".tallies", n);
            uint256 size = _uint(json, key, ".size");
            Terms memory t = _terms(size);
            t.minMembers = 1;
            t.stake = 0;
            f = IFederation(factory.found(t, bytes32(n)));
            coin.approve(address(f), type(uint256).max);
            _fill(size);
            _commitAll(1, size);
            uint256[] memory accepts = vm.parseJsonUintArray(json, string.concat(key, ".accepts"));
            uint256[] memory misses = vm.parseJsonUintArray(json, string.concat(key, ".misses"));
            uint256 voted = _uint(json, key, ".voted");
            for (uint256 i = 0; i < size; ++i) {
                if (voted >> i & 1 != 0) _vote(1, i, accepts[i], misses[i]);
            }
            if (!f.isDue()) vm.warp(f.position().deadline);
            f.advance();
            IViews.Round memory r = f.roundOf(1);
            uint256 included = _uint(json, key, ".included");
            vm.assertEq(uint256(r.status), uint256(included == 0 ? ILedger.Status.Over : ILedger.Status.Open));
            if (included == 0) continue;
            vm.assertEq(r.included, included, key);
            vm.assertEq(r.excused, _uint(json, key, ".excused"), key);
        }
        vm.assertGe(n, 27, "there are vectors");
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _read() private view returns (string memory) {
        return vm.readFile(string.concat(vm.projectRoot(), "/../tests/vectors/protocol/vectors.json"));
    }

    function _at(string memory key, uint256 index) private pure returns (string memory) {
        return string.concat(key, "[", vm.toString(index), "]");
    }

    function _uint(string memory json, string memory key, string memory field) private pure returns (uint256) {
        return vm.parseJsonUint(json, string.concat(key, field));
    }

    function _word(string memory json, string memory key, string memory field) private pure returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(key, field));
    }
}
