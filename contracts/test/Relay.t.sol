// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Signatures} from "../src/libraries/Signatures.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

contract RelayTest is CourtTest {
    /// @dev Order of secp256k1.
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    IFederation.Phase internal constant COMMIT = IFederation.Phase.Commit;
    IFederation.Phase internal constant VOTE = IFederation.Phase.Vote;
    IFederation.Phase internal constant ATTEST = IFederation.Phase.Attest;

    function test_a_whole_round_posted_by_a_stranger() external {
        for (uint256 withOthers = 0; withOthers < 2; ++withOthers) {
            uint32 round = uint32(1 + withOthers);
            address[] memory others = new address[](4 * withOthers); // all sign: there are none
            IFederation.Signed[] memory m = _commits(round, 15);
            vm.expectEmit();
            emit IFederation.Relayed(round, COMMIT, 15, _values(m));
            vm.assertEq(federation.relay(COMMIT, round, 15, m, others), 15);
            _expectPhase(round, VOTE);
            vm.assertEq(_now().roots[3], _update(round, 3));
            vm.assertEq(federation.relay(VOTE, round, 15, _same(VOTE, round, 15, bytes32(uint256(7))), others), 15);
            _expectPhase(round, ATTEST);
            vm.assertEq(_now().included, 7);
            // The quorum closes the round; the message after it is late, and counts.
            vm.assertEq(federation.relay(ATTEST, round, 15, _same(ATTEST, round, 15, _merge(round)), others), 15);
            vm.assertEq(federation.outcome(round).attesters, 15);
        }
        vm.assertEq(_now().base, _merge(2));
    }

    function test_some_by_themselves_some_together() external {
        _commit(1, 1);
        // Bit 1 was heard already: it is skipped, and does not spoil the batch.
        vm.assertEq(federation.relay(COMMIT, 1, 7, _commits(1, 7), new address[](0)), 5);
        _commit(1, 3);
        _expectPhase(1, VOTE);
        vm.assertEq(federation.relay(COMMIT, 1, 7, _commits(1, 7), new address[](0)), 0, "too late");
        _voteAll(1, 4, 15);
        _attest(1, 0, _merge(1));
        vm.assertEq(federation.relay(ATTEST, 1, 3, _same(ATTEST, 1, 3, _merge(1)), new address[](0)), 2);
        _attest(1, 2, _merge(1));
        vm.assertEq(federation.relay(ATTEST, 1, 15, _same(ATTEST, 1, 15, _merge(1)), new address[](0)), 8, "late");
        vm.assertEq(federation.outcome(1).attesters, 15);
        vm.assertEq(federation.relay(ATTEST, 1, 15, _same(ATTEST, 1, 15, _merge(1)), new address[](0)), 0, "twice");
    }

    function test_dissent() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        IFederation.Signed[] memory m = _same(ATTEST, 1, 15, _merge(1));
        m[0] = _sign(_key(0), ATTEST, 1, _update(1, 0));
        vm.assertEq(federation.relay(ATTEST, 1, 15, m, new address[](0)), 15);
        vm.assertEq(federation.outcome(1).attesters, 14);
        vm.assertEq(federation.record(1).astray, 1);
    }

    function test_a_late_attestation_of_another_root_is_skipped() external {
        _commitAll(1, 4);
        _voteAll(1, 4, 15);
        IFederation.Signed[] memory m = _same(ATTEST, 1, 15, _merge(1));
        m[3] = _sign(_key(3), ATTEST, 1, _update(1, 0));
        vm.assertEq(federation.relay(ATTEST, 1, 15, m, new address[](0)), 7);
        vm.assertEq(federation.record(1).astray, 0);
    }

    function test_moves_the_phase_on_as_every_verb_does() external {
        _commitAll(1, 3);
        vm.warp(_now().deadline);
        vm.assertEq(federation.relay(VOTE, 1, 1, _same(VOTE, 1, 1, bytes32(uint256(7))), new address[](0)), 1);
        vm.assertEq(_now().voted, 1);
    }

    function test_reverts_for_what_has_yet_to_come() external {
        IFederation.Signed[] memory m = _same(VOTE, 1, 1, bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongPhase.selector, COMMIT));
        federation.relay(VOTE, 1, 1, m, new address[](0));
        m = _commits(2, 1);
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongRound.selector, 1));
        federation.relay(COMMIT, 2, 1, m, new address[](0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotAVerb.selector, IFederation.Phase.Forming));
        federation.relay(IFederation.Phase.Forming, 0, 1, m, new address[](0));
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotAVerb.selector, IFederation.Phase.Done));
        federation.relay(IFederation.Phase.Done, 5, 1, m, new address[](0));
    }

    function test_reverts_for_the_signature_of_another_round() external {
        IFederation.Signed memory m = _sign(_key(0), COMMIT, 2, _update(1, 0));
        _expectWrongSigner(m);
    }

    function test_reverts_for_the_signature_of_another_phase() external {
        _expectWrongSigner(_sign(_key(0), ATTEST, 1, _update(1, 0)));
    }

    function test_reverts_for_the_signature_of_another_contract() external {
        _expectWrongSigner(_signIn(Signatures.domain(address(court)), _key(0), COMMIT, 1, _update(1, 0)));
    }

    function test_reverts_for_the_signature_of_another_chain() external {
        vm.chainId(77);
        IFederation.Signed memory m = _sign(_key(0), COMMIT, 1, _update(1, 0));
        vm.chainId(1);
        _expectWrongSigner(m);
    }

    function test_reverts_for_the_signature_of_another_value_or_member() external {
        IFederation.Signed memory m = _sign(_key(0), COMMIT, 1, _update(1, 0));
        m.value = _update(1, 1);
        _expectWrongSigner(m);
        _expectWrongSigner(_sign(_key(1), COMMIT, 1, _update(1, 0)));
    }

    function test_reverts_for_a_malleable_signature() external {
        IFederation.Signed memory m = _sign(_key(0), COMMIT, 1, _update(1, 0));
        // The other signature of the same message would need s in the upper half, which the compact form has no room for
        // but for its upper edge: there it must be refused.
        uint256 s = N / 2 + 1;
        m.vs = bytes32(s | uint256(m.vs) >> 255 << 255);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, s));
        federation.relay(COMMIT, 1, 1, _only(m), new address[](0));
    }

    function test_reverts_for_a_signature_that_nobody_can_have_made() external {
        IFederation.Signed memory m = _sign(_key(0), COMMIT, 1, _update(1, 0));
        m.r = 0;
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        federation.relay(COMMIT, 1, 1, _only(m), new address[](0));
    }

    function test_reverts_outside_the_roster() external {
        court.deposit(_member(4), STAKE);
        _join(4);
        IFederation.Signed[] memory m = _commits(1, 17);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 4));
        federation.relay(COMMIT, 1, 17, m, new address[](0));
        m = _commits(1, 1 << 9);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotInRoster.selector, 9));
        federation.relay(COMMIT, 1, 1 << 9, m, new address[](0));
    }

    function test_reverts_for_what_no_member_could_say_itself() external {
        IFederation.Signed[] memory m = _same(COMMIT, 1, 1, 0);
        vm.expectRevert(IFederation.ZeroRoot.selector);
        federation.relay(COMMIT, 1, 1, m, new address[](0));
        _commitAll(1, 4);
        m = _same(VOTE, 1, 1, bytes32(uint256(16)));
        vm.expectRevert(abi.encodeWithSelector(IFederation.BallotOutsideCommits.selector, 15));
        federation.relay(VOTE, 1, 1, m, new address[](0));
        _voteAll(1, 4, 15);
        m = _same(ATTEST, 1, 1, 0);
        vm.expectRevert(IFederation.ZeroRoot.selector);
        federation.relay(ATTEST, 1, 1, m, new address[](0));
    }

    function test_reverts_for_another_count() external {
        IFederation.Signed[] memory m = _commits(1, 3);
        vm.expectRevert(abi.encodeWithSelector(IFederation.WrongCount.selector, 2, 3));
        federation.relay(COMMIT, 1, 7, m, new address[](0));
    }

    /// @dev Whoever the others are said to be, nobody speaks for another.
    function test_the_others_make_it_cheaper_and_nothing_else() external {
        for (uint256 kind = 0; kind < 5; ++kind) {
            federation = _deploy(_terms(4));
            _joinAll(4);
            uint256 signers = kind == 4 ? 3 : 10;
            address[] memory others = _othersThan(signers);
            if (kind == 1) (others[0], others[1]) = (others[1], others[0]);
            if (kind == 2) others = federation.members();
            if (kind == 3) others = new address[](0);
            if (kind == 4) others[0] = _member(9);
            IFederation.Signed[] memory m = _commits(1, signers);
            vm.assertEq(federation.relay(COMMIT, 1, signers, m, others), signers);
            (m[0], m[1]) = (_sign(_key(1), COMMIT, 1, _update(1, 0)), _sign(_key(0), COMMIT, 1, _update(1, 2)));
            uint256 first = kind == 4 ? 2 : 0; // of those who are left
            others = _othersThan(15 ^ signers);
            vm.expectRevert(abi.encodeWithSelector(IFederation.WrongSigner.selector, first, _member(1)));
            federation.relay(COMMIT, 1, 15 ^ signers, m, others);
        }
    }

    /// @dev Who is skipped may have signed anything.
    function test_what_is_skipped_is_not_looked_at() external {
        _commit(1, 0);
        IFederation.Signed[] memory m = _commits(1, 3);
        m[0].r = bytes32(uint256(1));
        vm.assertEq(federation.relay(COMMIT, 1, 3, m, _othersThan(3)), 2);
    }

    function test_256_members_at_once() external {
        IFederation.Terms memory t = _terms(256);
        federation = _deploy(t);
        _joinAll(256);
        uint256 all = type(uint256).max;
        vm.assertEq(
            federation.relay(COMMIT, 1, all >> 100, _commits(1, all >> 100), _othersThan(all >> 100)), all >> 100
        );
        vm.assertEq(federation.relay(COMMIT, 1, all, _commits(1, all), new address[](0)), all & ~(all >> 100));
        vm.assertEq(federation.relay(VOTE, 1, all, _same(VOTE, 1, all, bytes32(all)), new address[](0)), all);
        vm.assertEq(federation.relay(ATTEST, 1, all, _same(ATTEST, 1, all, _merge(1)), new address[](0)), all);
        vm.assertEq(federation.outcome(1).attesters, all);
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _expectWrongSigner(IFederation.Signed memory m) private {
        (bool ok, bytes memory answer) =
            address(federation).call(abi.encodeCall(IFederation.relay, (COMMIT, 1, 1, _only(m), new address[](0))));
        vm.assertFalse(ok);
        vm.assertEq(bytes4(answer), bytes32(IFederation.WrongSigner.selector));
    }

    function _commits(uint32 round, uint256 signers) private view returns (IFederation.Signed[] memory m) {
        m = _same(COMMIT, round, signers, 0);
        uint256 k;
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) % 2 == 1) m[k++] = _sign(_key(i), COMMIT, round, _update(round, i));
        }
    }

    function _same(IFederation.Phase phase, uint32 round, uint256 signers, bytes32 value)
        private
        view
        returns (IFederation.Signed[] memory m)
    {
        uint256 n;
        for (uint256 i = 0; i < 256; ++i) {
            n += (signers >> i) % 2;
        }
        m = new IFederation.Signed[](n);
        n = 0;
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) % 2 == 1) m[n++] = _sign(_key(i), phase, round, value);
        }
    }

    function _only(IFederation.Signed memory m) private pure returns (IFederation.Signed[] memory all) {
        all = new IFederation.Signed[](1);
        all[0] = m;
    }

    function _values(IFederation.Signed[] memory m) private pure returns (bytes32[] memory values) {
        values = new bytes32[](m.length);
        for (uint256 i = 0; i < m.length; ++i) {
            values[i] = m[i].value;
        }
    }
}
