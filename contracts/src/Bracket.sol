// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITournament} from "./ITournament.sol";
import {State} from "./State.sol";
import {Terms} from "./Terms.sol";

/// @title Who meets whom, and what came of it (section 6). Everything here follows from what was shown and the time.
///
/// A *survivor at level l of block b* is who is left of the entries `b * 2^l` and following, `2^l` of them, after `l` stages.
/// It is an entry's number + 1, or NOBODY.
abstract contract Bracket is State {
    uint256 internal constant MAX_ENTRIES = 4096;
    uint256 internal constant NOBODY = 0;

    uint8 internal constant DESCENT = uint8(ITournament.State.Descent);
    uint8 internal constant PROVING = uint8(ITournament.State.Proving);
    uint8 internal constant DECIDED = uint8(ITournament.State.Decided);

    function _key(uint256 round, uint256 stage, uint256 block_) internal pure returns (uint256) {
        return round << 32 | stage << 16 | block_;
    }

    /// @dev From one stage's start to the next one's: every match of it has ended by then.
    function _stageSeconds(Terms memory t) internal pure returns (uint256) {
        return 2 * uint256(t.clockSeconds) + t.proofSeconds + 1;
    }

    function _startOf(Docket memory d, Terms memory t, uint256 stage) internal pure returns (uint256) {
        return d.start + stage * _stageSeconds(t);
    }

    /// @dev Whether the entries are all there and stage 0 has begun. Before that nothing of the bracket means anything.
    function _begun(Docket memory d) internal view returns (bool) {
        return d.count > 1 && d.start != 0 && block.timestamp > d.start;
    }

    /// @dev What of a match's costs the losers' bonds have to pay, if this side won it (3: both lost).
    function _due(Costs memory c, uint256 side) internal pure returns (uint256) {
        return uint256(c.both) + (side == 1 ? c.left : side == 2 ? c.right : 0);
    }

    /// @dev How many stages there are.
    function _stages(uint256 count) internal pure returns (uint256 n) {
        while (1 << n < count) ++n;
    }

    /// @dev Whether a match that somebody has moved in has ended, and who won it.
    function _outcome(Match memory m, Terms memory t) internal view returns (bool ended, uint256 winner) {
        if (m.state == DECIDED) return (true, m.winner);
        if (m.state == PROVING) return (block.timestamp > uint256(m.since) + t.proofSeconds, NOBODY);
        uint256 endI = uint256(m.since) + m.clockI;
        uint256 endJ = uint256(m.since) + m.clockJ;
        if (m.shown == 1) return (block.timestamp > endJ, uint256(m.i) + 1);
        if (m.shown == 2) return (block.timestamp > endI, uint256(m.j) + 1);
        if (endI == endJ) return (block.timestamp > endI, NOBODY);
        if (endI < endJ) return (block.timestamp > endI, uint256(m.j) + 1);
        return (block.timestamp > endJ, uint256(m.i) + 1);
    }

    /// @dev Who survives; `ended` is false as long as that is open.
    function _survivor(uint256 round, Docket memory d, Terms memory t, uint256 level, uint256 block_)
        internal
        view
        returns (bool ended, uint256 who)
    {
        if (block_ << level >= d.count) return (true, NOBODY);
        if (level == 0) return (true, block_ + 1);
        Match memory m = _matches[_key(round, level - 1, block_)];
        if (m.state != 0) {
            (ended, who) = _outcome(m, t);
            return (ended, ended ? who : NOBODY);
        }
        uint256 other;
        (ended, who) = _survivor(round, d, t, level - 1, 2 * block_);
        if (!ended) return (false, NOBODY);
        (ended, other) = _survivor(round, d, t, level - 1, 2 * block_ + 1);
        if (!ended) return (false, NOBODY);
        if (who == NOBODY) return (true, other);
        if (other == NOBODY) return (true, who);
        // Nobody has moved: both clocks run out together.
        return (block.timestamp > _startOf(d, t, level - 1) + t.clockSeconds, NOBODY);
    }

    /// @dev How an entry stands; if it has lost, in which stage.
    function _fate(uint256 round, Docket memory d, Terms memory t, uint256 number)
        internal
        view
        returns (ITournament.Fate, uint256 stage)
    {
        if (d.fallen) return (ITournament.Fate.Fallen, 0);
        for (uint256 stages = _stages(d.count); stage < stages; ++stage) {
            (bool ended, uint256 who) = _survivor(round, d, t, stage + 1, number >> (stage + 1));
            if (!ended) return (ITournament.Fate.Pending, stage);
            if (who != number + 1) return (ITournament.Fate.Lost, stage);
        }
        return (ITournament.Fate.Won, stage);
    }
}
