// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {State} from "./State.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Who has a seat, who had one, and how they can be reached (section 5).
abstract contract Seats is ILedger, State {
    using Bitmaps for uint256;
    using SeatSlots for uint256;

    uint256 private constant MAX_CARD = 256;
    uint256 private constant CARD_SECONDS = 60;

    /// @inheritdoc ILedger
    function join(bytes32 charter, bytes32[] calldata proof) external {
        Terms memory t = TermsOf.all();
        require(charter == t.charter, CharterMismatch(t.charter));
        require(_standing.phase != DONE, WrongPhase(Phase.Done));
        require(_isAllowed(t.allowList, proof), NotAllowed(msg.sender));
        Account storage a = _accounts[msg.sender];
        require(a.stake >= t.stake, UnderStaked(a.stake, t.stake));
        uint256 bonds = uint256(t.maxUnsettled) * t.bond;
        require(a.bonds >= bonds, UnderBonded(a.bonds, bonds));
        uint256 word = SeatSlots.get(msg.sender);
        uint256 seat = word.seat();
        if (seat != 0) require(!_active.has(seat - 1), AlreadyMember(seat - 1));
        uint256 until = word.pausedUntil(TermsOf.roundSeconds(t));
        require(block.timestamp >= until, Paused(until));
        if (seat == 0) seat = _seat(word);
        _active |= 1 << (seat - 1);
        emit Joined(msg.sender, seat - 1);
    }

    /// @dev Gives the caller the lowest free seat, and the absences that it brings along.
    function _seat(uint256 word) private returns (uint256 seat) {
        uint256 taken = _taken;
        uint256 index = taken.prefix();
        require(index != MAX_MEMBERS, FederationFull());
        seat = index + 1;
        _taken = taken | 1 << index;
        _holders[index] = msg.sender;
        _roll = keccak256(abi.encode(_roll, index, msg.sender));
        uint256 streak = word.streak();
        for (uint256 p = 0; p < 3; ++p) {
            if (streak.has(p)) _streaks[p] |= 1 << index;
        }
        SeatSlots.set(msg.sender, word.seatedAt(seat, 0).inRing(TermsOf.ring()));
    }

    /// @inheritdoc ILedger
    function leave() external {
        uint256 seat = SeatSlots.get(msg.sender).seat();
        uint256 active = _active;
        require(seat != 0 && active.has(seat - 1), NotMember(msg.sender));
        _active = active ^ (1 << (seat - 1));
        emit Left(seat - 1);
        if (_standing.phase != FORMING) return;
        // What has seen no round is released at the forming deadline: a stake that came back at once could take one seat
        // after another.
        uint256 until = _standing.deadline;
        _accounts[msg.sender].lockedUntil = until < type(uint32).max ? uint32(until) : type(uint32).max;
        if (!_isUsed(seat - 1)) _release(msg.sender, seat - 1);
    }

    /// @inheritdoc ILedger
    function release(uint256 index) external {
        address holder = index < MAX_MEMBERS ? _holders[index] : address(0);
        require(holder != address(0), EmptySeat(index));
        require(!_active.has(index) && !_isUsed(index), SeatInUse(index));
        _release(holder, index);
    }

    function _release(address holder, uint256 index) internal {
        uint256 streak;
        for (uint256 p = 0; p < 3; ++p) {
            uint256 plane = _streaks[p];
            if (!plane.has(index)) continue;
            streak |= 1 << p;
            _streaks[p] = plane ^ (1 << index);
        }
        SeatSlots.set(holder, SeatSlots.get(holder).seatedAt(0, streak));
        _taken ^= 1 << index;
        _holders[index] = address(0);
        _roll = keccak256(abi.encode(_roll, index, address(0)));
        emit Released(holder, index);
    }

    /// @dev Whether a round that is open or unsettled counts on this seat.
    function _isUsed(uint256 index) internal view returns (bool) {
        for (uint256 slot = 0; slot < MAX_RING; ++slot) {
            if (_heads[slot].inUse() && _rosters[slot].has(index)) return true;
        }
        return false;
    }

    /// @inheritdoc ILedger
    function announce(uint32 sequence, bytes calldata card) external {
        uint256 word = SeatSlots.get(msg.sender);
        require(word.seat() != 0, NotMember(msg.sender));
        require(card.length <= MAX_CARD, CardTooLong(card.length));
        require(sequence > word.sequence(), OldCard(word.sequence()));
        uint256 until = word.announced() == 0 ? 0 : word.announced() + CARD_SECONDS;
        require(block.timestamp >= until, TooSoon(until));
        SeatSlots.set(msg.sender, word.announcing(sequence, block.timestamp));
        emit Announced(msg.sender, sequence, card);
    }

    /// @dev Whether the allow-list, if there is one, names the caller.
    function _isAllowed(bytes32 list, bytes32[] calldata proof) private view returns (bool) {
        if (list == 0) return true;
        return MerkleProof.verifyCalldata(proof, list, keccak256(bytes.concat(keccak256(abi.encode(msg.sender)))));
    }
}
