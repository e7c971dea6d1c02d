// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

contract JoinTest is FederationTest {
    function test_members_get_indices_in_the_order_of_joining() external {
        vm.expectEmit();
        emit IFederation.Joined(_member(7), 0);
        _join(7);
        vm.expectEmit();
        emit IFederation.Joined(_member(3), 1);
        _join(3);
        IFederation.View memory v = _now();
        vm.assertEq(v.members[0], _member(7));
        vm.assertEq(v.members[1], _member(3));
        vm.assertEq(v.active, 3);
        vm.assertEq(v.roster, 0);
        _expectPhase(0, IFederation.Phase.Forming);
    }

    function test_the_last_of_the_start_members_opens_round_1() external {
        _joinAll(3);
        _expectPhase(0, IFederation.Phase.Forming);
        vm.prank(_member(3));
        vm.expectEmit();
        emit IFederation.Joined(_member(3), 3);
        vm.expectEmit();
        emit IFederation.PhaseOpened(1, IFederation.Phase.Commit, START + COMMIT_SECONDS);
        federation.join(CHARTER, new bytes32[](0));
        _expectPhase(1, IFederation.Phase.Commit);
        vm.assertEq(_now().roster, 15);
    }

    function test_after_the_deadline_min_members_open_round_1() external {
        _join(0);
        vm.warp(START + JOIN_SECONDS);
        _expectPhase(0, IFederation.Phase.Forming);
        _join(1);
        _expectPhase(1, IFederation.Phase.Commit);
        vm.assertEq(_now().roster, 3);
    }

    function test_a_late_joiner_counts_from_the_next_round_on() external {
        _joinAll(4);
        _join(4);
        IFederation.View memory v = _now();
        vm.assertEq(v.roster, 15);
        vm.assertEq(v.active, 31);
        bytes32 root = _update(1, 4);
        vm.prank(_member(4));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.commit(1, root);
        _play(1, 4);
        vm.assertEq(_now().roster, 31);
        _commit(2, 4);
        vm.assertEq(_now().committed, 16);
    }

    function test_a_member_who_left_comes_back_to_its_index() external {
        _joinAll(2);
        _leave(0);
        vm.assertEq(_now().active, 2);
        vm.expectEmit();
        emit IFederation.Joined(_member(0), 0);
        _join(0);
        IFederation.View memory v = _now();
        vm.assertEq(v.active, 3);
        vm.assertEq(v.members.length, 2);
    }

    function test_a_dropped_member_comes_back_with_a_clean_slate() external {
        _joinAll(4);
        for (uint32 round = 1; round <= 2; ++round) {
            _commitAll(round, 3);
            vm.warp(_now().deadline);
            _voteAll(round, 3, 7);
            vm.warp(_now().deadline);
            for (uint256 i = 0; i < 3; ++i) {
                _attest(round, i, _merge(round));
            }
        }
        vm.assertEq(_now().active, 7, "dropped after two rounds");
        _join(3);
        vm.assertEq(_now().active, 15);
        vm.assertEq(_now().members.length, 4);
    }

    function test_reverts_for_another_charter() external {
        vm.prank(_member(0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.CharterMismatch.selector, CHARTER));
        federation.join(keccak256("another"), new bytes32[](0));
    }

    function test_reverts_for_a_member() external {
        _joinAll(2);
        vm.prank(_member(1));
        vm.expectRevert(abi.encodeWithSelector(IFederation.AlreadyMember.selector, 1));
        federation.join(CHARTER, new bytes32[](0));
    }

    function test_reverts_when_done() external {
        _joinAll(4);
        for (uint32 round = 1; round <= 3; ++round) {
            _play(round, 4);
        }
        vm.prank(_member(9));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, IFederation.Phase.Done));
        federation.join(CHARTER, new bytes32[](0));
    }

    function test_reverts_for_the_257th_address() external {
        federation = _deploy(_terms(256));
        _joinAll(255);
        _leave(0);
        _join(255);
        vm.prank(_member(256));
        vm.expectRevert(IFederation.FederationFull.selector);
        federation.join(CHARTER, new bytes32[](0));
        _join(0); // an index of its own waits for it
        vm.assertEq(_now().roster, type(uint256).max);
    }

    // ------------------------------------------------------------------------------------------------ founding it

    function test_terms_come_back_as_given(uint256 seed) external {
        IFederation.Terms memory t = _terms(1 + seed % 256);
        t.rounds = 1 + uint32(seed >> 8) % type(uint32).max;
        t.maxMissed = uint8((seed >> 64) % 8);
        t.quorumDenominator = uint8(_bound(seed >> 72, 2, 255));
        t.quorumNumerator = uint8(_bound(seed >> 80, (uint256(t.quorumDenominator) + 1) / 2, t.quorumDenominator - 1));
        vm.assertEq(abi.encode(_deploy(t).terms()), abi.encode(t));
    }

    function test_reverts_for_terms_out_of_range() external {
        IFederation.Terms memory t = _terms(4);
        t.charter = 0;
        _refused(t, "charter");
        t = _terms(4);
        t.genesis = 0;
        _refused(t, "genesis");
        t = _terms(4);
        t.rounds = 0;
        _refused(t, "rounds");
        t = _terms(4);
        t.joinSeconds = 0;
        _refused(t, "joinSeconds");
        t = _terms(4);
        t.commitSeconds = 0;
        _refused(t, "commitSeconds");
        t = _terms(4);
        t.voteSeconds = 0;
        _refused(t, "voteSeconds");
        t = _terms(4);
        t.attestSeconds = 0;
        _refused(t, "attestSeconds");
        t = _terms(4);
        t.startMembers = 0;
        _refused(t, "startMembers");
        t.startMembers = 257;
        _refused(t, "startMembers");
        t = _terms(4);
        t.minMembers = 0;
        _refused(t, "minMembers");
        t.minMembers = 5;
        _refused(t, "minMembers");
        t = _terms(4);
        t.maxMissed = 8;
        _refused(t, "maxMissed");
        t = _terms(4);
        (t.quorumNumerator, t.quorumDenominator) = (1, 3);
        _refused(t, "quorum");
        (t.quorumNumerator, t.quorumDenominator) = (3, 3);
        _refused(t, "quorum");
        (t.quorumNumerator, t.quorumDenominator) = (0, 0);
        _refused(t, "quorum");
    }

    function _refused(IFederation.Terms memory t, string memory term) private {
        (bool ok, bytes memory answer) = address(this).call(abi.encodeCall(this.deploy, (t)));
        vm.assertFalse(ok, term);
        vm.assertEq(answer, abi.encodeWithSelector(IFederation.InvalidTerms.selector, term));
    }

    /// @dev Deploys by itself, for a cheatcode would put words of its own around the reason.
    function deploy(IFederation.Terms calldata t) external {
        bytes memory code = abi.encodePacked(vm.getCode("Federation.sol:Federation"), abi.encode(t));
        assembly ("memory-safe") {
            if iszero(create(0, add(code, 32), mload(code))) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }
}
