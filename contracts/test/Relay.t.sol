// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {Signed, Statements} from "../src/libraries/Statements.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Statements that others post (docs/protocol.md, section 3).
contract RelayTest is FederationTest {
    ILedger.Phase private constant C = ILedger.Phase.Commit;
    ILedger.Phase private constant V = ILedger.Phase.Vote;
    ILedger.Phase private constant A = ILedger.Phase.Attest;

    uint256[] private none;

    function test_a_whole_round_posted_by_a_stranger() external {
        for (uint32 round = 1; round <= 2; ++round) {
            address[] memory others = new address[](0);
            vm.prank(THIEF);
            vm.assertEq(f.relay(C, round, _context(round), 15, _commits(round, 15), none, others, true), 15);
            _assertPhase(round, V);
            f.relay(V, round, _context(round), 15, _same(V, round, 15, bytes32(uint256(7))), none, others, true);
            _assertPhase(round, A);
            vm.assertEq(f.roundOf(round).included, 7);
            Signed[] memory m = _same(A, round, 15, _merge(round));
            m[1] = _sign(_key(1), A, round, _context(round), keccak256("other"), 0);
            f.relay(A, round, _context(round), 15, m, none, others, true);
            vm.assertEq(f.roundOf(round).attesters, 13);
            vm.assertEq(f.entry(round, 1).attesters, 2);
            _assertPhase(round + 1, C);
        }
    }

    function test_ballots_that_miss_something() external {
        _commitAll(1, 4);
        uint256[] memory misses = new uint256[](4);
        misses[2] = 8;
        Signed[] memory m = _same(V, 1, 15, bytes32(uint256(7)));
        m[2] = _sign(_key(2), V, 1, _context(1), bytes32(uint256(7)), 8);
        f.relay(V, 1, _context(1), 15, m, misses, new address[](0), true);
        vm.assertEq(f.roundOf(1).included, 7);
        // What one signed that it misses, nobody can leave out.
        vm.assertEq(f.roundOf(1).excused, 0);
    }

    function test_reverts_for_a_ballot_without_what_its_author_misses() external {
        _commitAll(1, 4);
        Signed[] memory m = new Signed[](1);
        m[0] = _sign(_key(2), V, 1, _context(1), bytes32(uint256(7)), 8);
        _expectWrongSigner(V, m, 4);
    }

    /// @dev Anybody may have posted a part of it first: what is heard already, or comes too late, is skipped.
    function test_what_a_stranger_relayed_first_is_skipped() external {
        bytes32 context = _context(1);
        _commit(1, 1, _update(1, 1));
        vm.assertEq(f.relay(C, 1, context, 7, _commits(1, 7), none, new address[](0), false), 5);
        vm.assertEq(f.relay(C, 1, context, 7, _commits(1, 7), none, new address[](0), false), 0);
        _commit(1, 3, _update(1, 3));
        f.advance();
        vm.assertEq(f.relay(C, 1, context, 7, _commits(1, 7), none, new address[](0), true), 0, "too late");
    }

    function test_the_others_make_it_cheaper_and_nothing_else() external {
        bytes32 context = _context(1);
        address[] memory others = new address[](2);
        (others[0], others[1]) = (_member(0), _member(2));
        Signed[] memory m = _commits(1, 10);
        vm.assertEq(f.relay(C, 1, context, 10, m, none, others, false), 10);
        // Whoever the others are said to be, nobody speaks for another.
        (others[0], others[1]) = (_member(1), _member(3));
        m = _commits(1, 5);
        m[0] = _sign(_key(1), C, 1, context, _update(1, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongSigner.selector, 0, _member(1)));
        f.relay(C, 1, context, 5, m, none, others, false);
    }

    function test_reverts_for_signatures_of_elsewhere() external {
        bytes32 context = _context(1);
        Signed[] memory m = new Signed[](1);
        m[0] = _sign(_key(0), C, 2, context, _update(1, 0), 0); // another round
        _expectWrongSigner(C, m, 1);
        m[0] = _sign(_key(0), A, 1, context, _update(1, 0), 0); // another phase
        _expectWrongSigner(C, m, 1);
        m[0] = _sign(_key(0), C, 1, bytes32(uint256(1)), _update(1, 0), 0); // another branch
        _expectWrongSigner(C, m, 1);
        m[0] = _sign(_key(1), C, 1, context, _update(1, 0), 0); // another member
        _expectWrongSigner(C, m, 1);
        uint256 chain = block.chainid;
        vm.chainId(77);
        m[0] = _sign(_key(0), C, 1, context, _update(1, 0), 0);
        vm.chainId(chain);
        _expectWrongSigner(C, m, 1);
        IFederation here = f;
        f = IFederation(factory.found(_terms(4), bytes32(uint256(5))));
        m[0] = _sign(_key(0), C, 1, context, _update(1, 0), 0); // another contract
        f = here;
        _expectWrongSigner(C, m, 1);
        bytes32 domain = Statements.domain(address(f), keccak256("another charter"));
        bytes32 content = keccak256(abi.encode(Statements.COMMIT, uint32(1), context, _update(1, 0)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(0), keccak256(abi.encodePacked(hex"1901", domain, content)));
        m[0] = Signed(_update(1, 0), r, bytes32(uint256(s) | uint256(v - 27) << 255));
        _expectWrongSigner(C, m, 1);
    }

    function test_reverts_for_what_no_member_could_say_itself() external {
        bytes32 context = _context(1);
        address[] memory others = new address[](0);
        Signed[] memory m = _same(C, 1, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BaseSettled.selector, 0));
        f.relay(C, 1, context, 1, m, none, others, false);
        _commitAll(1, 4);
        context = _context(1);
        m = _same(V, 1, 1, bytes32(uint256(16)));
        vm.expectRevert(abi.encodeWithSelector(ILedger.BallotOutsideCommits.selector, 15));
        f.relay(V, 1, context, 1, m, none, others, false);
        _voteAll(1, 4, 15);
        context = _context(1);
        m = _same(A, 1, 1, 0);
        vm.expectRevert(ILedger.ZeroRoot.selector);
        f.relay(A, 1, context, 1, m, none, others, false);
    }

    function test_reverts_for_wrong_counts_strangers_and_phases() external {
        bytes32 context = _context(1);
        address[] memory others = new address[](0);
        Signed[] memory m = _commits(1, 3);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongCount.selector, 2, 3));
        f.relay(C, 1, context, 7, m, none, others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongCount.selector, 1, 2));
        f.relay(C, 1, context, 3, m, new uint256[](1), others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotInRoster.selector, 9));
        f.relay(C, 1, context, 513, m, none, others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, C));
        f.relay(V, 1, context, 3, m, none, others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongPhase.selector, C));
        f.relay(ILedger.Phase.Forming, 1, context, 3, m, none, others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongRound.selector, 1));
        f.relay(C, 2, context, 3, m, none, others, false);
        vm.expectRevert(abi.encodeWithSelector(ILedger.WrongContext.selector, context));
        f.relay(C, 1, bytes32(uint256(1)), 3, m, none, others, false);
        m[0].r = 0;
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        f.relay(C, 1, context, 3, m, none, others, false);
        uint256 s = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1;
        m[0].vs = bytes32(s);
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, s));
        f.relay(C, 1, context, 3, m, none, others, false);
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _expectWrongSigner(ILedger.Phase phase, Signed[] memory m, uint256 signers) private {
        bytes memory call = abi.encodeCall(
            ILedger.relay, (phase, 1, _context(1), signers, m, new uint256[](0), new address[](0), false)
        );
        (bool ok, bytes memory answer) = address(f).call(call);
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(answer)), bytes32(ILedger.WrongSigner.selector));
    }

    function _commits(uint32 round, uint256 signers) private view returns (Signed[] memory m) {
        m = _same(C, round, signers, 0);
        uint256 k;
        for (uint256 i = 0; signers >> i != 0; ++i) {
            if (signers >> i & 1 == 1) m[k++] = _sign(_key(i), C, round, _context(round), _update(round, i), 0);
        }
    }

    function _same(ILedger.Phase phase, uint32 round, uint256 signers, bytes32 value)
        private
        view
        returns (Signed[] memory m)
    {
        uint256 n;
        for (uint256 i = 0; signers >> i != 0; ++i) {
            n += signers >> i & 1;
        }
        m = new Signed[](n);
        n = 0;
        for (uint256 i = 0; signers >> i != 0; ++i) {
            if (signers >> i & 1 == 1) m[n++] = _sign(_key(i), phase, round, _context(round), value, 0);
        }
    }
}
