// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {Terms} from "../src/Terms.sol";
import {Signed} from "../src/libraries/Statements.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title What things cost, each in a transaction of its own; kept in snapshots/.
/// forge-config: default.isolate = true
contract GasTest is FederationTest {
    uint256 private constant STEADY = 41_000;
    uint256 private constant RELAYED = 12_500;
    uint8 private constant RING = 2;
    uint256 private constant TRANSACTION = 16_777_216;

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
