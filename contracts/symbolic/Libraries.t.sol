// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "../src/libraries/RoundHeads.sol";
import {Rules} from "../src/libraries/Rules.sol";
import {SeatSlots} from "../src/libraries/SeatSlots.sol";
import {Streaks} from "../src/libraries/Streaks.sol";
import {Tally} from "../src/libraries/Tally.sol";
import {Trees} from "../src/libraries/Trees.sol";

/// @title What holds for every input of the pure libraries, shown by a solver (`make symbolic`) and not by examples.
///
/// Not among them: proofs and roots of trees, since halmos 0.3.3 fails at SHA-256 of 65 bytes, and division, of which no
/// solver tried was done within minutes. Both are held to Python's in test/Vectors.t.sol.
contract LibrariesSymbolic {
    using Bitmaps for uint256;
    using Tally for uint256[9];
    using Streaks for Streaks.Counters;

    // ----------------------------------------------------------------------------------------------------- bitmaps

    function check_has_is_the_bit(uint256 x, uint8 i) external pure {
        assert(x.has(i) == (x & (1 << uint256(i)) != 0));
    }

    /// @dev With `count(0) == 0` this is the whole definition.
    function check_count_is_one_more_than_without_the_lowest_bit(uint256 x) external pure {
        unchecked {
            assert(uint256(0).count() == 0);
            if (x != 0) assert(x.count() == (x & (x - 1)).count() + 1);
        }
    }

    // ------------------------------------------------------------------------------------------------------- tally

    function _valueOf(uint256[9] memory planes, uint256 i) private pure returns (uint256 value) {
        for (uint256 p = 0; p < 9; ++p) {
            value |= (planes[p] >> i & 1) << p;
        }
    }

    /// @dev Three planes are full adders as nine are; a ballot reaches the fourth only by a carry.
    function check_a_ballot_adds_one_to_whom_it_names(uint256 a, uint256 b, uint256 c, uint256 ballot, uint8 i)
        external
        pure
    {
        uint256[9] memory planes;
        (planes[0], planes[1], planes[2]) = (a, b, c);
        uint256 before = _valueOf(planes, i);
        planes.add(ballot);
        assert(_valueOf(planes, i) == before + (ballot >> i & 1));
    }

    function check_above_is_who_has_more(uint256[9] memory planes, uint256 limit, uint8 i) external pure {
        if (limit > 511) return;
        assert(planes.above(limit).has(i) == (_valueOf(planes, i) > limit));
    }

    // ----------------------------------------------------------------------------------------------------- streaks

    function _streakOf(Streaks.Counters memory c, uint256 i) private pure returns (uint256) {
        return (c.ones >> i & 1) | (c.twos >> i & 1) << 1 | (c.fours >> i & 1) << 2;
    }

    function check_a_streak_grows_by_absence_ends_by_presence_and_drops_at_the_limit(
        uint256 ones,
        uint256 twos,
        uint256 fours,
        uint256 roster,
        uint256 absent,
        uint8 limit,
        uint8 i
    ) external pure {
        Streaks.Counters memory c = Streaks.Counters(ones, twos, fours);
        uint256 before = _streakOf(c, i);
        // absent members are of the roster; who has reached the limit was dropped, and started at zero again
        if (limit == 0 || limit > 7 || before >= limit || absent & ~roster != 0) return;
        bool out = c.step(roster, absent, limit).has(i);
        uint256 then = absent.has(i) ? before + 1 : roster.has(i) ? 0 : before;
        assert(out == (absent.has(i) && then == limit));
        assert(_streakOf(c, i) == (out ? 0 : then));
    }

    // ---------------------------------------------------------------------------------------------------- one word

    function check_a_round_head_holds_what_it_was_opened_with(
        uint32 round,
        uint8 phase,
        uint40 deadline,
        uint256 roster,
        uint16 size
    ) external pure {
        if (phase > 15 || size > 256) return;
        RoundHead h = RoundHeads.opening(round, phase, deadline, roster, size);
        assert(h.round() == round && h.phase() == phase && h.deadline() == deadline && h.missing() == size);
        assert(h.agreed() == 0 && h.prefix() == 0 && !h.dissents() && !h.misses() && !h.abstains());
        assert(h.seated() == roster << 116 >> 116);
    }

    /// @dev Who is awaited, by the seat; what else the head says stays.
    function check_who_speaks_is_awaited_no_more_and_nothing_else_changes(uint256 word, uint8 seat) external pure {
        RoundHead h = RoundHead.wrap(word);
        if (seat == 0 || seat > RoundHeads.SEATS || !h.seated().has(seat - 1) || h.missing() == 0) return;
        RoundHead after_ = h.heard(seat);
        assert(after_.seated() == h.seated() ^ 1 << (seat - 1) && after_.missing() == h.missing() - 1);
        assert(after_.round() == h.round() && after_.phase() == h.phase() && after_.deadline() == h.deadline());
        assert(after_.quorum() == h.quorum() && after_.agreed() == h.agreed() && after_.prefix() == h.prefix());
        assert(after_.dissents() == h.dissents() && after_.misses() == h.misses());
        assert(after_.abstains() == h.abstains());
    }

    function check_a_member_is_expected_in_its_round_phase_and_time_alone(
        uint256 word,
        uint40 time,
        uint32 round,
        uint8 phase,
        uint16 seat
    ) external pure {
        RoundHead h = RoundHead.wrap(word & ~(uint256(1) << 115)); // the bit of nobody's seat is zero in every head
        if (phase > 15 || seat > 256) return;
        bool due = h.round() == round && h.phase() == phase && time < h.deadline();
        bool awaited = seat != 0 && seat <= RoundHeads.SEATS && h.seated().has(uint256(seat) - 1);
        assert(h.expects(time, round, phase, seat) == (due && awaited));
    }

    function check_a_seats_fields_do_not_touch_each_other(uint256 word, uint16 seat, uint8 streak, uint40 time)
        external
        pure
    {
        if (seat > 256 || streak > 7) return;
        uint256 moved = SeatSlots.seatedAt(word, seat, streak);
        assert(SeatSlots.seat(moved) == seat && SeatSlots.streak(moved) == streak);
        assert(SeatSlots.drops(moved) == SeatSlots.drops(word));
        assert(moved >> 20 == word >> 20);
        uint256 dropped = SeatSlots.droppedOnceMore(word, time);
        uint256 times = SeatSlots.drops(word);
        assert(SeatSlots.drops(dropped) == (times < 255 ? times + 1 : 255) && SeatSlots.droppedAt(dropped) == time);
        assert(dropped & 0xfff == word & 0xfff && dropped >> 60 == word >> 60);
    }

    // -------------------------------------------------------------------------------------------------------- rules

    function _three(int32 a, int32 b, int32 c) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }

    function check_a_median_has_as_many_below_as_above(int32 a, int32 b, int32 c) external pure {
        int256 m = Rules.median(_three(a, b, c));
        assert(m == a || m == b || m == c);
        assert((a <= m ? 1 : 0) + (b <= m ? 1 : 0) + (c <= m ? 1 : 0) >= 2);
        assert((a >= m ? 1 : 0) + (b >= m ? 1 : 0) + (c >= m ? 1 : 0) >= 2);
    }

    function check_a_median_is_the_same_in_any_order(int32 a, int32 b, int32 c) external pure {
        int256 m = Rules.median(_three(a, b, c));
        assert(m == Rules.median(_three(b, c, a)) && m == Rules.median(_three(b, a, c)));
    }

    // -------------------------------------------------------------------------------------------------------- trees

    /// @dev Of every range that a descent comes to in a blob of fewer than 2^40 values.
    function check_a_step_shows_at_most_32_parts_and_no_fewer_than_it_could(uint40 count) external pure {
        if (count < 2 || count > 1 << 33) return;
        uint256 size = Trees.partOf(count);
        assert(size & (size - 1) == 0);
        assert((count + size - 1) / size <= Trees.PARTS);
        assert(size == 1 || (count + size / 2 - 1) / (size / 2) > Trees.PARTS);
    }
}
