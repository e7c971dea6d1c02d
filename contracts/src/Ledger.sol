// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {Parts} from "./Parts.sol";
import {Phases} from "./Phases.sol";
import {Relay} from "./Relay.sol";
import {Seats} from "./Seats.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";

/// @title The code behind every federation: seats and statements are here, money and court behind it.
///
/// A statement reads its author's seat, the round's head and its context, and writes the head and at most one slot of the
/// author's own. Nothing else comes of it: a phase is closed by `advance`.
contract Ledger is Seats, Relay, Parts {
    using Bitmaps for uint256;
    using SeatSlots for uint256;

    constructor(address treasury) Parts(treasury) {}

    /// @inheritdoc ILedger
    function start() external {
        require(_standing.since == 0, AlreadyStarted());
        Terms memory t = TermsOf.all();
        _standing.since = uint40(block.timestamp);
        _standing.founded = uint40(block.number);
        _standing.deadline = uint40(block.timestamp + t.joinSeconds);
        emit PhaseOpened(0, Phase.Forming, block.timestamp + t.joinSeconds, 0);
    }

    // ------------------------------------------------------------------------------------------------- statements

    /// @inheritdoc ILedger
    function commit(uint32 round, bytes32 context, bytes32 root) external {
        uint256 word = SeatSlots.get(msg.sender);
        uint256 slot = word.slotOf(round);
        RoundHead h = _headAt(slot);
        uint256 seat = word.seat();
        h = h.expects(block.timestamp, round, RoundHeads.COMMIT, seat)
            ? h.heard(seat)
            : _hear(h, slot, round, RoundHeads.COMMIT, seat);
        _checkContext(slot, context);
        unchecked {
            _setHead(slot, _keepCommit(h, slot, root, seat - 1));
        }
        _say(Committed.selector, _place(round, seat), root);
    }

    /// @inheritdoc ILedger
    function vote(uint32 round, bytes32 context, uint256 accepts, uint256 misses) external {
        uint256 word = SeatSlots.get(msg.sender);
        uint256 slot = word.slotOf(round);
        RoundHead h = _headAt(slot);
        uint256 seat = word.seat();
        h = h.expects(block.timestamp, round, RoundHeads.VOTE, seat)
            ? h.heard(seat)
            : _hear(h, slot, round, RoundHeads.VOTE, seat);
        _checkContext(slot, context);
        unchecked {
            _setHead(slot, _keepVote(h, slot, accepts, misses, seat - 1));
        }
        if (misses == 0) _say(Voted.selector, _place(round, seat), bytes32(accepts));
        else emit VotedMissing(_place(round, seat), accepts, misses);
    }

    /// @inheritdoc ILedger
    function attest(uint32 round, bytes32 context, bytes32 root) external {
        uint256 word = SeatSlots.get(msg.sender);
        uint256 slot = word.slotOf(round);
        RoundHead h = _headAt(slot);
        uint256 seat = word.seat();
        h = h.expects(block.timestamp, round, RoundHeads.ATTEST, seat)
            ? h.heard(seat)
            : _hear(h, slot, round, RoundHeads.ATTEST, seat);
        _checkContext(slot, context);
        unchecked {
            _setHead(slot, _ended(_attest(h, slot, root, seat - 1)));
        }
        _say(Attested.selector, _place(round, seat), root);
    }

    /// @dev Logs a statement: its word, and then its place in five bytes. The ABI's encoding would take 27 zeros more, each
    /// at the price of any other byte.
    function _say(bytes32 topic, uint256 place, bytes32 word) private {
        assembly ("memory-safe") {
            mstore(0, word)
            mstore(32, shl(216, place))
            log1(0, 37, topic)
        }
    }

    /// @dev Round and index in one word.
    function _place(uint256 round, uint256 seat) private pure returns (uint256) {
        unchecked {
            return (round << 8) + seat - 1;
        }
    }

    /// @dev Hears a member when not all is as it mostly is: finds out what is wrong, or that nothing is and the seat lies
    /// beyond those in the head, or that the round is final already and still takes attestations.
    function _hear(RoundHead h, uint256 slot, uint32 round, uint256 phase, uint256 seat) private returns (RoundHead) {
        require(seat != 0, NotMember(msg.sender));
        _checkPhase(h, round, phase);
        uint256 index = seat - 1;
        uint256 awaited = _awaited(h, slot);
        if (!awaited.has(index)) {
            require(_rosters[slot].has(index), NotInRoster(index));
            revert AlreadySpoken(index);
        }
        if (seat <= RoundHeads.SEATS) return h.heard(seat);
        _beyond[slot] = awaited ^ (1 << index);
        return h.heardAll(0, 1);
    }
}
