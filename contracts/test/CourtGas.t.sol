// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What judgement and relaying cost, whole transactions as in `Gas.t.sol`.
/// forge-config: default.isolate = true
contract CourtGasTest is CourtTest {
    using Blobs for Blob;

    uint256 private constant TRANSACTION_LIMIT = 16_777_216;
    uint256 private constant CHALLENGE_LIMIT = 4_000_000;
    uint256 private constant RELAY_LIMIT = 12_000;

    function setUp() public override {
        vm.warp(START);
        coin = IERC20(vm.deployCode("DeepLearningCoin.sol:DeepLearningCoin", abi.encode(SUPPLY)));
    }

    /// @dev By each rule; the mean needs the headers too.
    function test_gas_of_a_challenge_with_16_inputs() external {
        string[3] memory rules = ["mean", "trimmed mean", "median"];
        for (uint8 rule = 1; rule <= 3; ++rule) {
            _gather(16, rule);
            Blob memory wrong = _wrongBlob(1, 16);
            _playBlobs(1, 16, wrong.root);
            string memory group = string.concat("challenge of 16 updates, ", rules[rule - 1]);
            uint256 id = _challenge(1, 16, 1, 7);
            uint256 sum = _note(group, "challenge");
            sum += _proveInBatches(group, id, 16, wrong);
            court.conclude(id);
            sum += _note(group, "conclude, upheld");
            vm.assertTrue(federation.record(1).undone);
            vm.assertLe(sum, CHALLENGE_LIMIT, group);
        }
    }

    function _proveInBatches(string memory group, uint256 id, uint256 n, Blob memory merged)
        private
        returns (uint256 sum)
    {
        ICourt.Proof[] memory all = _proofs(1, n, 1, merged);
        bytes32[] memory roots = _rootsOf(1, n);
        for (uint256 first = 0; first < all.length; first += 32) {
            uint256 size = all.length - first < 32 ? all.length - first : 32;
            ICourt.Proof[] memory some = new ICourt.Proof[](size);
            for (uint256 i = 0; i < size; ++i) {
                some[i] = all[first + i];
            }
            court.prove(id, roots, some);
            sum += first == 0 ? _note(group, "prove") : 0;
        }
    }

    function test_gas_of_256_members() external {
        string memory group = "court of 256";
        _gather(256, 3);
        Blob memory wrong = _wrongBlob(1, 256);
        _playBlobs(1, 256, wrong.root);
        uint256 id = _challenge(1, 256, 1, 7);
        _note(group, "challenge");
        _proveInBatches(group, id, 256, wrong);
        court.conclude(id);
        _note(group, "conclude, upheld: merges 256 and slashes 256");
        vm.assertTrue(federation.record(1).undone);
        vm.assertEq(court.books().stakes, 0);
    }

    function test_gas_of_settling_with_256_members() external {
        string memory group = "settling with 256";
        _gather(256, 3);
        _commitAll(1, 256);
        _voteAll(1, 256, _first(256));
        for (uint256 i = 0; i < 256; ++i) {
            _attest(1, i, i < 85 ? _update(1, 0) : _merge(1));
        }
        _note(group, "attest, closes the round with 85 astray");
        vm.assertEq(uint256(federation.outcome(1).status), uint256(IFederation.Status.Final));
        _sleepUntilSettled(1);
        court.settle(1);
        _note(group, "settle, slashes 85");
        vm.prank(_member(255));
        court.claim(_member(255), 9);
        _note(group, "claim");
    }

    function test_gas_of_relaying() external {
        _relayRounds(32, RELAY_LIMIT);
        _relayRounds(256, TRANSACTION_LIMIT);
    }

    /// @dev In steady state: round 3, with other ballots than before. First as many as close nothing, then the others. The
    /// limit is for one message of the former, in each phase. What closing a phase costs besides is paid once, as in
    /// `Gas.t.sol`.
    function _relayRounds(uint256 n, uint256 limit) private {
        federation = _deploy(_terms(n));
        _joinAll(n);
        string memory group = string.concat("relay of ", vm.toString(n));
        for (uint32 round = 1; round <= 3; ++round) {
            for (uint8 p = 1; p <= 3; ++p) {
                uint256 some = p == 3 ? n * 2 / 3 : n - 1;
                string memory name = p == 1 ? "commit" : p == 2 ? "vote, another ballot" : "attest";
                _relayBatch(p, round, 0, some, n);
                if (round == 3) vm.assertLe(_note(group, name) / some, limit, name);
                _relayBatch(p, round, some, n, n);
                if (round == 3) _note(group, string.concat(name, ", the rest, closes the phase"));
            }
        }
    }

    function _relayBatch(uint8 p, uint32 round, uint256 first, uint256 end, uint256 n) private {
        IFederation.Phase phase = IFederation.Phase(p);
        IFederation.Signed[] memory m = new IFederation.Signed[](end - first);
        for (uint256 i = first; i < end; ++i) {
            bytes32 value = p == 1 ? _update(round, i) : p == 2 ? bytes32(_first(n - round)) : _merge(round);
            m[i - first] = _sign(_key(i), phase, round, value);
        }
        uint256 signers = _first(end) ^ _first(first);
        vm.assertEq(federation.relay(phase, round, signers, m, _othersThan(signers)), signers);
    }

    function _gather(uint256 n, uint8 rule) private {
        IFederation.Terms memory t = _courtTerms(n);
        t.rule = rule;
        _found(t);
        _fund(1000 ether);
        _stakeAll(n);
        _joinAll(n);
        _equip(CHALLENGER);
    }

    function _note(string memory group, string memory name) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(group, name);
        vm.assertLe(gas, TRANSACTION_LIMIT, name);
    }
}
