// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {IViews} from "./IViews.sol";
import {Phases} from "./Phases.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";

/// @title Reads seats and rounds; the last of the parts, and one that changes nothing.
contract Views is IViews, Phases {
    using Bitmaps for uint256;
    using SeatSlots for uint256;

    /// @inheritdoc IViews
    function overview(uint64 time) external view returns (Overview memory o) {
        Terms memory t = TermsOf.all();
        Standing memory s = _standing;
        o.time = time > block.timestamp ? time : uint64(block.timestamp);
        o.position = position();
        o.due = _isDue(s, t, o.time);
        o.current = roundOf(s.round);
        if (s.phase == OPEN) {
            uint256 slot = _slotOf(s.round);
            (o.baseRound, o.base, o.baseContext) = (_meta[slot].baseRound, _bases[slot], _baseContexts[slot]);
            o.previous = roundOf(s.round - 1);
        } else {
            (o.baseRound, o.base, o.baseContext) = _origin(s, t);
            o.previous = o.current;
        }
        o.baseSettled = _isSettled(o.baseRound);
        uint256 n;
        while (_taken >> n != 0) ++n;
        o.holders = new address[](n);
        (o.roots, o.accepts, o.misses) = (new bytes32[](n), new uint256[](n), new uint256[](n));
        Round memory r = o.current;
        bool isOpen = s.phase == OPEN;
        for (uint256 i = 0; i < n; ++i) {
            o.holders[i] = _holders[i];
            if (!isOpen) continue;
            if (r.committed.has(i)) o.roots[i] = _roots[i];
            if (r.voted.has(i)) (o.accepts[i], o.misses[i]) = (_accepts[i], _missed(_slotOf(s.round), i));
        }
    }

    /// @dev What a ballot of the open round misses.
    function _missed(uint256 slot, uint256 index) private view returns (uint256) {
        return _heads[slot].misses() && _missers[slot].has(index) ? _misses[index] : 0;
    }

    /// @inheritdoc IViews
    function position() public view returns (Position memory p) {
        Standing memory s = _standing;
        p.round = s.round;
        p.phase = _phase();
        p.deadline = s.deadline;
        if (s.phase == OPEN) p.deadline = uint64(_heads[_slotOf(s.round)].deadline());
        if (s.phase == WAITING) p.deadline = 0;
        p.finals = s.finals;
        p.voids = s.voids;
        p.unsettled = s.unsettled;
        p.since = s.since;
        p.active = _active;
        p.founded = s.founded;
    }

    /// @inheritdoc IViews
    function isDue() external view returns (bool) {
        return _isDue(_standing, TermsOf.all(), block.timestamp);
    }

    /// @inheritdoc IViews
    function roundOf(uint32 round) public view returns (Round memory r) {
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        if (round == 0 || h.round() != round) return r;
        uint256 phase = h.phase();
        r.round = round;
        r.status = phase <= RoundHeads.ATTEST
            ? ILedger.Status.Open
            : ILedger.Status(phase - RoundHeads.FINAL + uint256(ILedger.Status.Final));
        r.deadline = uint64(h.deadline());
        (r.baseRound, r.base, r.context) = (_meta[slot].baseRound, _bases[slot], _contexts[slot]);
        r.roster = _rosters[slot];
        uint256 spoken = r.roster & ~_awaited(h, slot);
        if (h.abstains()) r.abstained = _abstained[slot];
        r.committed = phase == RoundHeads.COMMIT ? spoken & ~r.abstained : _committed[slot];
        if (phase == RoundHeads.COMMIT) return r;
        // What a round that went void earlier did not come to is not cleared from its slot.
        bool counted = r.status != ILedger.Status.Over;
        r.voted = phase == RoundHeads.VOTE ? spoken : counted ? _voted[slot] : 0;
        if (phase == RoundHeads.VOTE || !counted) return r;
        r.included = _included[slot];
        if (h.misses()) r.excused = _excused[slot];
        r.attested = spoken;
        if (phase != RoundHeads.FINAL && phase != RoundHeads.SETTLED) return r;
        r.root = _rootOf(round, _meta[slot].finalEntry);
        r.attesters = _attestersOf(round, _meta[slot].finalEntry);
    }

    /// @inheritdoc IViews
    function holders() external view returns (address[MAX_MEMBERS] memory) {
        return _holders;
    }

    /// @inheritdoc IViews
    function seatOf(address member)
        external
        view
        returns (uint256 seat, uint256 drops, uint256 sequence, uint256 pausedUntil)
    {
        uint256 word = SeatSlots.get(member);
        return (word.seat(), word.drops(), word.sequence(), word.pausedUntil(TermsOf.roundSeconds(TermsOf.all())));
    }

    /// @inheritdoc IViews
    function terms() external view returns (Terms memory) {
        return TermsOf.all();
    }
}
