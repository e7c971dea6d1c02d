// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../../src/IFederation.sol";
import {Vm, vm} from "./Vm.sol";

/// @title What the tests of the federation have in common: one to look at, and members who act together.
abstract contract FederationTest {
    /// @dev Foundry takes a contract with this flag for a test.
    bool public constant IS_TEST = true;

    bytes32 internal constant CHARTER = keccak256("charter");
    bytes32 internal constant GENESIS = keccak256("genesis");
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant JOIN_SECONDS = 100;
    uint256 internal constant COMMIT_SECONDS = 500;
    uint256 internal constant VOTE_SECONDS = 300;
    uint256 internal constant ATTEST_SECONDS = 400;
    uint256 internal constant CHALLENGE_SECONDS = 2000;
    uint256 internal constant PROOF_SECONDS = 700;
    uint256 internal constant BOND = 5 ether;

    IFederation internal federation;

    /// @dev Four members, three rounds, void below two commits, dropped after two missed rounds, quorum above 2/3.
    function setUp() public virtual {
        vm.warp(START);
        federation = _deploy(_terms(4));
    }

    /// @dev By its compiled code, so that a test is compiled without the contract and need not carry it.
    function _deploy(IFederation.Terms memory t) internal returns (IFederation) {
        return IFederation(vm.deployCode("Federation.sol:Federation", abi.encode(t)));
    }

    /// @dev No stake, no reward, a small bond; nothing that the court could recompute.
    function _terms(uint256 members) internal pure returns (IFederation.Terms memory t) {
        t.charter = CHARTER;
        t.genesis = GENESIS;
        t.rounds = 3;
        t.joinSeconds = uint32(JOIN_SECONDS);
        t.commitSeconds = uint32(COMMIT_SECONDS);
        t.voteSeconds = uint32(VOTE_SECONDS);
        t.attestSeconds = uint32(ATTEST_SECONDS);
        t.startMembers = uint16(members);
        t.minMembers = uint16(members < 2 ? members : 2);
        t.maxMissed = 2;
        t.quorumNumerator = 2;
        t.quorumDenominator = 3;
        t.bond = uint128(BOND);
        t.challengeSeconds = uint32(CHALLENGE_SECONDS);
        t.proofSeconds = uint32(PROOF_SECONDS);
    }

    // ---------------------------------------------------------------------------------------------- who and what

    function _key(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("member", index)));
    }

    function _member(uint256 index) internal pure returns (address) {
        return vm.addr(_key(index));
    }

    function _update(uint32 round, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("update", round, index));
    }

    function _merge(uint32 round) internal pure returns (bytes32) {
        return keccak256(abi.encode("merge", round));
    }

    /// @dev Bits 0..n-1.
    function _first(uint256 n) internal pure returns (uint256) {
        return n == 256 ? type(uint256).max : (1 << n) - 1;
    }

    // ------------------------------------------------------------------------------------------------ acting as

    function _join(uint256 index) internal {
        vm.prank(_member(index));
        federation.join(CHARTER, new bytes32[](0));
    }

    function _leave(uint256 index) internal {
        vm.prank(_member(index));
        federation.leave();
    }

    function _commit(uint32 round, uint256 index) internal {
        vm.prank(_member(index));
        federation.commit(round, _update(round, index));
    }

    function _vote(uint32 round, uint256 index, uint256 ballot) internal {
        vm.prank(_member(index));
        federation.vote(round, ballot);
    }

    function _attest(uint32 round, uint256 index, bytes32 root) internal {
        vm.prank(_member(index));
        federation.attest(round, root);
    }

    function _joinAll(uint256 n) internal {
        for (uint256 i = 0; i < n; ++i) {
            _join(i);
        }
    }

    function _commitAll(uint32 round, uint256 n) internal {
        for (uint256 i = 0; i < n; ++i) {
            _commit(round, i);
        }
    }

    function _voteAll(uint32 round, uint256 n, uint256 ballot) internal {
        for (uint256 i = 0; i < n; ++i) {
            _vote(round, i, ballot);
        }
    }

    /// @dev All attest the round's merge, those after the quorum late.
    function _attestAll(uint32 round, uint256 n) internal {
        for (uint256 i = 0; i < n; ++i) {
            _attest(round, i, _merge(round));
        }
    }

    /// @dev A round in which all of `n` members do what they should.
    function _play(uint32 round, uint256 n) internal {
        _commitAll(round, n);
        _voteAll(round, n, _first(n));
        _attestAll(round, n);
    }

    /// @dev Deadline by deadline, without a word from anybody, until the round has closed.
    function _sleepThrough(uint32 round) internal {
        while (_now().round == round && _now().phase != IFederation.Phase.Done) {
            vm.warp(_now().deadline);
            federation.poke();
        }
    }

    // ------------------------------------------------------------------------------------------------ looking at

    function _now() internal view returns (IFederation.View memory) {
        return federation.snapshot(0);
    }

    function _expectPhase(uint32 round, IFederation.Phase phase) internal view {
        IFederation.View memory v = _now();
        vm.assertEq(v.round, round, "round");
        vm.assertEq(uint256(v.phase), uint256(phase), "phase");
    }

    /// @dev All members but these, by index: what makes relaying cheaper.
    function _othersThan(uint256 signers) internal view returns (address[] memory others) {
        others = federation.members();
        uint256 n;
        for (uint256 i = 0; i < others.length; ++i) {
            if ((signers >> i) & 1 == 0) others[n++] = others[i];
        }
        assembly ("memory-safe") {
            mstore(others, n)
        }
    }

    function _bound(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }
}
