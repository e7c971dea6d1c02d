// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";

import {Merkle} from "../src/libraries/Merkle.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract DemandTest is CourtTest {
    using Blobs for Blob;

    address internal constant ANSWERER = address(0xA115);

    function setUp() public override {
        super.setUp();
        _equip(CHALLENGER);
    }

    function test_whoever_answers_has_the_bond() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        bytes32[] memory roots = _rootsOf(1, 4);
        for (uint256 leaf = 0; leaf < 3; ++leaf) {
            vm.expectEmit();
            emit ICourt.Demanded(leaf + 1, 1, CHALLENGER, 2, leaf, block.timestamp + PROOF_SECONDS);
            vm.prank(CHALLENGER);
            uint256 id = court.demand(1, 2, leaf, roots);
            Blob memory b = _blob(1, 2);
            bytes32[] memory path = b.path(leaf); // calls a precompile, which would be taken for the call that emits
            vm.expectEmit();
            emit ICourt.Answered(id, ANSWERER);
            vm.prank(ANSWERER);
            court.answer(id, roots, b.leaves[leaf], path);
            vm.assertEq(_claimableOf(ANSWERER), (leaf + 1) * BOND);
        }
        vm.assertEq(court.books().bonds, 0);
        _expectBalanced();
    }

    function test_the_merged_blob_can_be_demanded() external {
        Blob memory b = _mergedBlob(1, 4);
        _playBlobs(1, 4, b.root);
        bytes32[] memory roots = _rootsOf(1, 4);
        for (uint256 leaf = 0; leaf < 3; ++leaf) {
            court.answer(_demand(1, 4, MERGED, leaf), roots, b.leaves[leaf], b.path(leaf));
        }
        vm.assertEq(_claimableOf(address(this)), 3 * BOND);
    }

    function test_an_update_that_nobody_has_costs_its_committer() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        uint256 id = _demand(1, 4, 2, 1);
        vm.warp(block.timestamp + PROOF_SECONDS);
        vm.expectRevert(abi.encodeWithSelector(ICourt.TooEarly.selector, block.timestamp));
        court.forfeit(id);
        vm.warp(block.timestamp + 1);
        vm.expectEmit();
        emit ICourt.Forfeited(id);
        vm.expectEmit();
        emit ICourt.Slashed(_member(2), STAKE, ICourt.Reason.Withheld, 1);
        court.forfeit(id);
        vm.assertTrue(federation.record(1).undone);
        vm.assertEq(_now().active, 11);
        vm.assertEq(_stakeOf(1), STAKE);
        vm.assertEq(_claimableOf(CHALLENGER), STAKE * 4 / 10 + BOND);
        _expectBalanced();
    }

    /// @dev `which` counts included updates: here of the members 0, 2 and 3.
    function test_the_committer_is_found_among_the_included() external {
        bytes32[] memory roots = new bytes32[](3);
        for (uint256 i = 0; i < 4; ++i) {
            bytes32 root = _blob(1, i).root;
            if (i != 1) roots[i == 0 ? 0 : i - 1] = root;
            vm.prank(_member(i));
            federation.commit(1, root);
        }
        _voteAll(1, 4, 13);
        _attestAll(1, 4);
        Blob memory b = _blob(1, 2);
        vm.prank(CHALLENGER);
        uint256 id = court.demand(1, 1, 0, roots);
        court.answer(id, roots, b.leaves[0], b.path(0));
        vm.prank(CHALLENGER);
        id = court.demand(1, 2, 1, roots);
        vm.warp(block.timestamp + PROOF_SECONDS + 1);
        court.forfeit(id);
        vm.assertEq(_stakeOf(3), 0);
        vm.assertEq(_stakeOf(2), STAKE);
    }

    function test_a_merged_blob_that_nobody_has_costs_its_attesters() external {
        _playBlobs(1, 4, keccak256("of nothing"));
        uint256 id = _demand(1, 4, MERGED, 1);
        vm.warp(block.timestamp + PROOF_SECONDS + 1);
        court.forfeit(id);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i), 0);
        }
        _expectBalanced();
    }

    /// @dev A copied update shows its owner's header; with padding that is not zero its weight could never be proved.
    function test_a_header_that_is_not_its_committers_is_no_answer() external {
        for (uint256 word = 0; word < 10; ++word) {
            _refound();
            bytes32[] memory roots = _rootsOf(1, 4);
            Blob memory b = _blob(1, 0);
            if (word == 7) _setWord(b, 7, 0);
            else b.leaves[0][word * 32 + 31] ^= 0x01;
            b.root = roots[0] = b.rootOf();
            for (uint256 i = 0; i < 4; ++i) {
                vm.prank(_member(i));
                federation.commit(1, roots[i]);
            }
            _voteAll(1, 4, 15);
            _attestAll(1, 4);
            vm.prank(CHALLENGER);
            uint256 id = court.demand(1, 0, 0, roots);
            bytes32[] memory path = b.path(0);
            vm.expectRevert(abi.encodeWithSelector(ICourt.WrongHeader.selector, 0));
            court.answer(id, roots, b.leaves[0], path);
        }
    }

    function test_a_merged_header_that_is_wrong_is_no_answer() external {
        Blob memory b = _mergedBlob(1, 4);
        b.leaves[0][159] ^= 0x02; // of another round
        b.root = b.rootOf();
        _playBlobs(1, 4, b.root);
        bytes32[] memory roots = _rootsOf(1, 4);
        uint256 id = _demand(1, 4, MERGED, 0);
        bytes32[] memory path = b.path(0);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongHeader.selector, MERGED));
        court.answer(id, roots, b.leaves[0], path);
    }

    function test_reverts_for_what_is_not_that_leaf() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        bytes32[] memory roots = _rootsOf(1, 4);
        uint256 id = _demand(1, 4, 2, 1);
        Blob memory b = _blob(1, 2);
        bytes32[] memory path = b.path(2);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongProof.selector, 2));
        court.answer(id, roots, b.leaves[2], path);
        vm.expectRevert(abi.encodeWithSelector(Merkle.WrongLeafLength.selector, 9));
        court.answer(id, roots, new bytes(9), path);
        bytes32 evidence = federation.record(1).evidence;
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongRoots.selector, evidence));
        court.answer(id, new bytes32[](4), b.leaves[1], path);
    }

    function test_reverts_when_it_is_too_late() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        bytes32[] memory roots = _rootsOf(1, 4);
        uint256 id = _demand(1, 4, 2, 1);
        Blob memory b = _blob(1, 2);
        bytes32[] memory path = b.path(1);
        vm.warp(block.timestamp + PROOF_SECONDS + 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.TooLate.selector, block.timestamp - 1));
        court.answer(id, roots, b.leaves[1], path);
    }

    function test_reverts_for_no_such_update() external {
        _playBlobs(1, 4, _mergedBlob(1, 4).root);
        bytes32[] memory roots = _rootsOf(1, 4);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchInput.selector, 4));
        court.demand(1, 4, 1, roots);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchInput.selector, 257));
        court.demand(1, 257, 1, roots);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchLeaf.selector, 3, 3));
        court.demand(1, 0, 3, roots);
        uint256 id = _challenge(1, 4, 1, 7);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongKind.selector, ICourt.Kind.Challenge));
        court.forfeit(id);
    }

    function _setWord(Blob memory b, uint256 index, bytes32 word) private pure {
        bytes memory leaf = b.leaves[0];
        assembly ("memory-safe") {
            mstore(add(add(leaf, 32), mul(32, index)), word)
        }
    }

    function _refound() private {
        IFederation.Terms memory t = _courtTerms(4);
        _found(t);
        _stakeAll(4);
        _joinAll(4);
        vm.prank(CHALLENGER);
        coin.approve(address(court), type(uint256).max);
    }
}
