// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice Where a round stands, in the one word that every verb reads and writes.
///
/// | bits     | field     | what it says                                                                        |
/// | -------- | --------- | ----------------------------------------------------------------------------------- |
/// | 0..31    | round     | its number                                                                          |
/// | 32..35   | phase     | IFederation.Phase                                                                   |
/// | 36..67   | baseRound | the round that made its base; 0 for genesis                                         |
/// | 68..107  | deadline  | when the phase ends at the latest                                                   |
/// | 108..116 | missing   | how many of the roster have yet to speak in this phase                              |
/// | 117..125 | quorum    | how many must attest one root                                                       |
/// | 126..134 | prefix    | the members 0..prefix-1 have all committed, so that most ballots need no look-up     |
/// | 135..142 | agreed    | how many have attested the root that was attested first; less than 256, as `quorum` |
/// | 143      | nobody    | always zero: where the seat 0 looks, which nobody has                               |
/// | 144..255 | awaited   | the seats 1..112 of those who have yet to speak in this phase; higher ones elsewhere |
type Head is uint256;

using Heads for Head global;

/// @title Reads and changes a `Head`.
library Heads {
    /// @notice The last seat whose `awaited` bit is in the head. A member's seat is its index + 1.
    uint256 internal constant SEATS = 112;

    uint256 private constant BASE_ROUND = 36;
    uint256 private constant DEADLINE = 68;
    uint256 private constant PHASE = 32;
    uint256 private constant MISSING = 108;
    uint256 private constant QUORUM = 117;
    uint256 private constant PREFIX = 126;
    uint256 private constant AGREED = 135;
    uint256 private constant NOBODY = 143;

    /// @notice Put a head together; the fields are taken to be within their range.
    function pack(
        uint256 round_,
        uint256 baseRound_,
        uint256 deadline_,
        uint256 phase_,
        uint256 quorum_,
        uint256 prefix_,
        uint256 agreed_
    ) internal pure returns (Head) {
        return Head.wrap(
            round_ | (baseRound_ << BASE_ROUND) | (deadline_ << DEADLINE) | (phase_ << PHASE) | (quorum_ << QUORUM)
                | (prefix_ << PREFIX) | (agreed_ << AGREED)
        );
    }

    function round(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) & 0xffffffff;
    }

    function baseRound(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> BASE_ROUND) & 0xffffffff;
    }

    function deadline(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> DEADLINE) & 0xffffffffff;
    }

    function phase(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> PHASE) & 0xf;
    }

    function missing(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> MISSING) & 0x1ff;
    }

    function quorum(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> QUORUM) & 0x1ff;
    }

    function prefix(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> PREFIX) & 0x1ff;
    }

    function agreed(Head h) internal pure returns (uint256) {
        return (Head.unwrap(h) >> AGREED) & 0xff;
    }

    /// @notice The awaited members with seats in the head, as a bitmap by index.
    function seated(Head h) internal pure returns (uint256) {
        return Head.unwrap(h) >> (NOBODY + 1);
    }

    /// @notice Whether the member with this seat, 0..SEATS, has yet to speak; nobody has the seat 0.
    function awaits(Head h, uint256 seat) internal pure returns (bool) {
        unchecked {
            return (Head.unwrap(h) >> (seat + NOBODY)) & 1 != 0;
        }
    }

    /// @notice Whether all is as it mostly is when a member speaks: its time is not over, the round and phase are these,
    /// and the member with this seat is awaited and has a seat in the head. One branch instead of five.
    function expects(Head h, uint256 time, uint32 round_, uint256 phase_, uint256 seat)
        internal
        pure
        returns (bool yes)
    {
        assembly ("memory-safe") {
            yes := eq(and(h, 0xfffffffff), or(round_, shl(PHASE, phase_)))
            yes := and(and(yes, shr(add(seat, NOBODY), h)), lt(time, and(shr(DEADLINE, h), 0xffffffffff)))
        }
    }

    /// @notice The same head after the member with this seat, 1..SEATS, who was awaited, has spoken.
    function heard(Head h, uint256 seat) internal pure returns (Head) {
        unchecked {
            return Head.wrap(Head.unwrap(h) - (1 << (seat + NOBODY)) - (1 << MISSING));
        }
    }

    /// @notice The same head after a member with a higher seat, who was awaited, has spoken.
    function heardBeyond(Head h) internal pure returns (Head) {
        unchecked {
            return Head.wrap(Head.unwrap(h) - (1 << MISSING));
        }
    }

    /// @notice The same head after these members, all of them awaited, of whom there are `count`, have spoken.
    function heardAll(Head h, uint256 members, uint256 count) internal pure returns (Head) {
        unchecked {
            return Head.wrap(Head.unwrap(h) - (members << (NOBODY + 1)) - (count << MISSING));
        }
    }

    /// @notice The same head with one more who attested the root that was attested first.
    function agreeing(Head h) internal pure returns (Head) {
        unchecked {
            return Head.wrap(Head.unwrap(h) + (1 << AGREED));
        }
    }

    /// @notice The same head on another base.
    function rebased(Head h, uint256 baseRound_) internal pure returns (Head) {
        uint256 others = ~(uint256(0xffffffff) << BASE_ROUND);
        return Head.wrap((Head.unwrap(h) & others) | (baseRound_ << BASE_ROUND));
    }

    /// @notice The same head, of which nobody was awaited, awaiting `members`, of whom there are `count`.
    function awaiting(Head h, uint256 members, uint256 count) internal pure returns (Head) {
        return Head.wrap(Head.unwrap(h) | (count << MISSING) | (members << (NOBODY + 1)));
    }
}
