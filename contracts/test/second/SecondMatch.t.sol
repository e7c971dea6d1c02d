// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../../src/second/ILedger.sol";
import {ITournament} from "../../src/second/ITournament.sol";
import {ITreasury} from "../../src/second/ITreasury.sol";
import {SecondTest} from "./utils/SecondTest.sol";
import {Trunk, Trunks} from "./utils/Trunk.sol";
import {vm} from "../utils/Vm.sol";

/// @title A tournament from its entries to what comes of it.
contract SecondMatchTest is SecondTest {
    using Trunks for Trunk;

    /// @dev Three forgers of four make a wrong root final; one honest member attests the right one, later.
    function _forge() private returns (Trunk memory wrong, Trunk memory right) {
        _playBlobs(1, 4);
        (wrong, right) = (_wrong(1, 4, 671, 1), _right(1, 4));
        for (uint256 i = 0; i < 3; ++i) {
            _attest(1, i, wrong.root);
        }
        f.advance();
        _attest(1, 3, right.root);
    }

    function test_a_wrong_final_root_loses_to_one_honest_attester() external {
        (Trunk memory wrong, Trunk memory right) = _forge();
        _assertStatus(1, ILedger.Status.Final);
        _toTournament(1);
        _descend(1, 0, 0, 1, wrong, right);
        _prove(1, 0, 0, 1, 4);
        _assertFate(1, 0, ITournament.Fate.Lost);
        _assertFate(1, 1, ITournament.Fate.Won);
        vm.expectRevert(abi.encodeWithSelector(ITreasury.UndoFirst.selector, 1));
        f.settle(1, 10);
        f.undo(1);
        _assertStatus(1, ILedger.Status.Void);
        vm.assertEq(f.position().active, 8, "unseated at once");
        _assertPhase(2, ILedger.Phase.Forming);
        f.settle(1, 10);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(_stakeOf(i), 0);
        }
        vm.assertEq(_stakeOf(3), STAKE);
        vm.assertEq(f.account(_member(3)).claimable, 30 ether, "a tenth of what was slashed");
        (uint256 pool, uint256 burned,) = f.books();
        vm.assertEq(pool, 1000 ether);
        vm.assertEq(burned, 270 ether);
    }
}
