// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {Merkle} from "../src/libraries/Merkle.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract ProveTest is CourtTest {
    using Blobs for Blob;

    Blob internal merged;
    bytes32[] internal roots;
    uint256 internal id;

    function setUp() public override {
        super.setUp();
        _equip(CHALLENGER);
        Blob memory b = _mergedBlob(1, 4);
        merged = b;
        _playBlobs(1, 4, b.root);
        roots = _rootsOf(1, 4);
        id = _challenge(1, 4, 1, 7);
    }

    function test_in_as_many_transactions_as_one_likes() external {
        ICourt.Proof[] memory all = _all();
        vm.expectEmit();
        emit ICourt.Proved(id, 4, false);
        court.prove(id, roots, _only(all[2]));
        court.prove(id, roots, _only(all[4]));
        vm.expectEmit();
        emit ICourt.Proved(id, 15, true);
        court.prove(id, roots, all);
        ICourt.Case memory c = court.caseOf(id);
        vm.assertEq(c.proven, 15);
        vm.assertEq(int256(uint256(c.merged)), Blobs.mergedValue(1, 4, 7, _merging()), "merged");
    }

    /// @dev A batch of which somebody posted a part first goes through; one that has nothing new does not.
    function test_a_leaf_counts_once() external {
        court.prove(id, roots, _all());
        ICourt.Proof[] memory twice = _only(_all()[1]);
        vm.expectRevert(abi.encodeWithSelector(ICourt.AlreadyProven.selector, id));
        court.prove(id, roots, twice);
        vm.expectRevert(abi.encodeWithSelector(ICourt.AlreadyProven.selector, id));
        court.prove(id, roots, new ICourt.Proof[](0));
    }

    function test_the_same_leaf_twice_in_a_batch_counts_once() external {
        ICourt.Proof[] memory twice = new ICourt.Proof[](2);
        (twice[0], twice[1]) = (_all()[1], _all()[1]);
        court.prove(id, roots, twice);
        vm.assertEq(court.caseOf(id).proven, 2);
    }

    function test_reverts_for_another_leaf() external {
        _expectWrong(_only(_proof(_blob(1, 0), 0, 2)), ICourt.WrongProof.selector, 0);
        ICourt.Proof memory p = _proof(_blob(1, 0), 0, 2);
        p.data = _blob(1, 0).leaves[1];
        _expectWrong(_only(p), ICourt.WrongProof.selector, 0);
    }

    function test_reverts_for_anothers_leaf() external {
        _expectWrong(_only(_proof(_blob(1, 1), 0, 1)), ICourt.WrongProof.selector, 0);
        _expectWrong(_only(_proof(_blob(1, 1), MERGED, 1)), ICourt.WrongProof.selector, MERGED);
    }

    function test_reverts_for_an_inner_node() external {
        ICourt.Proof memory p = _all()[0];
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = p.path[1];
        p.path = shorter;
        _expectWrong(_only(p), ICourt.WrongProof.selector, 0);
    }

    function test_reverts_for_a_leaf_of_another_length() external {
        ICourt.Proof memory p = _all()[0];
        p.data = new bytes(64);
        _expectWrong(_only(p), Merkle.WrongLeafLength.selector, 64);
        p.data = new bytes(4097);
        _expectWrong(_only(p), Merkle.WrongLeafLength.selector, 4097);
    }

    function test_reverts_for_another_header() external {
        ICourt.Proof memory p = _all()[0];
        p.header[7] = bytes32(uint256(999));
        _expectWrong(_only(p), ICourt.WrongHeader.selector, 0);
        p = _all()[0];
        p.headerPath = new bytes32[](2);
        _expectWrong(_only(p), ICourt.WrongHeader.selector, 0);
    }

    function test_reverts_for_an_update_that_is_not_included() external {
        ICourt.Proof memory p = _all()[0];
        p.which = 4;
        _expectWrong(_only(p), ICourt.NoSuchInput.selector, 4);
        p.which = 257;
        _expectWrong(_only(p), ICourt.NoSuchInput.selector, 257);
    }

    function test_reverts_for_updates_where_they_have_no_say() external {
        id = _challenge(1, 4, 0, 4);
        _expectWrong(_only(_proof(_blob(1, 0), 0, 0)), ICourt.NoSuchInput.selector, 0);
    }

    function test_reverts_for_other_roots() external {
        ICourt.Proof[] memory all = _all();
        bytes32 evidence = federation.record(1).evidence;
        roots.pop();
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongRoots.selector, evidence));
        court.prove(id, roots, all);
    }

    function test_reverts_when_it_is_too_late() external {
        ICourt.Proof[] memory all = _all();
        uint256 deadline = court.caseOf(id).deadline;
        vm.warp(deadline);
        court.prove(id, roots, _only(all[0]));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.TooLate.selector, deadline));
        court.prove(id, roots, all);
    }

    function test_reverts_for_no_case_another_kind_and_one_that_has_ended() external {
        ICourt.Proof[] memory all = _all();
        vm.expectRevert(abi.encodeWithSelector(ICourt.NoSuchCase.selector, 9));
        court.prove(9, roots, all);
        uint256 other = _demand(1, 4, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(ICourt.WrongKind.selector, ICourt.Kind.Demand));
        court.prove(other, roots, all);
        court.prove(id, roots, all);
        court.conclude(id);
        vm.expectRevert(abi.encodeWithSelector(ICourt.NotOpen.selector, ICourt.State.Failed));
        court.prove(id, roots, all);
    }

    function _all() private view returns (ICourt.Proof[] memory) {
        return _proofs(1, 4, 1, merged);
    }

    function _only(ICourt.Proof memory p) private pure returns (ICourt.Proof[] memory proofs) {
        proofs = new ICourt.Proof[](1);
        proofs[0] = p;
    }

    function _expectWrong(ICourt.Proof[] memory proofs, bytes4 error, uint256 which) private {
        vm.expectRevert(abi.encodeWithSelector(error, which));
        court.prove(id, roots, proofs);
    }
}
