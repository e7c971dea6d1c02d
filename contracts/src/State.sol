// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";

/// @title What a federation keeps: the storage that its parts share, and what more than one of them asks of it.
///
/// A round lies in the slot `round mod ring`, where the ring has as many slots as the terms let rounds be unsettled, and
/// two at least, so that a round's predecessor can be read while it is open. A slot is written anew by the round that
/// comes a ring later, and never zeroed. What a dispute needs lies under the round's number, for it may be asked for
/// after that.
abstract contract State {
    using Bitmaps for uint256;

    uint256 internal constant MAX_RING = 16;
    uint256 internal constant MAX_MEMBERS = 256;

    // Where the federation stands as a whole.
    uint256 internal constant FORMING = 0;
    uint256 internal constant OPEN = 1;
    uint256 internal constant WAITING = 2;
    uint256 internal constant DONE = 3;

    /// @dev In one slot. `origin` is the round in whose slot the next base is found: its root if `installs`, else its
    /// base; 0 for genesis. `deadline` is that of forming; while waiting, since when. `founded` is the block of founding.
    struct Standing {
        uint32 round;
        uint8 phase;
        uint32 finals;
        uint16 voids;
        uint8 unsettled;
        uint32 origin;
        bool installs;
        uint40 since;
        uint40 deadline;
        uint40 founded;
    }

    /// @dev In one slot; of a round whose slot is in use.
    struct Meta {
        uint32 baseRound;
        uint32 finalsBefore;
        uint16 finalEntry;
    }

    /// @dev In one slot; of a round with two entries or more. `start` is T0. `pot` is slashed stake.
    struct Docket {
        uint40 start;
        uint16 count;
        uint16 outsiders;
        uint16 cursor;
        bool fallen;
        bool firstPunished;
        uint112 pot;
    }

    /// @dev An entry beyond the first. Attesters are those of an attested root, `entrant` who put a bond down.
    struct Entry {
        bytes32 root;
        uint256 attesters;
        address entrant;
        bool collected;
    }

    /// @dev What an address has: in the coin, and in the chain's own currency.
    struct Account {
        uint112 stake;
        uint112 credit;
        uint32 lockedUntil;
        uint128 bonds;
        uint128 nativeCredit;
    }

    /// @dev In one slot. Sides `i` and `j` by entry; the point in dispute are `count` leaves from `from` on; `shown` has a
    /// bit for each side; `winner` is an entry's number + 1, or 0 if both lost.
    struct Match {
        uint16 i;
        uint16 j;
        uint40 since;
        uint32 clockI;
        uint32 clockJ;
        uint40 from;
        uint40 count;
        uint8 shown;
        uint8 state;
        uint16 winner;
    }

    /// @dev What a match at a leaf is about: the first coordinate that differs, and the inputs proved so far, four to a slot.
    struct Trial {
        uint16 coordinate;
        int32 valueI;
        int32 valueJ;
        uint256 proven;
        uint256[64] inputs;
    }

    /// @dev What moves cost that were for the left side, the right one, or both; of a match, or of one mover in it.
    struct Costs {
        uint80 left;
        uint80 right;
        uint80 both;
    }

    /// @dev What the losers' bonds left for who moved for `side` (1 left, 2 right) or for both (3: both lost).
    struct Pot {
        uint96 amount;
        uint8 side;
    }

    /// @dev What is left to pay rewards from, and what nobody owns any more; in the coin, and in the chain's currency.
    struct Books {
        uint112 pool;
        uint112 burned;
        uint128 nativeBurned;
        uint32 epoch;
    }

    Standing internal _standing;
    uint256 internal _active;
    uint256 internal _taken;
    /// @dev Absences in a row, bit-sliced (src/libraries/Streaks.sol).
    uint256[3] internal _streaks;
    /// @dev Changes with every change of a seat; for which roll and roster `_addresses` was worked out; and that.
    bytes32 internal _roll;
    bytes32 internal _addressesFor;
    bytes32 internal _addresses;
    address[MAX_MEMBERS] internal _holders;

    RoundHead[MAX_RING] internal _heads;
    bytes32[MAX_RING] internal _contexts;
    uint256[MAX_RING] internal _rosters;
    /// @dev Awaited members with seats beyond RoundHeads.SEATS; says nothing where the head awaits no more than it seats.
    uint256[MAX_RING] internal _beyond;
    uint256[MAX_RING] internal _committed;
    uint256[MAX_RING] internal _abstained;
    uint256[MAX_RING] internal _voted;
    uint256[MAX_RING] internal _included;
    uint256[MAX_RING] internal _excused;
    uint256[MAX_RING] internal _dissenters;
    uint256[MAX_RING] internal _missers;
    bytes32[MAX_RING] internal _first;
    bytes32[MAX_RING] internal _bases;
    bytes32[MAX_RING] internal _baseContexts;
    Meta[MAX_RING] internal _meta;

    /// @dev By index, of the open round.
    bytes32[MAX_MEMBERS] internal _roots;
    uint256[MAX_MEMBERS] internal _accepts;
    uint256[MAX_MEMBERS] internal _misses;

    mapping(uint256 round => Docket) internal _dockets;
    mapping(uint256 round => mapping(uint256 number => Entry)) internal _entries;
    mapping(uint256 round => mapping(bytes32 root => uint256)) internal _entryOf;

    /// @dev By round, stage and block (Bracket.sol), and who moved there.
    mapping(uint256 key => Match) internal _matches;
    mapping(uint256 key => bytes32[2]) internal _nodes;
    mapping(uint256 key => Trial) internal _trials;
    mapping(uint256 key => Costs) internal _costs;
    mapping(uint256 key => mapping(address mover => Costs)) internal _costsOf;
    mapping(uint256 key => Pot) internal _pots;
    /// @dev Members of the roster that have entered into their own place.
    mapping(uint256 round => uint256) internal _placed;

    mapping(address owner => Account) internal _accounts;
    Books internal _books;
    /// @dev Shares of the pool, by epoch: a new one begins when a pool is as good as spent.
    mapping(uint256 epoch => uint256) internal _shares;
    mapping(uint256 epoch => mapping(address funder => uint256)) internal _sharesOf;

    // --------------------------------------------------------------------------------------------- what parts ask

    /// @dev The slot of a round.
    function _slotOf(uint256 round) internal view returns (uint256) {
        return round % TermsOf.ring();
    }

    /// @dev Awaited members of a round.
    function _awaited(RoundHead h, uint256 slot) internal view returns (uint256 members) {
        members = h.seated();
        if (members.count() != h.missing()) members |= _beyond[slot] >> RoundHeads.SEATS << RoundHeads.SEATS;
    }

    /// @dev Who attested an entry's root. The first entry has no slot for it: they are all who attested and no other.
    function _attestersOf(uint256 round, uint256 number) internal view returns (uint256) {
        if (number != 0) return _entries[round][number].attesters;
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        uint256 attested = _rosters[slot] & ~_awaited(h, slot);
        return h.dissents() ? attested & ~_dissenters[slot] : attested;
    }

    function _rootOf(uint256 round, uint256 number) internal view returns (bytes32) {
        return number == 0 ? _first[_slotOf(round)] : _entries[round][number].root;
    }

    /// @dev Notes one more entry of a round. The first one of a round has no docket, and no slot of its own.
    function _addEntry(uint256 round, bytes32 root) internal returns (uint256 number) {
        Docket storage d = _dockets[round];
        number = d.count == 0 ? 1 : d.count;
        d.count = uint16(number + 1);
        _entryOf[round][root] = number;
        _entries[round][number].root = root;
    }

    /// @dev Whether nothing can undo the base of the round in this slot.
    function _baseSettled(uint256 slot) internal view returns (bool) {
        return _isSettled(_meta[slot].baseRound);
    }

    /// @dev Whether nothing can undo a round that a base was made by; 0 is genesis.
    function _isSettled(uint256 base) internal view returns (bool) {
        if (base == 0) return true;
        RoundHead h = _heads[_slotOf(base)];
        return h.round() != base || h.phase() == RoundHeads.SETTLED;
    }
}
