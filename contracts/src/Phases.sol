// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {State} from "./State.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";
import {Statements} from "./libraries/Statements.sol";
import {Streaks} from "./libraries/Streaks.sol";
import {Tally} from "./libraries/Tally.sol";

/// @title How the federation moves on, a step a call (section 4). The terms are read here and not by any statement.
abstract contract Phases is State {
    using Bitmaps for uint256;
    using SeatSlots for uint256;
    using Streaks for Streaks.Counters;
    using Tally for uint256[9];

    /// @dev Whether a step is due at this time; what is due is decided here alone.
    function _isDue(Standing memory s, Terms memory t, uint256 time) internal view returns (bool) {
        if (s.phase == DONE) return false;
        if (s.phase == FORMING) return _gathered(s, t, time) || _isOver(s, t, time);
        if (s.phase == WAITING) return _hasRoom(s, t);
        uint256 slot = _slotOf(s.round);
        RoundHead h = _heads[slot];
        if (h.missing() == 0 || time >= h.deadline()) return true;
        return h.phase() == RoundHeads.ATTEST && _hasQuorum(h, slot);
    }

    function _phase() internal view returns (ILedger.Phase) {
        Standing memory s = _standing;
        if (s.phase == OPEN) return ILedger.Phase(_heads[_slotOf(s.round)].phase());
        if (s.phase == WAITING) return ILedger.Phase.Waiting;
        return s.phase == DONE ? ILedger.Phase.Done : ILedger.Phase.Forming;
    }

    /// @dev Takes the step that is due.
    function _step(Standing memory s, Terms memory t) internal {
        if (s.phase == FORMING) {
            if (_isOver(s, t, block.timestamp)) _finish(s);
            else _openOrWait(s, t);
        } else if (s.phase == WAITING) {
            s.since += uint40(block.timestamp) - s.deadline; // what others' disputes cost is not this federation's time
            _next(s, t); // and who is left may be too few by now
        } else {
            _turn(s, t);
        }
        _standing = s;
    }

    // --------------------------------------------------------------------------------------------- between rounds

    function _gathered(Standing memory s, Terms memory t, uint256 time) private view returns (bool) {
        uint256 n = _active.count();
        return n >= t.startMembers || (time >= s.deadline && n >= t.minMembers);
    }

    /// @dev Whether the federation has come to one of its limits.
    function _isOver(Standing memory s, Terms memory t, uint256 time) private pure returns (bool) {
        return s.finals >= t.rounds || s.voids >= t.maxVoid || time >= uint256(s.since) + t.limitSeconds
            || s.round == type(uint32).max;
    }

    /// @dev Whether the next round's slot is free, and few enough rounds are unsettled.
    function _hasRoom(Standing memory s, Terms memory t) private view returns (bool) {
        return s.unsettled < t.maxUnsettled && !_heads[_slotOf(uint256(s.round) + 1)].inUse();
    }

    /// @dev What comes after a round that closed.
    function _next(Standing memory s, Terms memory t) internal {
        if (_isOver(s, t, block.timestamp)) {
            _finish(s);
        } else if (_active.count() < t.minMembers) {
            (s.phase, s.deadline) = (uint8(FORMING), uint40(block.timestamp + t.joinSeconds));
            emit ILedger.PhaseOpened(s.round, ILedger.Phase.Forming, s.deadline, 0);
        } else {
            _openOrWait(s, t);
        }
    }

    function _finish(Standing memory s) private {
        (s.phase, s.deadline) = (uint8(DONE), 0);
        emit ILedger.PhaseOpened(s.round, ILedger.Phase.Done, 0, 0);
    }

    function _openOrWait(Standing memory s, Terms memory t) private {
        if (_hasRoom(s, t)) {
            _open(s, t);
        } else {
            (s.phase, s.deadline) = (uint8(WAITING), uint40(block.timestamp));
            emit ILedger.PhaseOpened(s.round, ILedger.Phase.Waiting, 0, 0);
        }
    }

    function _open(Standing memory s, Terms memory t) private {
        (uint32 baseRound, bytes32 base, bytes32 baseContext) = _origin(s, t);
        s.round += 1;
        (s.phase, s.deadline) = (uint8(OPEN), 0);
        uint256 slot = _slotOf(s.round);
        uint256 roster = _active;
        (_bases[slot], _baseContexts[slot], _rosters[slot]) = (base, baseContext, roster);
        _meta[slot] = Meta(baseRound, s.finals, 0);
        bytes32 context = Statements.opening(s.round, baseRound, base, baseContext, roster, _addressesOf(roster));
        uint256 deadline = block.timestamp + t.commitSeconds;
        _await(slot, RoundHeads.opening(s.round, RoundHeads.COMMIT, deadline, roster, roster.count()), context);
    }

    /// @dev What the next round starts from.
    function _origin(Standing memory s, Terms memory t) internal view returns (uint32, bytes32, bytes32) {
        if (s.origin == 0) return (0, t.genesis, t.charter);
        uint256 slot = _slotOf(s.origin);
        if (s.installs) return (s.origin, _rootOf(s.origin, _meta[slot].finalEntry), _contexts[slot]);
        return (_meta[slot].baseRound, _bases[slot], _baseContexts[slot]);
    }

    /// @dev Hash of the roster's addresses by index; kept until seats or roster change.
    function _addressesOf(uint256 roster) private returns (bytes32 hash) {
        bytes32 key = keccak256(abi.encode(_roll, roster));
        if (key == _addressesFor) return _addresses;
        bytes32[] memory addresses = new bytes32[](roster.count());
        uint256 n;
        for (uint256 i = 0; roster >> i != 0; ++i) {
            if (roster.has(i)) addresses[n++] = bytes32(uint256(uint160(_holders[i])));
        }
        hash = keccak256(abi.encodePacked(addresses));
        (_addressesFor, _addresses) = (key, hash);
    }

    /// @dev Opens a phase of the round in this slot.
    function _await(uint256 slot, RoundHead h, bytes32 context) private {
        _contexts[slot] = context;
        _heads[slot] = h;
        if (_rosters[slot] >> RoundHeads.SEATS != 0) _beyond[slot] = _rosters[slot];
        emit ILedger.PhaseOpened(h.round(), ILedger.Phase(h.phase()), h.deadline(), context);
    }

    // ---------------------------------------------------------------------------------------------- within a round

    function _turn(Standing memory s, Terms memory t) private {
        uint256 slot = _slotOf(s.round);
        RoundHead h = _heads[slot];
        uint256 phase = h.phase();
        uint256 roster = _rosters[slot];
        uint256 spoken = roster & ~_awaited(h, slot);
        if (phase == RoundHeads.COMMIT) {
            uint256 committed = h.abstains() ? spoken & ~_abstained[slot] : spoken;
            _committed[slot] = committed;
            if (committed.count() < t.minMembers) return _close(s, t, slot, h, spoken);
            uint256 deadline = block.timestamp + t.voteSeconds;
            RoundHead opened = RoundHeads.opening(s.round, RoundHeads.VOTE, deadline, roster, roster.count());
            bytes32 context = Statements.resting(_contexts[slot], committed, _rootsOf(committed));
            _await(slot, h.next(opened, committed.prefix()), context);
        } else if (phase == RoundHeads.VOTE) {
            uint256 included = _count(slot, h, roster.count(), spoken);
            _voted[slot] = spoken;
            _included[slot] = included;
            if (included.count() < t.minMembers) return _close(s, t, slot, h, _present(slot, h, spoken));
            uint256 deadline = block.timestamp + t.attestSeconds;
            RoundHead opened = RoundHeads.opening(s.round, RoundHeads.ATTEST, deadline, roster, roster.count());
            bytes32 context = Statements.resting(_contexts[slot], included, _rootsOf(included));
            _await(slot, h.next(opened, 0), context);
        } else if (_hasQuorum(h, slot)) {
            _closeFinal(s, t, slot, h);
        } else {
            uint256 excused = h.misses() ? _excused[slot] : 0;
            _close(s, t, slot, h, _present(slot, h, _voted[slot]) & (spoken | excused));
        }
    }

    /// @dev Who committed, to an update or by abstaining, and is among `others`.
    function _present(uint256 slot, RoundHead h, uint256 others) private view returns (uint256) {
        return (h.abstains() ? _committed[slot] | _abstained[slot] : _committed[slot]) & others;
    }

    function _hasQuorum(RoundHead h, uint256 slot) private view returns (bool) {
        return h.agreed() >= h.quorum() || (h.dissents() && _meta[slot].finalEntry != 0);
    }

    /// @dev Counts the ballots (section 4, 3), and notes who is excused.
    function _count(uint256 slot, RoundHead h, uint256 size, uint256 voted) private returns (uint256 included) {
        uint256[9] memory accepts;
        uint256[9] memory misses;
        uint256 missers = h.misses() ? _missers[slot] & voted : 0;
        for (uint256 i = 0; voted >> i != 0; ++i) {
            if (voted.has(i)) accepts.add(_accepts[i]);
            if (missers.has(i)) misses.add(_misses[i]);
        }
        included = accepts.above(size / 2);
        if (missers == 0) return included;
        // At most two thirds have it if at least `voted - 2n/3` of those who voted miss it.
        uint256 n = voted.count();
        uint256 twoThirds = 2 * size / 3;
        uint256 scarce = n > twoThirds ? included & misses.above(n - twoThirds - 1) : included;
        uint256 excused;
        for (uint256 i = 0; missers >> i != 0; ++i) {
            if (missers.has(i) && _misses[i] & scarce != 0) excused |= 1 << i;
        }
        _excused[slot] = excused;
    }

    function _rootsOf(uint256 members) private view returns (bytes32[] memory roots) {
        roots = new bytes32[](members.count());
        uint256 n;
        for (uint256 i = 0; members >> i != 0; ++i) {
            if (members.has(i)) roots[n++] = _roots[i];
        }
    }

    function _closeFinal(Standing memory s, Terms memory t, uint256 slot, RoundHead h) private {
        uint256 number = h.agreed() >= h.quorum() ? 0 : _meta[slot].finalEntry;
        // Until it is final nobody can enter another root: who has it closed late must not take the window away.
        if (block.timestamp > h.deadline()) h = h.ending(block.timestamp);
        _heads[slot] = h.turned(RoundHeads.FINAL);
        if (h.dissents()) _dockets[s.round].start = uint40(h.deadline() + t.windowSeconds);
        emit ILedger.RoundClosed(s.round, _rootOf(s.round, number), _included[slot], _attestersOf(s.round, number));
        uint256 present = _present(slot, h, _voted[slot]);
        (s.origin, s.installs) = (s.round, true);
        (s.finals, s.voids, s.since) = (s.finals + 1, 0, uint40(block.timestamp));
        s.unsettled += 1;
        _countAbsent(t, s.round, _rosters[slot], present);
        _next(s, t);
    }

    /// @dev Closes a round void.
    function _close(Standing memory s, Terms memory t, uint256 slot, RoundHead h, uint256 present) private {
        bool attested = h.phase() == RoundHeads.ATTEST && h.missing() != _rosters[slot].count();
        _heads[slot] = h.turned(attested ? RoundHeads.VOID : RoundHeads.OVER);
        if (attested) {
            s.unsettled += 1;
            if (h.dissents()) _dockets[s.round].start = uint40(block.timestamp);
        }
        emit ILedger.RoundClosed(s.round, 0, h.phase() == RoundHeads.COMMIT ? 0 : _included[slot], 0);
        (s.origin, s.installs) = (s.round, false);
        s.voids += 1;
        _countAbsent(t, s.round, _rosters[slot], present);
        _next(s, t);
    }

    /// @dev Counts who was absent, and drops who was too often.
    function _countAbsent(Terms memory t, uint256 round, uint256 roster, uint256 present) private {
        if (t.maxMissed == 0) return;
        Streaks.Counters memory c = Streaks.Counters(_streaks[0], _streaks[1], _streaks[2]);
        uint256 before = c.ones | c.twos | c.fours;
        uint256 out = c.step(roster, roster & ~present, t.maxMissed);
        if (before | c.ones | c.twos | c.fours | out == 0) return;
        (_streaks[0], _streaks[1], _streaks[2]) = (c.ones, c.twos, c.fours);
        if (out == 0) return;
        _active &= ~out; // who has just left is dropped like the others, or leaving in time would clear its count
        for (uint256 i = 0; out >> i != 0; ++i) {
            if (!out.has(i)) continue;
            address member = _holders[i];
            SeatSlots.set(member, SeatSlots.get(member).droppedOnceMore(block.timestamp));
        }
        emit ILedger.Dropped(out, round);
    }
}
