// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../../src/IFederation.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {Twin} from "./Twin.sol";
import {Vm, vm} from "./Vm.sol";

/// @title A federation and its twin, to whom everything happens alike.
/// @notice After every call both must have answered the same, emitted the same and look the same, now and later.
contract Pair {
    IFederation public immutable REAL;
    Twin public immutable TWIN;
    /// @dev The members who act have the indices `FIRST`.. ; those below joined and left before them.
    uint256 public immutable FIRST;
    uint256 public immutable ACTORS;
    address[] private _actors;
    mapping(address account => uint256) private _keyOf;

    constructor(IFederation real, IFederation.Terms memory t, uint256 first, uint256 actors) {
        Twin twin = new Twin(t, address(real));
        (REAL, TWIN, FIRST, ACTORS) = (real, twin, first, actors);
        bytes32 charter = real.terms().charter;
        for (uint256 i = 0; i < first; ++i) {
            address account = _actor(i);
            for (uint256 j = 0; j < 2; ++j) {
                IFederation each = j == 0 ? real : twin;
                vm.prank(account);
                each.join(charter, new bytes32[](0));
                vm.prank(account);
                each.leave();
            }
        }
        for (uint256 i = 0; i < actors; ++i) {
            _actor(first + i);
        }
    }

    /// @dev To find an address by its key takes longer than all the rest, so it is done once.
    function _actor(uint256 index) private returns (address account) {
        account = vm.addr(_key(index));
        if (index >= FIRST) _actors.push(account);
        _keyOf[account] = _key(index);
    }

    function _key(uint256 index) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("actor", index)));
    }

    // ---------------------------------------------------------------------------------- what can happen to a pair

    function join(uint256 who) external {
        bytes32 charter = who % 16 == 7 ? bytes32(who) : REAL.terms().charter;
        _both(_someone(who), abi.encodeCall(IFederation.join, (charter, new bytes32[](0))));
    }

    function leave(uint256 who) external {
        if (who % 3 == 0) _both(_someone(who / 3), abi.encodeCall(IFederation.leave, ()));
    }

    /// @dev What the member could well say now.
    function speak(uint256 who, uint256 what) public {
        IFederation.View memory v = REAL.snapshot(0);
        address member = _someone(who);
        if (v.phase == IFederation.Phase.Vote) {
            _both(member, abi.encodeCall(IFederation.vote, (v.round, what & v.committed)));
        } else if (v.phase == IFederation.Phase.Attest) {
            _both(member, abi.encodeCall(IFederation.attest, (v.round, _root(v.round, what))));
        } else {
            _both(member, abi.encodeCall(IFederation.commit, (v.round, _root(v.round, what))));
        }
    }

    /// @dev What some of the roster would say if nothing went wrong.
    function speakTogether(uint256 who, uint256 what) external {
        IFederation.View memory v = REAL.snapshot(0);
        for (uint256 i = 0; i < ACTORS; ++i) {
            if ((who >> i) & 1 != 0) speak(i, v.phase == IFederation.Phase.Vote ? type(uint256).max : what);
        }
    }

    function attestLate(uint256 who, uint256 what) external {
        IFederation.Outcome memory o = REAL.snapshot(0).previous;
        _both(
            _someone(who), abi.encodeCall(IFederation.attest, (o.round, what % 4 == 0 ? _root(o.round, what) : o.root))
        );
    }

    /// @dev Anything at all.
    function babble(uint256 who, uint256 verb, uint32 round, uint256 value) external {
        address member = who % 8 == 0 ? address(uint160(who)) : _someone(who);
        if (member == address(0)) member = _actors[0];
        round = uint32(REAL.snapshot(0).round + round % 3);
        if (round > 0) round -= 1;
        if (verb % 3 == 0) _both(member, abi.encodeCall(IFederation.commit, (round, bytes32(value))));
        if (verb % 3 == 1) _both(member, abi.encodeCall(IFederation.vote, (round, value)));
        if (verb % 3 == 2) _both(member, abi.encodeCall(IFederation.attest, (round, bytes32(value % 2 * value))));
    }

    /// @dev What some of the members have signed, posted by anybody; mostly of the current phase.
    function relay(uint256 who, uint256 what) external {
        IFederation.View memory v = REAL.snapshot(0);
        uint8 phase = what % 8 == 7 ? uint8(1 + (what >> 8) % 3) : uint8(v.phase);
        uint32 round = v.round;
        if (what % 16 == 5 && round > 0) (phase, round) = (uint8(IFederation.Phase.Attest), round - 1);
        if (phase == 0 || phase == 4) return;
        uint256 signers = _signers(v.members, who);
        IFederation.Signed[] memory messages = _messages(v, phase, round, signers, what);
        address[] memory others = v.members; // at times not all, or all
        uint256 n;
        for (uint256 i = 0; i < others.length; ++i) {
            if ((signers >> i) & 1 == 0 || what % 5 == 1) others[n++] = others[i];
        }
        if (what % 3 == 0 && n != 0) --n;
        assembly ("memory-safe") {
            mstore(others, n)
        }
        bytes memory data =
            abi.encodeCall(IFederation.relay, (IFederation.Phase(phase), round, signers, messages, others));
        _both(address(this), data);
    }

    /// @dev Some of the actors who are members, by index.
    function _signers(address[] memory members, uint256 who) private view returns (uint256 signers) {
        for (uint256 i = FIRST; i < members.length; ++i) {
            if ((who >> i % 64) & 1 != 0) signers |= 1 << i;
        }
    }

    function _messages(IFederation.View memory v, uint8 phase, uint32 round, uint256 signers, uint256 what)
        private
        view
        returns (IFederation.Signed[] memory messages)
    {
        messages = new IFederation.Signed[](ACTORS);
        uint256 n;
        for (uint256 i = FIRST; i < v.members.length; ++i) {
            if ((signers >> i) & 1 == 0) continue;
            bytes32 value = _word(v, phase, round, what >> n);
            messages[n++] = _sign(_keyOf[v.members[i]], IFederation.Phase(phase), round, value);
        }
        assembly ("memory-safe") {
            mstore(messages, n)
        }
    }

    function _word(IFederation.View memory v, uint8 phase, uint32 round, uint256 what) private pure returns (bytes32) {
        if (phase == uint8(IFederation.Phase.Vote)) return bytes32(what & v.committed);
        if (round != v.round) return v.previous.root;
        return _root(round, what);
    }

    function _sign(uint256 key, IFederation.Phase phase, uint32 round, bytes32 value)
        private
        view
        returns (IFederation.Signed memory m)
    {
        bytes32 content = keccak256(abi.encode(Signatures.typeOf(phase), round, value));
        bytes32 domain = Signatures.domain(address(REAL));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, content)));
        (m.value, m.r, m.vs) = (value, r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    /// @dev What the court may do: take rounds back, and members off the next rosters.
    function judge(uint256 who, uint256 what) external {
        address court = address(REAL.COURT());
        if (what % 2 == 0) return _both(court, abi.encodeCall(IFederation.unseatMembers, (who & what >> 8)));
        uint256 last = REAL.snapshot(0).round;
        uint256 round = last == 0 ? 0 : 1 + who % last;
        // The court asks for it only while the round is final, as it is kept now.
        if (REAL.record(uint32(round)).status != IFederation.Status.Final) return;
        _both(court, abi.encodeCall(IFederation.undo, (uint32(round))));
    }

    function sleep(uint256 time) external {
        vm.warp(block.timestamp + time % 200);
        _compare(time);
    }

    /// @dev After any deadline any address can move a federation on, unless it still waits for members.
    function oversleep(uint256 who) external {
        _both(address(this), abi.encodeCall(IFederation.poke, ()));
        IFederation.View memory v = REAL.snapshot(0);
        if (v.phase == IFederation.Phase.Done || who % 2 == 0) return;
        if (v.deadline > block.timestamp) vm.warp(v.deadline);
        REAL.poke();
        TWIN.poke();
        IFederation.View memory w = REAL.snapshot(0);
        bool moved = w.round != v.round || w.phase != v.phase;
        vm.assertTrue(moved || v.phase == IFederation.Phase.Forming, "stands still after its deadline");
        _compare(who);
    }

    // ------------------------------------------------------------------------------------------------- comparing

    function _someone(uint256 who) private view returns (address) {
        return _actors[who % ACTORS];
    }

    /// @dev Mostly the same one; at times another, or zero.
    function _root(uint256 round, uint256 what) private pure returns (bytes32) {
        return what % 16 == 3 ? bytes32(0) : keccak256(abi.encode("root", round, what % 16 < 4 ? what % 4 : 0));
    }

    function _both(address who, bytes memory data) private {
        vm.recordLogs();
        vm.prank(who);
        (bool ok, bytes memory answer) = address(REAL).call(data);
        Vm.Log[] memory said = vm.getRecordedLogs();
        vm.prank(who);
        (bool twinOk, bytes memory twinAnswer) = address(TWIN).call(data);
        Vm.Log[] memory twinSaid = vm.getRecordedLogs();
        vm.assertTrue(ok == twinOk, "one reverted, one did not");
        vm.assertEq(answer, twinAnswer);
        vm.assertEq(said.length, twinSaid.length, "events");
        for (uint256 i = 0; i < said.length; ++i) {
            vm.assertEq(abi.encode(said[i].topics), abi.encode(twinSaid[i].topics));
            vm.assertEq(said[i].data, twinSaid[i].data);
        }
        _compare(uint256(keccak256(data)));
    }

    /// @dev Do they look the same, now and as of a later moment?
    function _compare(uint256 seed) private {
        // Mostly now; at times as of a later moment, or what is kept of a round.
        uint256 dice = seed % 8;
        if (dice == 0) {
            uint64 later = uint64(block.timestamp + (seed >> 8) % 500);
            vm.assertEq(_asked(abi.encodeCall(IFederation.snapshot, (later))), _twinView(later));
        } else if (dice == 1) {
            uint256 round = (seed >> 8) % 8;
            vm.assertEq(abi.encode(REAL.outcome(round)), abi.encode(TWIN.outcome(round)));
            vm.assertEq(abi.encode(REAL.record(uint32(round))), abi.encode(TWIN.record(uint32(round))));
        }
        vm.assertEq(_asked(abi.encodeCall(IFederation.snapshot, (0))), _twinView(0));
    }

    /// @dev What the real one answers, as it is.
    function _asked(bytes memory data) private view returns (bytes memory answer) {
        (, answer) = address(REAL).staticcall(data);
    }

    /// @dev The twin answers by a revert, and so takes back that it has moved on.
    function _twinView(uint64 time) private returns (bytes memory answer) {
        bool ok;
        (ok, answer) = address(TWIN).call(abi.encodeCall(Twin.revertWithSnapshot, (time)));
        vm.assertFalse(ok, "the twin moved on");
    }
}
