// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {Terms} from "./Terms.sol";

/// @title What can be read of seats and rounds; of the money and the court, `ITreasury` and `ITournament` say it.
interface IViews {
    /// @notice A round, as long as its slot holds it.
    /// @param round its number, from 1
    /// @param status what became of it
    /// @param deadline of its phase; of a closed one, when its attest phase ends
    /// @param baseRound the round that made its base; 0 for genesis
    /// @param base root that it starts from
    /// @param context what the statements of its phase rest on; of a closed one, what an attestation does
    /// @param roster members on whom it counts
    /// @param committed members who committed to an update
    /// @param abstained members whose commit abstains
    /// @param voted members who voted
    /// @param attested members who attested, whatever root
    /// @param included updates that more than half of the roster accept
    /// @param excused members who miss an included update that at most two thirds have
    /// @param root the final one; zero in a void or undone round
    /// @param attesters members who attested it
    struct Round {
        uint32 round;
        ILedger.Status status;
        uint64 deadline;
        uint32 baseRound;
        bytes32 base;
        bytes32 context;
        uint256 roster;
        uint256 committed;
        uint256 abstained;
        uint256 voted;
        uint256 attested;
        uint256 included;
        uint256 excused;
        bytes32 root;
        uint256 attesters;
    }

    /// @notice Where the federation stands.
    /// @param round number of the round opened last; 0 before the first
    /// @param phase as of the last step
    /// @param deadline of the phase; 0 when done or waiting
    /// @param finals rounds that are final now
    /// @param voids void rounds in a row
    /// @param unsettled rounds that hold their slot
    /// @param since from when `limitSeconds` count
    /// @param active members on whom the next round will count
    /// @param founded block of founding
    struct Position {
        uint32 round;
        ILedger.Phase phase;
        uint64 deadline;
        uint32 finals;
        uint16 voids;
        uint8 unsettled;
        uint64 since;
        uint256 active;
        uint64 founded;
    }

    /// @notice All that a node needs to know, in one answer.
    /// @param time of the block, or the later one that was asked for
    /// @param position where the federation stands
    /// @param due whether `advance` would do something now
    /// @param baseRound the round that made `base`; 0 for genesis
    /// @param base of the open round, or of the next one
    /// @param baseContext what that rests on
    /// @param baseSettled whether nothing can undo it any more
    /// @param current the round opened last
    /// @param previous the round closed last: `current`, or the one before it
    /// @param holders by index, up to the highest seat taken; zero where it is free
    /// @param roots of the open round's committed updates, by index; zero where there is none
    /// @param accepts of its ballots, likewise; and what those miss
    struct Overview {
        uint64 time;
        Position position;
        bool due;
        uint32 baseRound;
        bytes32 base;
        bytes32 baseContext;
        bool baseSettled;
        Round current;
        Round previous;
        address[] holders;
        bytes32[] roots;
        uint256[] accepts;
        uint256[] misses;
    }

    /// @notice All that a node needs to know, in one answer.
    /// @param time at least that late it is taken to be: a chain on which nothing is mined seems to stand still
    function overview(uint64 time) external view returns (Overview memory);
    /// @notice Where the federation stands.
    function position() external view returns (Position memory);
    /// @notice Whether `advance` would do something now.
    function isDue() external view returns (bool);
    /// @notice A round, as long as its slot holds it.
    function roundOf(uint32 round) external view returns (Round memory);
    /// @notice Who has the seats; zero where it is free.
    function holders() external view returns (address[256] memory);
    /// @notice What is kept of an address.
    /// @return seat index + 1; 0 without a seat
    /// @return drops how often it was dropped
    /// @return sequence of its latest card
    /// @return pausedUntil when it may join again after it was dropped last; 0 if it never was
    function seatOf(address member)
        external
        view
        returns (uint256 seat, uint256 drops, uint256 sequence, uint256 pausedUntil);
    /// @notice What it was founded on.
    function terms() external view returns (Terms memory);
}
