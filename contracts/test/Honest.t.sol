// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../src/ILedger.sol";
import {ITournament} from "../src/ITournament.sol";
import {IViews} from "../src/IViews.sol";
import {Terms} from "../src/Terms.sol";
import {Statements} from "../src/libraries/Statements.sol";
import {Blob, Blobs} from "./utils/Blobs.sol";
import {FederationTest, IFederation} from "./utils/FederationTest.sol";
import {vm} from "./utils/Vm.sol";

/// @title Honest members among others who do anything they can, and what the promise says of them: they lose no stake and no
/// bond, no wrong root settles that one of them could check, no money comes from nowhere; below a third, all rounds are final.
contract HonestTest is FederationTest {
    using Blobs for Blob;

    uint256 private constant N = 5;
    uint32 private constant ROUNDS = 3;

    /// @dev What is known of a round.
    struct Play {
        bool collude; // the others act as one: they do all as they should, and attest one wrong root
        bool open; // its updates were included, whatever came of it
        bool known; // honest members have all included updates
        uint256 included;
        bytes32[] roots; // of the included ones
        bytes32 voting;
        Blob right;
        Blob sham; // one that can be shown
    }

    uint256 private seed;
    uint256 private bad; // bitmap
    uint256 private entered; // by the honest watcher
    // What came about.
    uint256 private undone;
    uint256 private proven;
    uint256 private fallen;
    uint256 private lost;
    uint256 private abstained;
    uint256 private unknown;

    function setUp() public override {
        vm.warp(START);
        _deploy();
    }

    /// forge-config: default.fuzz.runs = 8
    /// forge-config: ci.fuzz.runs = 200
    function testFuzz_honest_members_lose_nothing(uint256 seed_) external {
        _run(seed_);
    }

    /// @dev What the above is for does come about in it.
    function test_such_histories_reach_all_that_matters() external {
        for (uint256 k = 0; k < 10; ++k) {
            this.run(k); // a call of its own, whose memory is its own
        }
        vm.assertTrue(undone > 2, "undone");
        vm.assertTrue(proven > 2, "proven");
        vm.assertTrue(fallen > 2, "fallen");
        vm.assertTrue(lost > 20, "lost");
        vm.assertTrue(abstained > 2, "abstained");
        vm.assertTrue(unknown > 2, "unknown");
    }

    function run(uint256 seed_) external {
        require(msg.sender == address(this));
        _run(seed_);
    }

    function _run(uint256 seed_) private {
        seed = seed_;
        entered = 0;
        Terms memory t = _terms(N);
        t.rounds = ROUNDS;
        t.maxVoid = 3;
        t.maxUnsettled = uint8(1 + _any(4));
        f = IFederation(factory.found(t, bytes32(seed_)));
        coin.approve(address(f), type(uint256).max);
        _fill(N);
        bad = _any(1 << N);
        if (_any(3) == 0) bad = ((1 << N) - 1) ^ (1 << _any(N)); // all but one
        if (bad == (1 << N) - 1) bad ^= 1 << _any(N);
        Play[] memory plays = new Play[](16);
        while (f.position().phase != ILedger.Phase.Done && f.position().round < 12) {
            uint32 round = f.position().round;
            if (f.position().phase == ILedger.Phase.Commit) _round(t, plays, round);
            else _pass(plays, block.timestamp + CLOCK); // waiting, or forming in vain
        }
        // Until all is settled.
        for (uint256 k = 0; k < 40 && f.position().unsettled != 0; ++k) {
            _pass(plays, block.timestamp + STAGE);
        }
        vm.assertEq(f.position().unsettled, 0, "unsettled");
        _check(t);
    }

    // --------------------------------------------------------------------------------------------------- a round

    function _round(Terms memory t, Play[] memory plays, uint32 round) private {
        IViews.Round memory r = f.roundOf(round);
        Play memory play = plays[round];
        play.collude = _any(2) == 0;
        bool baseGood = r.baseRound == 0 || (plays[r.baseRound].known && plays[r.baseRound].right.root == r.base);
        uint256[] memory have = new uint256[](N); // by member: whose updates it has
        for (uint256 i = 0; i < N; ++i) {
            if (r.roster >> i & 1 == 0) continue;
            bytes32 root = Blobs.update(t, round, i).root;
            uint256 to = type(uint256).max;
            if (bad >> i & 1 != 0) {
                uint256 kind = play.collude ? 3 : _any(4);
                if (kind == 0) continue;
                if (kind == 1) (root, to) = (keccak256(abi.encode("nothing", round, i)), 0);
                else if (kind == 2) to = seedBits();
            } else if (!baseGood) {
                root = 0;
                ++abstained;
            }
            if (!_tryCommit(round, i, root)) continue;
            for (uint256 k = 0; k < N && root != 0; ++k) {
                if (to >> k & 1 != 0 || k == i) have[k] |= 1 << i;
            }
        }
        _close(plays, round);
        if (!_isIn(round, ILedger.Phase.Vote)) return;
        _vote_(plays, round, have);
        if (!_isIn(round, ILedger.Phase.Attest)) return;
        _attest_(t, plays, play, round);
        _close(plays, round);
        _enterAll(play, round);
    }

    function _vote_(Play[] memory plays, uint32 round, uint256[] memory have) private {
        IViews.Round memory r = f.roundOf(round);
        uint256 served; // updates that an honest voter has, and gives to all
        for (uint256 i = 0; i < N; ++i) {
            if (r.roster >> i & 1 == 0) continue;
            uint256 accepts = have[i] & r.committed;
            uint256 misses = r.committed & ~accepts;
            if (bad >> i & 1 != 0 && !plays[round].collude) {
                if (_any(5) == 0) continue;
                accepts = _any(2) == 0 ? r.committed : seedBits() & r.committed;
                misses = seedBits() & r.committed & ~accepts;
            } else if (bad >> i & 1 == 0) {
                served |= accepts;
            }
            _vote(round, i, accepts, misses);
        }
        bytes32 opening = r.context;
        _close(plays, round);
        IViews.Round memory after_ = f.roundOf(round);
        Play memory play = plays[round];
        if (!_isIn(round, ILedger.Phase.Attest)) return;
        (play.open, play.included, play.voting) = (true, after_.included, opening);
        play.known = after_.included & ~served == 0;
        if (!play.known) ++unknown;
    }

    function _attest_(Terms memory t, Play[] memory plays, Play memory play, uint32 round) private {
        IViews.Round memory r = f.roundOf(round);
        play.right = Blobs.mergeOf(t, round, play.included);
        play.sham = play.right.copy();
        play.sham.set(_any(t.values), 77);
        play.sham.seal();
        play.roots = new bytes32[](0);
        bytes32[] memory roots = new bytes32[](N);
        uint256 n;
        for (uint256 i = 0; i < N; ++i) {
            if (play.included >> i & 1 != 0) roots[n++] = Blobs.update(t, round, i).root;
        }
        assembly ("memory-safe") {
            mstore(roots, n)
        }
        play.roots = roots;
        bool badFirst = _any(2) == 0;
        for (uint256 turn = 0; turn < 2; ++turn) {
            for (uint256 i = 0; i < N; ++i) {
                bool isBad = bad >> i & 1 != 0;
                if (r.roster >> i & 1 == 0 || isBad != (badFirst == (turn == 0))) continue;
                bytes32 root = play.right.root;
                if (isBad) {
                    uint256 kind = play.collude ? 1 : _any(4);
                    if (kind == 0) continue;
                    if (kind == 1) root = play.sham.root;
                    else if (kind == 2) root = keccak256(abi.encode("rubbish", round, _any(2) == 0 ? i : 9));
                } else if (!play.known) {
                    continue;
                }
                _attest(round, i, root);
            }
            if (turn == 0 && f.isDue() && _any(2) == 0) f.advance(); // the quick close it; the others are late
        }
        plays[round] = play;
    }

    /// @dev Others enter what they like; the watcher the right root, where it is not final.
    function _enterAll(Play memory play, uint32 round) private {
        IViews.Round memory r = f.roundOf(round);
        if (r.status != ILedger.Status.Final) return;
        bytes32 context = r.context;
        for (uint256 k = _any(4); k > 0; --k) {
            bytes32 root = k == 1 ? play.sham.root : keccak256(abi.encode("entered", round, _any(6)));
            vm.deal(THIEF, THIEF.balance + BOND);
            vm.prank(THIEF);
            try f.enter{value: BOND}(round, context, root) {} catch {}
        }
        if (!play.known || r.root == play.right.root) return;
        vm.deal(WATCHER, WATCHER.balance + BOND);
        vm.prank(WATCHER);
        try f.enter{value: BOND}(round, context, play.right.root) {
            ++entered;
        } catch {} // it is an entry already
    }

    // ------------------------------------------------------------------------------------------------------- in court

    /// @dev Lets time go by; on the way all who have something to do in court do it.
    function _pass(Play[] memory plays, uint256 until) private {
        while (block.timestamp < until) {
            uint256 left = until - block.timestamp;
            vm.warp(block.timestamp + (left < CLOCK / 2 ? left : CLOCK / 2));
            for (uint32 round = 1; round <= f.position().round; ++round) {
                if (plays[round].open) _court(plays[round], round);
            }
            if (f.position().phase != ILedger.Phase.Commit && f.isDue() && !_isAwaited()) f.advance();
        }
    }

    function _isAwaited() private view returns (bool) {
        ILedger.Phase phase = f.position().phase;
        return phase == ILedger.Phase.Vote || phase == ILedger.Phase.Attest;
    }

    function _court(Play memory play, uint32 round) private {
        ILedger.Status status = f.roundOf(round).status;
        if (status != ILedger.Status.Final && status != ILedger.Status.Void) return;
        (uint256 count, uint256 start, uint256 stageSeconds,) = f.tournament(round);
        if (count > 1 && start != 0 && block.timestamp > start) {
            uint256 stage = (block.timestamp - start - 1) / stageSeconds;
            if (1 << stage < count) {
                for (uint256 k = 0; k < count; ++k) {
                    bytes32 root = f.entry(round, k).root;
                    if (root == play.sham.root && _any(3) != 0) _move(play, round, stage, k, false);
                    if (play.known && root == play.right.root) _move(play, round, stage, k, true);
                }
            }
            if (status == ILedger.Status.Final) {
                try f.undo(round) {
                    ++undone;
                } catch {} // it has not lost
            }
        }
        try f.settle(round, 1 + _any(4)) {} catch {}
        IViews.Round memory r = f.roundOf(round);
        bool isSettled = r.status == ILedger.Status.Settled;
        if (isSettled && play.known) vm.assertEq(r.root, play.right.root, "a wrong root settled");
    }

    /// @dev What can be done for an entry in its match of this stage, as far as it goes now.
    function _move(Play memory play, uint32 round, uint256 stage, uint256 k, bool honest) private {
        if (f.entry(round, k).fate != ITournament.Fate.Pending) return;
        (bool ended, uint256 other) = f.survivor(round, stage, (k >> stage) ^ 1);
        if (!ended || other == 0) return;
        (, uint256 own) = f.survivor(round, stage, k >> stage);
        if (own != k + 1) return;
        --other;
        Blob memory side = honest ? play.right : play.sham;
        Blob memory otherSide;
        if (f.entry(round, other).root == (honest ? play.sham.root : play.right.root)) {
            otherSide = honest ? play.sham : play.right;
        }
        if (k < other) {
            while (_moveOn(round, stage, [k, other], 1, side, otherSide)) {}
        } else {
            while (_moveOn(round, stage, [other, k], 2, otherSide, side)) {}
        }
        ITournament.MatchView memory m = f.matchAt(round, stage, k >> (stage + 1));
        if (honest && m.state == ITournament.State.Proving) _proveAll(play, round, stage, m.i, m.j);
    }

    /// @dev One step for the side of this bit, and of the other one with it if that has shown; false if there is no more.
    function _moveOn(
        uint32 round,
        uint256 stage,
        uint256[2] memory sides,
        uint8 mine,
        Blob memory left,
        Blob memory right
    ) private returns (bool) {
        ITournament.MatchView memory m = f.matchAt(round, stage, sides[0] >> (stage + 1));
        if (m.state == ITournament.State.Decided || m.state == ITournament.State.Proving) return false;
        bool otherShown = m.shown & ~mine != 0;
        if (m.shown & mine != 0) return false;
        Blob memory nothing;
        if (!otherShown && mine == 1) right = nothing;
        if (!otherShown && mine == 2) left = nothing;
        _step(round, stage, sides[0], sides[1], left, right);
        return otherShown;
    }

    function _proveAll(Play memory play, uint32 round, uint256 stage, uint256 i, uint256 j) private {
        Terms memory t = f.terms();
        ITournament.Point memory p = _point(round, stage, i, j);
        ITournament.Input[] memory inputs = new ITournament.Input[](play.roots.length);
        uint256 n;
        for (uint256 k = 0; k < N; ++k) {
            if (play.included >> k & 1 == 0) continue;
            inputs[n] = _input(Blobs.update(t, round, k), n, p.from);
            ++n;
        }
        f.prove(p, play.voting, play.roots, inputs);
        ++proven;
    }

    // -------------------------------------------------------------------------------------------------- the promise

    function _check(Terms memory t) private {
        for (uint32 round = 1; round <= f.position().round; ++round) {
            (uint256 count,,,) = f.tournament(round);
            for (uint256 k = 0; k < count; ++k) {
                ITournament.Fate fate = f.entry(round, k).fate;
                if (fate == ITournament.Fate.Fallen) ++fallen;
                if (fate == ITournament.Fate.Lost) ++lost;
                try f.collect(round, k) {} catch {} // settling has
            }
        }
        uint256 honest;
        uint256 sum;
        uint256 nativeSum;
        for (uint256 i = 0; i < N; ++i) {
            sum += f.account(_member(i)).stake + f.account(_member(i)).claimable;
            nativeSum += f.account(_member(i)).bonds + f.account(_member(i)).nativeClaimable;
            if (bad >> i & 1 != 0) continue;
            ++honest;
            vm.assertEq(_stakeOf(i), STAKE, "an honest stake");
            vm.assertEq(f.account(_member(i)).bonds, uint256(t.maxUnsettled) * BOND, "an honest bond");
        }
        vm.assertEq(f.account(WATCHER).nativeClaimable, entered * BOND, "the watcher's bonds");
        nativeSum += f.account(WATCHER).nativeClaimable + f.account(THIEF).nativeClaimable;
        (uint256 pool, uint256 burned, uint256 nativeBurned) = f.books();
        vm.assertEq(coin.balanceOf(address(f)), sum + pool + burned, "coin");
        vm.assertEq(address(f).balance, nativeSum + nativeBurned, "the chain's currency");
        if (3 * (N - honest) < N) {
            vm.assertEq(f.position().finals, ROUNDS, "below a third every round is final");
            vm.assertEq(f.position().round, ROUNDS);
            for (uint256 i = 0; i < N; ++i) {
                if (bad >> i & 1 == 0) vm.assertTrue(f.position().active >> i & 1 != 0, "an honest member dropped");
            }
        }
    }

    // ------------------------------------------------------------------------------------------------------ helpers

    function _close(Play[] memory plays, uint32 round) private {
        if (f.position().round != round) return;
        if (!f.isDue()) _pass(plays, f.position().deadline);
        if (f.position().round == round && f.isDue()) f.advance();
    }

    function _isIn(uint32 round, ILedger.Phase phase) private view returns (bool) {
        return f.position().round == round && f.position().phase == phase;
    }

    function _tryCommit(uint32 round, uint256 index, bytes32 root) private returns (bool ok) {
        bytes32 context = _context(round);
        vm.prank(_member(index));
        try f.commit(round, context, root) {
            return true;
        } catch {
            return false; // a settled base is not abstained from
        }
    }

    function _any(uint256 n) private returns (uint256) {
        seed = uint256(keccak256(abi.encode(seed)));
        return seed % n;
    }

    function seedBits() private returns (uint256) {
        return _any(1 << N);
    }
}
