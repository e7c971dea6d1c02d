// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../src/ICourt.sol";
import {IFederation} from "../src/IFederation.sol";
import {CourtTest} from "./utils/CourtTest.sol";
import {vm} from "./utils/Vm.sol";

contract EquivocationTest is CourtTest {
    IFederation.Phase internal constant COMMIT = IFederation.Phase.Commit;
    address internal constant WITNESS = address(0x71);

    function test_two_words_of_one_member_cost_it_its_stake() external {
        (IFederation.Signed memory one, IFederation.Signed memory other) = _both(2, 1);
        vm.expectEmit();
        emit ICourt.Equivocated(_member(2), 1, COMMIT, WITNESS);
        vm.prank(WITNESS);
        court.equivocation(_member(2), COMMIT, 1, one, other);
        vm.assertEq(_stakeOf(2), 0);
        vm.assertEq(_claimableOf(WITNESS), STAKE * 4 / 10);
        vm.assertEq(_now().active, 11);
        _expectBalanced();
    }

    /// @dev Whoever comes back with a new stake does not pay for the same offence again.
    function test_once_an_offence() external {
        (IFederation.Signed memory one, IFederation.Signed memory other) = _both(2, 1);
        court.equivocation(_member(2), COMMIT, 1, one, other);
        court.deposit(_member(2), STAKE);
        _join(2);
        vm.expectRevert(ICourt.KnownEquivocation.selector);
        court.equivocation(_member(2), COMMIT, 1, other, one);
        (one, other) = _both(2, 7);
        court.equivocation(_member(2), COMMIT, 7, one, other);
        vm.assertEq(court.account(_member(2)).slashed, 2 * STAKE);
    }

    function test_reverts_for_the_same_word_twice() external {
        (IFederation.Signed memory one,) = _both(2, 1);
        vm.expectRevert(ICourt.SameMessage.selector);
        court.equivocation(_member(2), COMMIT, 1, one, one);
    }

    function test_reverts_for_words_of_two_rounds_phases_or_members() external {
        (IFederation.Signed memory one,) = _both(2, 1);
        (, IFederation.Signed memory other) = _both(2, 2);
        _expectWrongSigner(one, other);
        _expectWrongSigner(other, one);
        _expectWrongSigner(one, _sign(_key(2), IFederation.Phase.Attest, 1, _update(1, 0)));
        _expectWrongSigner(one, _sign(_key(1), COMMIT, 1, _update(1, 0)));
        vm.assertEq(_stakeOf(2), STAKE);
    }

    function test_reverts_for_a_stranger() external {
        (IFederation.Signed memory one, IFederation.Signed memory other) = _both(9, 1);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotMember.selector, _member(9)));
        court.equivocation(_member(9), COMMIT, 1, one, other);
    }

    function test_reverts_for_no_verb() external {
        (IFederation.Signed memory one, IFederation.Signed memory other) = _both(2, 1);
        vm.expectRevert(abi.encodeWithSelector(IFederation.NotAVerb.selector, IFederation.Phase.Done));
        court.equivocation(_member(2), IFederation.Phase.Done, 1, one, other);
    }

    function _both(uint256 index, uint32 round)
        private
        view
        returns (IFederation.Signed memory one, IFederation.Signed memory other)
    {
        one = _sign(_key(index), COMMIT, round, _update(round, index));
        other = _sign(_key(index), COMMIT, round, _update(round, index + 1));
    }

    function _expectWrongSigner(IFederation.Signed memory one, IFederation.Signed memory other) private {
        (bool ok, bytes memory answer) =
            address(court).call(abi.encodeCall(ICourt.equivocation, (_member(2), COMMIT, 1, one, other)));
        vm.assertFalse(ok);
        vm.assertEq(bytes4(answer), bytes32(IFederation.WrongSigner.selector));
    }
}
