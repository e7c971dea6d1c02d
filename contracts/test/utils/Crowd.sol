// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../../src/ILedger.sol";
import {ITournament} from "../../src/ITournament.sol";
import {IViews} from "../../src/IViews.sol";
import {Terms} from "../../src/Terms.sol";
import {Blob, Blobs} from "./Blobs.sol";
import {FederationTest, IFederation, cheats} from "./FederationTest.sol";
import {vm} from "./Vm.sol";

/// @title Eight accounts that say anything in any order to a small federation, and time that passes; and one honest member
/// among them, who does what it should whenever it can. What is refused changes nothing.
/// @dev Everything that Foundry may call begins with `do`. Numbers are drawn, and mapped to what can have an effect.
contract Crowd is FederationTest {
    using Blobs for Blob;

    uint256 internal constant ACCOUNTS = 8;
    uint256 internal constant HONEST = 0;

    /// @dev What settled rounds came to, to see that it stays; and how often each thing went through.
    mapping(uint32 round => bytes32) public settledRoot;
    mapping(uint32 round => bool) public isOver;
    mapping(bytes4 verb => uint256) public went;
    uint32 public lastRound;

    function setUp() public override {
        vm.warp(START);
        cheats.fee(1 gwei); // what moves cost is paid back
        cheats.txGasPrice(1 gwei);
        _deploy();
        Terms memory t = _terms(4);
        (t.values, t.rounds, t.maxVoid) = (100, 40, 1000);
        _found(t);
        _fill(4);
        for (uint256 i = 4; i < ACCOUNTS; ++i) {
            _equip(_member(i));
        }
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            vm.deal(_member(i), 1000 ether);
        }
    }

    /// @notice What is right in a round here: nobody else can show a model.
    function rightOf(uint32 round) public view returns (bytes32) {
        return _right(round, 2).root;
    }

    function federation() external view returns (IFederation) {
        return f;
    }

    // ------------------------------------------------------------------------------------------------ what is said

    function doJoin(uint256 who) external {
        _say(who, 0, abi.encodeCall(ILedger.join, (CHARTER, new bytes32[](0))));
    }

    function doLeave(uint256 who) external {
        if (who % ACCOUNTS != HONEST) _say(who, 0, abi.encodeCall(ILedger.leave, ()));
    }

    function doRelease(uint256 who, uint256 index) external {
        _say(who, 0, abi.encodeCall(ILedger.release, (index % ACCOUNTS)));
    }

    function doCommit(uint256 who, uint256 which) external {
        (uint32 round, bytes32 context) = _here();
        bytes32 root = which % 8 == 0 ? bytes32(0) : Blobs.update(f.terms(), round, _seat(who)).root;
        if (who % ACCOUNTS != HONEST) _say(who, 0, abi.encodeCall(ILedger.commit, (round, context, root)));
    }

    function doVote(uint256 who, uint256 accepts, uint256 misses) external {
        (uint32 round, bytes32 context) = _here();
        uint256 committed = f.roundOf(round).committed;
        if (accepts % 3 != 0) (accepts, misses) = (committed, 0);
        (accepts, misses) = (accepts & committed, misses & committed & ~accepts);
        if (who % ACCOUNTS != HONEST) _say(who, 0, abi.encodeCall(ILedger.vote, (round, context, accepts, misses)));
    }

    /// @dev Most attest the right root, or one wrong one; late ones, too.
    function doAttest(uint256 who, uint256 which, bool late) external {
        (uint32 round,) = _here();
        if (late && round > 1) --round;
        bytes32 context = f.roundOf(round).context;
        bytes32 root = which % 3 == 0 ? keccak256(abi.encode("wrong", round)) : rightOf(round);
        if (which % 16 == 1) root = keccak256(abi.encode("another", round, which % 64));
        if (who % ACCOUNTS != HONEST) _say(who, 0, abi.encodeCall(ILedger.attest, (round, context, root)));
    }

    function doAdvance(uint256 who) external {
        _say(who, 0, abi.encodeCall(ILedger.advance, ()));
    }

    /// @dev All of a phase at once, or no history would come far.
    function doPhase(uint256 wrong) external {
        (uint32 round, bytes32 context) = _here();
        IViews.Round memory r = f.roundOf(round);
        ILedger.Phase phase = f.position().phase;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            uint256 seat = _seat(i);
            if (seat == 256) continue;
            bytes memory said;
            if (phase == ILedger.Phase.Commit) {
                said = abi.encodeCall(ILedger.commit, (round, context, Blobs.update(f.terms(), round, seat).root));
            } else if (phase == ILedger.Phase.Vote) {
                said = abi.encodeCall(ILedger.vote, (round, context, r.committed, 0));
            } else {
                bool forges = wrong % 4 == 0 && i != HONEST;
                bytes32 root = forges ? keccak256(abi.encode("wrong", round)) : rightOf(round);
                said = abi.encodeCall(ILedger.attest, (round, context, root));
            }
            _say(i, 0, said);
        }
        if (f.isDue()) f.advance();
        _note();
    }

    function doTime(uint256 seconds_) external {
        vm.warp(block.timestamp + seconds_ % 300); // less than half a clock: nobody is kept from moving here
        _defend();
    }

    // ------------------------------------------------------------------------------------------------------- money

    function doDeposit(uint256 who, uint256 amount) external {
        f.deposit(_member(who % ACCOUNTS), amount % 2 == 0 ? STAKE : 1 + amount % STAKE);
    }

    function doBonds(uint256 who, uint256 amount) external {
        _say(
            who,
            amount % 2 == 0 ? UNSETTLED * BOND : 1 + amount % BOND,
            abi.encodeCall(f.depositBonds, (_member(who % ACCOUNTS)))
        );
    }

    function doFund(uint256 amount) external {
        if (f.position().phase != ILedger.Phase.Done) f.fund(1 + amount % REWARD);
    }

    function doSettle(uint256 who, uint256 round, uint256 most) external {
        _say(who, 0, abi.encodeCall(f.settle, (_some(round), 1 + most % 8)));
    }

    function doCollect(uint256 who, uint256 round, uint256 number) external {
        _say(who, 0, abi.encodeCall(f.collect, (_some(round), number % 4)));
    }

    function doReimburse(uint256 who, uint256 round, uint256 mover) external {
        _say(who, 0, abi.encodeCall(f.reimburse, (_some(round), 0, 0, _member(mover % ACCOUNTS))));
    }

    function doTakeOut(uint256 who, uint256 what) external {
        address to = _member(who % ACCOUNTS);
        if (what % 4 == 0 && who % ACCOUNTS != HONEST) _say(who, 0, abi.encodeCall(f.withdraw, ()));
        else if (what % 4 == 1) _say(who, 0, abi.encodeCall(f.claim, (to)));
        else if (what % 4 == 2) _say(who, 0, abi.encodeCall(f.claimNative, (to)));
        else if (f.position().phase == ILedger.Phase.Done && f.position().unsettled == 0) _refund();
    }

    function _refund() private {
        (bool ok,) = address(f).call(abi.encodeCall(f.refund, (address(this))));
        if (ok) went[f.refund.selector] += 1;
    }

    // ------------------------------------------------------------------------------------------------------- court

    function doEnter(uint256 who, uint256 round, uint256 which) external {
        uint32 r = _some(round);
        bytes32 root = which % 2 == 0 ? keccak256(abi.encode("entered", which % 8)) : rightOf(r);
        _say(who, BOND, abi.encodeCall(ITournament.enter, (r, f.roundOf(r).context, root)));
    }

    function doResolve(uint256 who, uint256 round, uint256 level) external {
        _say(who, 0, abi.encodeCall(ITournament.resolve, (_some(round), 1 + level % 2, 0)));
    }

    function doUndo(uint256 who, uint256 round) external {
        _say(who, 0, abi.encodeCall(ITournament.undo, (_some(round))));
    }

    /// @notice The oldest round that has a slot, where this one is the newest.
    function oldest(uint32 newest) public view returns (uint32) {
        uint32 ring = f.terms().maxUnsettled;
        if (ring < 2) ring = 2;
        return newest < ring ? 1 : newest - ring + 1;
    }

    // ------------------------------------------------------------------------------------------------------ honestly

    /// @dev The honest member, whenever time has passed: enters the right root against a wrong final one, and moves for it
    /// in the first stage and the next two. Only it has blobs, so every other root's defenders are silent.
    function _defend() private {
        uint32 round = f.position().round;
        for (uint32 r = oldest(round); r <= round; ++r) {
            IViews.Round memory held = f.roundOf(r);
            if (held.status != ILedger.Status.Final && held.status != ILedger.Status.Void) continue;
            Blob memory right = _right(r, 2);
            (bool found, uint256 number) = f.numberOf(r, right.root);
            if (!found && held.status == ILedger.Status.Final) {
                _say(HONEST, BOND, abi.encodeCall(ITournament.enter, (r, held.context, right.root)));
                continue;
            }
            if (found) _moveFor(r, number, right);
        }
        _note();
    }

    function _moveFor(uint32 round, uint256 number, Blob memory right) private {
        (uint256 entries, uint256 start,, bool fallen) = f.tournament(round);
        if (entries < 2 || start == 0 || fallen || block.timestamp <= start) return;
        for (uint8 stage = 0; 1 << stage < entries; ++stage) {
            (bool ended, uint256 who) = f.survivor(round, stage, (number >> stage) ^ 1);
            if (!ended || who == 0) continue;
            bool isLeft = (number >> stage) % 2 == 0;
            (uint256 i, uint256 j) = isLeft ? (number, who - 1) : (who - 1, number);
            ITournament.Point memory p = _point(round, stage, i, j);
            bytes32[] memory none;
            bytes32[] memory parts = right.parts(p.from, p.count);
            _say(HONEST, 0, abi.encodeCall(ITournament.show, (p, isLeft ? parts : none, isLeft ? none : parts)));
        }
    }

    // ----------------------------------------------------------------------------------------------------- helpers

    function _say(uint256 who, uint256 value, bytes memory data) private {
        vm.prank(_member(who % ACCOUNTS));
        (bool ok,) = address(f).call{value: value}(data);
        if (ok) went[bytes4(data)] += 1;
        _note();
    }

    /// @dev Remembers what is not to change any more.
    function _note() private {
        uint32 round = f.position().round;
        lastRound = round;
        for (uint32 r = oldest(round); r <= round; ++r) {
            IViews.Round memory held = f.roundOf(r);
            if (held.status == ILedger.Status.Settled && settledRoot[r] == 0) settledRoot[r] = held.root;
            if (held.status == ILedger.Status.Over) isOver[r] = true;
        }
    }

    function _here() private view returns (uint32 round, bytes32 context) {
        round = f.position().round;
        context = f.roundOf(round).context;
    }

    /// @dev A round: mostly the oldest one that can still be judged.
    function _some(uint256 which) private view returns (uint32) {
        uint32 round = f.position().round;
        for (uint32 r = oldest(round); which % 4 != 0 && r <= round; ++r) {
            ILedger.Status status = f.roundOf(r).status;
            if (status == ILedger.Status.Final || status == ILedger.Status.Void) return r;
        }
        return round == 0 ? 0 : uint32(round - which % (round < 6 ? round : 6));
    }

    function _seat(uint256 who) private view returns (uint256) {
        (uint256 seat,,,) = f.seatOf(_member(who % ACCOUNTS));
        return seat == 0 ? 256 : seat - 1;
    }
}
