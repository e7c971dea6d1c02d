// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Where a round stands, in the one word that every statement reads and writes.
///
/// | bits     | field    | what it says                                                                  |
/// | -------- | -------- | ----------------------------------------------------------------------------- |
/// | 0..31    | round    | its number                                                                    |
/// | 32..35   | phase    | one of the constants below                                                    |
/// | 36..75   | deadline | when the phase ends at the latest; of a closed round, when its attest phase did |
/// | 76..84   | missing  | how many of the roster have yet to speak in this phase                        |
/// | 85..93   | quorum   | how many must attest one root                                                 |
/// | 94..102  | agreed   | how many have attested the root that was attested first                       |
/// | 103..111 | prefix   | the members 0..prefix-1 have all committed updates: most ballots need no look-up |
/// | 112      | dissent  | whether another root than the first was attested                              |
/// | 113      | missed   | whether somebody's ballot misses an update                                    |
/// | 114      | silent   | whether somebody's commit abstains                                            |
/// | 115      | nobody   | always zero: where the seat 0 looks, which nobody has                         |
/// | 116..255 | awaited  | the seats 1..140 of those who have yet to speak; higher ones elsewhere        |
type RoundHead is uint256;

using RoundHeads for RoundHead global;

/// @title Reads and changes a `RoundHead`.
library RoundHeads {
    uint256 internal constant COMMIT = 1;
    uint256 internal constant VOTE = 2;
    uint256 internal constant ATTEST = 3;
    /// @notice Closed with the quorum for one root, and not settled.
    uint256 internal constant FINAL = 4;
    /// @notice Closed without, or undone, with attestations that can still be judged.
    uint256 internal constant VOID = 5;
    /// @notice Final, and nothing about it changes any more; its slot is free.
    uint256 internal constant SETTLED = 6;
    /// @notice Void for good, or fallen with its base; its slot is free.
    uint256 internal constant OVER = 7;

    /// @notice The last seat whose `awaited` bit is in the head. A member's seat is its index + 1.
    uint256 internal constant SEATS = 140;

    uint256 private constant PHASE = 32;
    uint256 private constant DEADLINE = 36;
    uint256 private constant MISSING = 76;
    uint256 private constant QUORUM = 85;
    uint256 private constant AGREED = 94;
    uint256 private constant PREFIX = 103;
    uint256 private constant DISSENT = 1 << 112;
    uint256 private constant MISSED = 1 << 113;
    uint256 private constant ABSTAINED = 1 << 114;
    uint256 private constant NOBODY = 115;

    /// @notice A round that opens a phase in which `roster`, of `size` members, is awaited.
    function opening(uint256 round_, uint256 phase_, uint256 deadline_, uint256 roster, uint256 size)
        internal
        pure
        returns (RoundHead)
    {
        uint256 quorum_ = 2 * size / 3 + 1;
        return RoundHead.wrap(
            round_ | phase_ << PHASE | deadline_ << DEADLINE | size << MISSING | quorum_ << QUORUM | roster
                << (NOBODY + 1)
        );
    }

    function round(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) & 0xffffffff;
    }

    function phase(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> PHASE & 0xf;
    }

    function deadline(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> DEADLINE & 0xffffffffff;
    }

    function missing(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> MISSING & 0x1ff;
    }

    function quorum(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> QUORUM & 0x1ff;
    }

    function agreed(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> AGREED & 0x1ff;
    }

    function prefix(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> PREFIX & 0x1ff;
    }

    function dissents(RoundHead h) internal pure returns (bool) {
        return RoundHead.unwrap(h) & DISSENT != 0;
    }

    function misses(RoundHead h) internal pure returns (bool) {
        return RoundHead.unwrap(h) & MISSED != 0;
    }

    function abstains(RoundHead h) internal pure returns (bool) {
        return RoundHead.unwrap(h) & ABSTAINED != 0;
    }

    /// @notice Whether the round holds its slot and its roster: it is open, or closed and not settled.
    function inUse(RoundHead h) internal pure returns (bool) {
        uint256 p = h.phase();
        return p != 0 && p < SETTLED;
    }

    /// @notice The awaited members with seats in the head, as a bitmap by index.
    function seated(RoundHead h) internal pure returns (uint256) {
        return RoundHead.unwrap(h) >> (NOBODY + 1);
    }

    /// @notice Whether all is as it mostly is when a member speaks: round, phase and time, and it is awaited in the head.
    function expects(RoundHead h, uint256 time, uint32 round_, uint256 phase_, uint256 seat)
        internal
        pure
        returns (bool yes)
    {
        assembly ("memory-safe") {
            yes := eq(and(h, 0xfffffffff), or(and(round_, 0xffffffff), shl(PHASE, phase_)))
            yes := and(and(yes, shr(add(seat, NOBODY), h)), lt(time, and(shr(DEADLINE, h), 0xffffffffff)))
            yes := and(yes, lt(seat, 141))
        }
    }

    /// @notice The same head after the awaited member with this seat, 1..SEATS, has spoken.
    function heard(RoundHead h, uint256 seat) internal pure returns (RoundHead) {
        unchecked {
            return RoundHead.wrap(RoundHead.unwrap(h) - (1 << (seat + NOBODY)) - (1 << MISSING));
        }
    }

    /// @notice The same head after these awaited members, of whom there are `count`, have spoken.
    function heardAll(RoundHead h, uint256 members, uint256 count) internal pure returns (RoundHead) {
        unchecked {
            return RoundHead.wrap(RoundHead.unwrap(h) - (members << (NOBODY + 1)) - (count << MISSING));
        }
    }

    /// @notice The same head with so many more who attested the root that was attested first.
    function agreeing(RoundHead h, uint256 more) internal pure returns (RoundHead) {
        unchecked {
            return RoundHead.wrap(RoundHead.unwrap(h) + (more << AGREED));
        }
    }

    function dissenting(RoundHead h) internal pure returns (RoundHead) {
        return RoundHead.wrap(RoundHead.unwrap(h) | DISSENT);
    }

    function missedBy(RoundHead h) internal pure returns (RoundHead) {
        return RoundHead.wrap(RoundHead.unwrap(h) | MISSED);
    }

    function abstaining(RoundHead h) internal pure returns (RoundHead) {
        return RoundHead.wrap(RoundHead.unwrap(h) | ABSTAINED);
    }

    /// @notice The same head with an earlier deadline.
    function ending(RoundHead h, uint256 time) internal pure returns (RoundHead) {
        return RoundHead.wrap(RoundHead.unwrap(h) & ~(uint256(0xffffffffff) << DEADLINE) | time << DEADLINE);
    }

    /// @notice The same head in another phase; deadline, attestations and who is awaited stay.
    function turned(RoundHead h, uint256 phase_) internal pure returns (RoundHead) {
        return RoundHead.wrap(RoundHead.unwrap(h) & ~(uint256(0xf) << PHASE) | phase_ << PHASE);
    }

    /// @notice The next phase of a round: what was flagged stays, and so many of the first members committed.
    function next(RoundHead h, RoundHead opened, uint256 prefix_) internal pure returns (RoundHead) {
        return RoundHead.wrap(
            RoundHead.unwrap(opened) | RoundHead.unwrap(h) & (DISSENT | MISSED | ABSTAINED) | prefix_ << PREFIX
        );
    }
}
