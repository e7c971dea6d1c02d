// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../../src/ICourt.sol";
import {IFederation} from "../../src/IFederation.sol";
import {Bitmaps} from "../../src/libraries/Bitmaps.sol";
import {Blob, Blobs} from "./Blobs.sol";
import {CourtTest} from "./CourtTest.sol";
import {vm} from "./Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title A federation with money, to whom anything may happen: rounds right and wrong, cases, exits, claims.
/// @notice Member 0 is honest: it votes for all, and attests the right merge or nothing. What is true at any time is
/// checked after each call by figures that nothing else keeps.
contract Bank is CourtTest {
    using Bitmaps for uint256;
    using Blobs for Blob;

    uint256 internal constant MEMBERS = 4;

    mapping(uint256 round => bool) private _wrong;
    uint256 private _place;
    uint256 private _settled;
    uint256 private _lost; // slashed so far, of all members
    uint256 public mostGasToSettle;

    constructor() {
        vm.warp(START);
        coin = IERC20(vm.deployCode("DeepLearningCoin.sol:DeepLearningCoin", abi.encode(SUPPLY)));
        IFederation.Terms memory t = _courtTerms(MEMBERS);
        t.rounds = 10_000;
        t.maxMissed = 0;
        t.minMembers = 1;
        t.reward = uint128(REWARD + 1); // so that there is dust
        _found(t);
        _fund(70 ether);
        _stakeAll(MEMBERS);
        _joinAll(MEMBERS);
        _equip(CHALLENGER);
        coin.transfer(CHALLENGER, 1_000_000 ether);
    }

    function setUp() public override {}

    // -------------------------------------------------------------------------------------------- what can happen

    /// @dev A round in which some dissent, some refuse, and at times the merge is wrong. Its blobs can be proved.
    function round(uint256 seed) external {
        IFederation.View memory v = _now();
        if (v.phase != IFederation.Phase.Commit || v.roster == 0) return poke(seed);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            bytes32 root = _blob(v.round, i).root;
            if (!v.roster.has(i)) continue;
            vm.prank(_member(i));
            federation.commit(v.round, root);
        }
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 ballot = i != 0 && (seed >> i) % 4 == 0 ? v.roster & (seed >> 8 | 1) : v.roster;
            if (v.roster.has(i)) _vote(v.round, i, ballot);
        }
        if (_now().phase != IFederation.Phase.Attest) return _check();
        uint256 included = _now().included;
        bool provable = included == _first(included.count());
        bytes32 right = provable ? _mergedBlob(v.round, included.count()).root : _merge(v.round);
        bytes32 wrong = provable ? _wrongBlob(v.round, included.count()).root : keccak256(abi.encode(v.round));
        bool lie = (seed >> 16) % 3 == 0;
        _wrong[v.round] = lie && provable;
        for (uint256 i = MEMBERS; i > 0; --i) {
            bool silent = (seed >> (20 + i)) % 8 == 0;
            bool astray = i != 1 && (seed >> (28 + i)) % 8 == 0;
            if (!v.roster.has(i - 1) || silent) continue;
            bool lies = i != 1 && (lie != astray);
            if (i == 1 && _now().round != v.round && federation.outcome(v.round).root != right) continue;
            if (lies && _now().round != v.round && federation.outcome(v.round).root != wrong) continue;
            if (!lies && _now().round != v.round && federation.outcome(v.round).root != right) continue;
            _attest(v.round, i - 1, lies ? wrong : right);
        }
        // Whoever is honest has a wrong merge taken back at once.
        if (provable && federation.outcome(v.round).root == wrong) _takeBack(v.round, included.count());
        _check();
    }

    function poke(uint256 seed) public {
        IFederation.View memory v = _now();
        if (v.phase != IFederation.Phase.Done) vm.warp(v.deadline + seed % 100);
        federation.poke();
        _check();
    }

    function sleep(uint256 seed) external {
        vm.warp(block.timestamp + seed % 2 * CHALLENGE_SECONDS + seed % 500);
        federation.poke();
        _check();
    }

    /// @dev Challenges what is right, and demands; both at times without going on.
    function contest(uint256 seed) external {
        uint32 last = _now().previous.round;
        if (federation.outcome(last).status != IFederation.Status.Final) return;
        uint256 n = federation.record(last).included.count();
        bytes32[] memory roots = _rootsOf(last, n);
        if (keccak256(abi.encodePacked(roots)) != federation.record(last).evidence) return;
        if (block.timestamp > federation.record(last).openUntil + CHALLENGE_SECONDS) return;
        if (seed % 2 == 0) {
            uint256 id = _challenge(last, n, 1, 7);
            if (seed % 3 != 0 && federation.outcome(last).root == _mergedBlob(last, n).root) {
                court.prove(id, roots, _proofs(last, n, 1, _mergedBlob(last, n)));
                court.conclude(id);
                vm.assertTrue(court.caseOf(id).state == ICourt.State.Failed, "right merge");
            }
        } else {
            uint256 id = _demand(last, n, seed % n, 1);
            Blob memory b = _blob(last, seed % n);
            // Whoever is honest answers; others do at times.
            if (seed % 5 == 0 && seed % n != 0) return _check();
            court.answer(id, roots, b.leaves[1], b.path(1));
        }
        _check();
    }

    /// @dev Ends whatever can end.
    function end(uint256) external {
        ICourt.Case[] memory open = court.openCases();
        for (uint256 i = 0; i < open.length; ++i) {
            ICourt.Case memory c = open[i];
            if (federation.record(c.round).undone) court.close(c.id);
            else if (block.timestamp <= c.deadline) continue;
            else if (c.kind == ICourt.Kind.Challenge) court.expire(c.id);
            else court.forfeit(c.id);
        }
        _check();
    }

    function settle(uint256 most) external {
        uint256 gas = gasleft();
        try court.settle(most % 4 + 1) {
            gas -= gasleft();
            if (gas > mostGasToSettle) mostGasToSettle = gas;
        } catch (bytes memory error) {
            vm.assertEq(bytes4(error), bytes32(ICourt.NothingToSettle.selector));
        }
        _check();
    }

    function claim(uint256 seed) external {
        address who = seed % 5 == 4 ? CHALLENGER : _member(seed % 5);
        uint256 claimable = court.account(who).claimable;
        if (claimable == 0) return;
        vm.prank(who);
        court.claim(address(0xE15E), type(uint256).max);
        vm.assertEq(court.account(who).claimable, 0);
        _check();
    }

    /// @dev Leaves, and asks for its stake; who is honest may do so too.
    function quit(uint256 seed) external {
        uint256 i = seed % MEMBERS;
        if (_now().active.has(i) && _now().active.count() > 1) _leave(i);
        if (!_now().active.has(i) && _stakeOf(i) != 0 && !court.account(_member(i)).exiting) {
            vm.prank(_member(i));
            court.exit();
        }
        _check();
    }

    function withdraw(uint256 seed) external {
        uint256 i = seed % MEMBERS;
        ICourt.Account memory a = court.account(_member(i));
        if (!a.exiting || a.stake == 0) return;
        vm.prank(_member(i));
        (bool ok, bytes memory error) = address(court).call(abi.encodeCall(ICourt.withdraw, (address(0xE15E))));
        vm.assertTrue(ok == (court.books().settled >= a.exitRound), "locked");
        if (!ok) vm.assertEq(bytes4(error), bytes32(ICourt.StillLocked.selector));
        _check();
    }

    function comeBack(uint256 seed) external {
        uint256 i = seed % MEMBERS;
        if (_now().active.has(i) || _now().phase == IFederation.Phase.Done) return;
        uint256 stake = _stakeOf(i);
        if (stake < STAKE) court.deposit(_member(i), STAKE - stake);
        _join(i);
        _check();
    }

    // ------------------------------------------------------------------------------------------------- what is true

    function _takeBack(uint32 r, uint256 n) private {
        uint256 id = _challenge(r, n, 1, 7);
        uint256 before = _stakeOf(0);
        court.prove(id, _rootsOf(r, n), _proofs(r, n, 1, _wrongBlob(r, n)));
        court.conclude(id);
        vm.assertTrue(federation.record(r).undone, "wrong merge");
        vm.assertEq(_stakeOf(0), before, "honest");
    }

    function _check() private {
        ICourt.Books memory b = court.books();
        uint256 sum = uint256(b.pool) + b.stakes + b.bonds + b.owed;
        vm.assertEq(coin.balanceOf(address(court)), sum, "books");
        IFederation.View memory v = _now();
        uint256 place = uint256(v.round) * 8 + uint256(v.phase);
        vm.assertGe(place, _place, "round or phase went back");
        _place = place;
        vm.assertGe(b.settled, _settled, "settled went back");
        for (uint256 r = _settled + 1; r <= b.settled; ++r) {
            vm.assertFalse(_wrong[r] && federation.outcome(r).status == IFederation.Status.Final && _isWrong(uint32(r)));
        }
        _settled = b.settled;
        ICourt.Account[] memory all = court.accounts();
        (uint256 stakes, uint256 owed, uint256 lost) = (0, court.account(CHALLENGER).claimable, 0);
        owed += court.account(address(this)).claimable;
        for (uint256 i = 0; i < all.length; ++i) {
            stakes += all[i].stake;
            owed += all[i].claimable;
            lost += all[i].slashed;
        }
        vm.assertEq(stakes, b.stakes, "stakes");
        vm.assertEq(owed, b.owed, "owed");
        vm.assertGe(lost, _lost, "slashed");
        vm.assertEq(all[0].slashed, 0, "who is honest lost stake");
        _lost = lost;
    }

    function _isWrong(uint32 r) private view returns (bool) {
        return federation.outcome(r).root == _wrongBlob(r, federation.record(r).included.count()).root;
    }
}
