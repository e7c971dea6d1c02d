// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What is kept of an address that has, or had, a seat: one word, never forgotten.
/// @notice Every statement begins with this look-up. The word lies in the slot whose number is the complement of the
/// address, its upper 96 bits all ones: as far from hashed slots as they are from each other, and cheaper than a mapping.
///
/// | bits    | field     | what it says                                             |
/// | ------- | --------- | -------------------------------------------------------- |
/// | 0..8    | seat      | index + 1; 0 without a seat                              |
/// | 9..11   | streak    | absences in a row, of who has no seat                    |
/// | 12..19  | drops     | how often it was dropped                                 |
/// | 20..59  | droppedAt | when it was last                                         |
/// | 60..91  | sequence  | of its latest card                                       |
/// | 92..131 | announced | when that was announced                                  |
/// | 132..   | ring      | slots that rounds lie in: the terms, which it saves reading |
library SeatSlots {
    uint256 private constant SEAT = 0x1ff;
    /// @dev The pause of who was dropped doubles so often.
    uint256 private constant MAX_DOUBLINGS = 10;

    function get(address member) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(not(member))
        }
    }

    function set(address member, uint256 word) internal {
        assembly ("memory-safe") {
            sstore(not(member), word)
        }
    }

    /// @notice Index + 1; 0 without a seat.
    function seat(uint256 word) internal pure returns (uint256) {
        return word & SEAT;
    }

    function streak(uint256 word) internal pure returns (uint256) {
        return word >> 9 & 7;
    }

    function drops(uint256 word) internal pure returns (uint256) {
        return word >> 12 & 0xff;
    }

    function droppedAt(uint256 word) internal pure returns (uint256) {
        return word >> 20 & 0xffffffffff;
    }

    /// @notice When who was dropped may join again, `2^drops` rounds after it was; 0 if it never was.
    function pausedUntil(uint256 word, uint256 roundSeconds) internal pure returns (uint256) {
        uint256 times = drops(word);
        if (times == 0) return 0;
        return droppedAt(word) + (roundSeconds << (times < MAX_DOUBLINGS ? times : MAX_DOUBLINGS));
    }

    function sequence(uint256 word) internal pure returns (uint256) {
        return word >> 60 & 0xffffffff;
    }

    function announced(uint256 word) internal pure returns (uint256) {
        return word >> 92 & 0xffffffffff;
    }

    /// @notice The slot in which a round lies, for who has had a seat; else 0.
    function slotOf(uint256 word, uint32 round) internal pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := mod(and(round, 0xffffffff), shr(132, word))
        }
    }

    /// @notice The same where rounds lie in so many slots.
    function inRing(uint256 word, uint256 ring) internal pure returns (uint256) {
        return word & ((1 << 132) - 1) | ring << 132;
    }

    /// @notice The same with this seat, and the streak given to whoever keeps it from now on.
    function seatedAt(uint256 word, uint256 seat_, uint256 streak_) internal pure returns (uint256) {
        return word & ~uint256(0xfff) | seat_ | streak_ << 9;
    }

    /// @notice The same, dropped once more.
    function droppedOnceMore(uint256 word, uint256 time) internal pure returns (uint256) {
        uint256 times = drops(word);
        if (times < 0xff) ++times;
        return word & ~(uint256(0xffffffffffff) << 12) | times << 12 | time << 20;
    }

    /// @notice The same with a later card.
    function announcing(uint256 word, uint256 sequence_, uint256 time) internal pure returns (uint256) {
        return word & ~(uint256(0xffffffffffffffffff) << 60) | sequence_ << 60 | time << 92;
    }
}
