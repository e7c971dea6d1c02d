// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITournament} from "../src/ITournament.sol";
import {ITreasury} from "../src/ITreasury.sol";
import {IViews} from "../src/IViews.sol";
import {Crowd} from "./utils/Crowd.sol";
import {IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What holds after anything that anybody may do, with one honest member who can move in time.
contract InvariantsTest {
    bool public constant IS_TEST = true;

    uint256 private constant ACCOUNTS = 8;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Crowd private crowd;
    IFederation private f;

    function setUp() external {
        crowd = new Crowd();
        crowd.setUp();
        f = crowd.federation();
    }

    function targetContracts() external view returns (address[] memory those) {
        those = new address[](1);
        those[0] = address(crowd);
    }

    /// @dev Rounds as wholes and time more often than the rest, or no history would come far.
    function targetSelectors() external view returns (FuzzSelector[] memory those) {
        bytes4[24] memory all = [
            Crowd.doPhase.selector,
            Crowd.doPhase.selector,
            Crowd.doPhase.selector,
            Crowd.doPhase.selector,
            Crowd.doTime.selector,
            Crowd.doTime.selector,
            Crowd.doTime.selector,
            Crowd.doJoin.selector,
            Crowd.doLeave.selector,
            Crowd.doRelease.selector,
            Crowd.doCommit.selector,
            Crowd.doVote.selector,
            Crowd.doAttest.selector,
            Crowd.doAdvance.selector,
            Crowd.doDeposit.selector,
            Crowd.doBonds.selector,
            Crowd.doFund.selector,
            Crowd.doSettle.selector,
            Crowd.doCollect.selector,
            Crowd.doReimburse.selector,
            Crowd.doTakeOut.selector,
            Crowd.doEnter.selector,
            Crowd.doResolve.selector,
            Crowd.doUndo.selector
        ];
        those = new FuzzSelector[](1);
        those[0].addr = address(crowd);
        those[0].selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            those[0].selectors[i] = all[i];
        }
    }

    function invariant_what_it_owes_it_has() external view {
        (uint256 coins, uint256 burned, uint256 native) = f.books();
        coins += burned;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            ITreasury.AccountView memory a = f.account(_member(i));
            coins += a.stake + a.claimable;
            native += a.bonds + a.nativeClaimable;
        }
        vm.assertGe(IERC20(f.terms().coin).balanceOf(address(f)), coins, "coins");
        vm.assertGe(address(f).balance, native, "the chain's own currency");
    }

    function invariant_the_honest_lose_nothing() external view {
        ITreasury.AccountView memory a = f.account(_member(0));
        vm.assertGe(a.stake, f.terms().stake, "stake");
        vm.assertGe(a.bonds, uint256(f.terms().maxUnsettled) * f.terms().bond, "bonds");
    }

    function invariant_only_right_roots_settle_and_what_is_settled_stays() external view {
        uint32 round = crowd.lastRound();
        for (uint32 r = crowd.oldest(round); r <= round; ++r) {
            IViews.Round memory held = f.roundOf(r);
            bytes32 root = crowd.settledRoot(r);
            if (root != 0) {
                vm.assertEq(root, crowd.rightOf(r), "right");
                vm.assertTrue(held.status == ILedger.Status.Settled && held.root == root, "settled");
            }
            if (crowd.isOver(r)) vm.assertTrue(held.status == ILedger.Status.Over, "over");
        }
    }

    function invariant_slots_in_use_are_counted_and_the_base_is_what_stands() external view {
        IViews.Overview memory o = f.overview(0);
        uint32 round = o.position.round;
        uint256 unsettled;
        bytes32 base = f.terms().genesis;
        uint32 baseRound;
        for (uint32 r = crowd.oldest(round); r <= round; ++r) {
            IViews.Round memory held = f.roundOf(r);
            bool isFinal = held.status == ILedger.Status.Final;
            if (isFinal || held.status == ILedger.Status.Void) ++unsettled;
            if (isFinal || held.status == ILedger.Status.Settled) (base, baseRound) = (held.root, r);
        }
        vm.assertEq(o.position.unsettled, unsettled, "unsettled");
        vm.assertLe(unsettled, f.terms().maxUnsettled, "no more than that");
        if (baseRound != 0) {
            vm.assertEq(o.baseRound, baseRound, "base's round");
            vm.assertEq(o.base, base, "base");
        }
    }

    function invariant_seats_and_who_has_them_agree() external view {
        IViews.Overview memory o = f.overview(0);
        uint256 taken;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            (uint256 seat,,,) = f.seatOf(_member(i));
            if (seat == 0) continue;
            vm.assertEq(o.holders[seat - 1], _member(i));
            taken |= 1 << (seat - 1);
        }
        vm.assertEq(o.position.active & ~taken, 0, "only who has a seat is active");
        uint32 round = o.position.round;
        for (uint32 r = crowd.oldest(round); r <= round; ++r) {
            IViews.Round memory held = f.roundOf(r);
            bool inUse = held.status == ILedger.Status.Open || held.status == ILedger.Status.Final
                || held.status == ILedger.Status.Void;
            if (inUse) vm.assertEq(held.roster & ~taken, 0, "no seat in use is free");
        }
    }

    /// @dev What the above is for does come about.
    function test_such_histories_reach_all_that_matters() external {
        for (uint256 k = 0; k < 1000; ++k) {
            uint256 draw = uint256(keccak256(abi.encode("history", k)));
            this.act(draw % 16, draw >> 8, draw >> 32, draw >> 64);
            if (k % 100 == 0) this.invariant_what_it_owes_it_has();
        }
        this.invariant_only_right_roots_settle_and_what_is_settled_stays();
        this.invariant_the_honest_lose_nothing();
        vm.assertGe(crowd.went(ITreasury.settle.selector), 5, "settled");
        vm.assertGe(crowd.went(ITournament.undo.selector), 1, "undone");
        vm.assertGe(crowd.went(ITreasury.collect.selector), 2, "dealt with");
        vm.assertGe(crowd.went(ITournament.enter.selector), 2, "entered");
        vm.assertGe(crowd.went(ITournament.show.selector), 2, "shown");
        vm.assertGe(crowd.went(ITreasury.reimburse.selector), 1, "reimbursed");
        vm.assertGe(crowd.went(ILedger.release.selector), 1, "released");
        (, uint256 burned,) = f.books();
        vm.assertGe(burned, 1, "slashed");
    }

    /// @dev A call of its own, whose memory is its own.
    function act(uint256 kind, uint256 a, uint256 b, uint256 c) external {
        if (kind < 4) crowd.doPhase(a);
        else if (kind < 9) crowd.doTime(a);
        else if (kind == 9) crowd.doSettle(a, b, c);
        else if (kind == 10) crowd.doUndo(a, b);
        else if (kind == 11) crowd.doCollect(a, b, c);
        else if (kind == 12) crowd.doReimburse(a, b, 0);
        else if (kind == 13) crowd.doEnter(a, b, c);
        else if (kind == 14) crowd.doJoin(a);
        else if (a % 4 == 0) crowd.doLeave(b);
        else if (a % 4 == 1) crowd.doRelease(b, c);
        else if (a % 4 == 2) crowd.doDeposit(b, 0);
        else crowd.doBonds(b, 0);
    }

    function _member(uint256 index) private pure returns (address) {
        return vm.addr(uint256(keccak256(abi.encode("member", index))));
    }
}
