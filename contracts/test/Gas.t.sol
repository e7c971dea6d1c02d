// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Heads} from "../src/libraries/Heads.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title What a transaction costs, whole: every call here is one of its own, with 21,000 and its bytes paid for.
/// @notice The figures lie in `snapshots/` and are reviewed with the code; `FORGE_SNAPSHOT_CHECK=false` writes new ones.
/// forge-config: default.isolate = true
contract GasTest is FederationTest {
    /// @dev What a verb may cost in steady state, that is in a federation whose slots have all been written before.
    uint256 private constant STEADY = 36_000;
    /// @dev EIP-7825: no transaction may ask for more.
    uint256 private constant TRANSACTION_LIMIT = 16_777_216;

    function test_gas_of_8_members() public {
        _measure(8);
    }

    function test_gas_of_32_members() public {
        _measure(32);
    }

    function test_gas_of_112_members() public {
        _measure(112);
    }

    function test_gas_of_256_members() public {
        _measure(256);
    }

    /// @dev Round 3 of a federation of `n` that has had two full rounds.
    function _measure(uint256 n) private {
        string memory group = string.concat(vm.toString(n), "-members");
        IFederation.Terms memory t = _terms(n);
        t.rounds = 9;
        federation = _deploy(t);
        for (uint256 i = 0; i < n; ++i) {
            _join(i);
            if (i == n / 2) _note(group, "join", TRANSACTION_LIMIT);
        }
        _note(group, "join, opens round 1", TRANSACTION_LIMIT);
        _play(1, n);
        _play(2, n);

        // A seat beyond those in the head costs one more slot.
        uint256 limit = n <= Heads.SEATS ? STEADY : STEADY + 6000;
        for (uint256 i = 0; i < n; ++i) {
            _commit(3, i);
            if (i == n / 2) _note(group, "commit", limit);
        }
        _note(group, "commit, closes the phase", TRANSACTION_LIMIT);
        for (uint256 i = 0; i < n; ++i) {
            _vote(3, i, _first(n));
            if (i == n / 2) _note(group, "vote, as in the round before", limit);
        }
        _note(group, "vote, closes the phase", TRANSACTION_LIMIT);
        for (uint256 i = 0; i < n; ++i) {
            _attest(3, i, _merge(3));
            if (i == 0) _note(group, "attest, first", limit);
            if (i == n / 2) _note(group, "attest", limit);
            if (i == n * 2 / 3) _note(group, "attest, closes the round", TRANSACTION_LIMIT);
        }
        _note(group, "attest, late", limit);
        vm.assertEq(federation.outcome(3).attesters, _first(n));

        _commitAll(4, n);
        for (uint256 i = 0; i < n; ++i) {
            _vote(4, i, _first(n) ^ (1 << (i + 1) % n));
            if (i == n / 2) _note(group, "vote, another ballot", limit);
        }
        for (uint256 i = 0; i < n; ++i) {
            _attest(4, i, i == 1 || i == 2 ? _update(4, 0) : _merge(4));
            if (i == 1) _note(group, "attest, first to dissent", TRANSACTION_LIMIT);
            if (i == 2) _note(group, "attest, dissents too", TRANSACTION_LIMIT);
        }
        _play(5, n);
        vm.warp(_now().deadline);
        federation.poke();
        _note(group, "poke, closes a silent round", TRANSACTION_LIMIT);
    }

    function _note(string memory group, string memory name, uint256 limit) private {
        vm.assertLe(vm.snapshotGasLastCall(group, name), limit, name);
    }
}
