// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Court} from "./Court.sol";
import {ICourt} from "./ICourt.sol";
import {IFederation} from "./IFederation.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Head, Heads} from "./libraries/Heads.sol";
import {Streaks} from "./libraries/Streaks.sol";
import {Tally} from "./libraries/Tally.sol";
import {Undos} from "./libraries/Undos.sol";

/// @title What a federation keeps, and how its rounds move on.
///
/// Whatever a phase needs in full is worked out when it closes: a `Round` is loaded into memory, moved on by functions
/// that write no storage, and saved. A view can move one on without saving it.
abstract contract Rounds is IFederation {
    using Bitmaps for uint256;
    using Streaks for Streaks.Counters;
    using Tally for uint256[9];
    using Undos for uint64[];

    /// @dev The current round, unpacked.
    struct Round {
        uint256 number;
        Phase phase;
        uint256 deadline;
        uint256 baseRound;
        uint256 roster;
        uint256 committed;
        uint256 voted;
        uint256 attested;
        uint256 included;
        uint256 refused; // by at least two thirds of the roster; worked out when the vote phase closes
        uint256 agreed;
        uint256 active;
        Outcome closed; // the round that the last step closed; status None if it closed none
        uint256 closedBase; // the round that made that one's base
        uint256 silent; // members of the closed round's roster who attested nothing
        uint256 astray; // members of it who attested another root than the final one
        uint256 dropped; // members whom the closing dropped
        Streaks.Counters streaks; // loaded when a round closes
    }

    /// @dev Phases as the head holds them.
    uint256 internal constant FORMING = uint256(Phase.Forming);
    uint256 internal constant COMMIT = uint256(Phase.Commit);
    uint256 internal constant VOTE = uint256(Phase.Vote);
    uint256 internal constant ATTEST = uint256(Phase.Attest);
    uint256 internal constant DONE = uint256(Phase.Done);

    uint256 internal constant MAX_MEMBERS = 256;
    uint256 internal constant MAX_STREAK = 7;
    /// @dev Room for an entry a round: a plain array costs no hash where a mapping would.
    uint256 internal constant ROUNDS = 1 << 32;

    bytes32 internal immutable CHARTER;
    bytes32 internal immutable GENESIS;
    uint256 internal immutable LAST_ROUND;
    uint256 internal immutable JOIN_SECONDS;
    uint256 internal immutable COMMIT_SECONDS;
    uint256 internal immutable VOTE_SECONDS;
    uint256 internal immutable ATTEST_SECONDS;
    uint256 internal immutable START_MEMBERS;
    uint256 internal immutable MIN_MEMBERS;
    uint256 internal immutable MAX_MISSED;
    uint256 internal immutable QUORUM_NUMERATOR;
    uint256 internal immutable QUORUM_DENOMINATOR;
    bytes32 internal immutable ALLOW_LIST;
    /// @inheritdoc IFederation
    ICourt public immutable COURT;

    /// @dev The current round, and the round closed last as it stood then (deadline 0 if it is void).
    Head internal _head;
    Head internal _last;
    /// @dev Awaited members with seats beyond Heads.SEATS, of the two heads; says nothing while a head misses no more
    /// than it seats.
    uint256 internal _awaitedBeyond;
    uint256 internal _lastBeyond;

    uint256 internal _active;
    /// @dev Rosters of the current round and of the one before it, by the round's lowest bit.
    uint256[2] internal _rosters;
    /// @dev Who has committed, from the vote phase on; who has voted, from the attest phase on; who had attested, when done.
    uint256 internal _committed;
    uint256 internal _voted;
    uint256 internal _attested;
    Streaks.Counters internal _streaks;

    address[] internal _members;

    /// @dev By index, of the last round in which the member spoke.
    bytes32[MAX_MEMBERS] internal _roots;
    uint256[MAX_MEMBERS] internal _ballots;
    /// @dev Most members attest the same root. The first one attested is kept once for all who agree with it; those
    /// who do not, counted in the head, have an entry of their own, and each of their roots the bitmap of its attesters.
    bytes32 internal _firstAttested;
    uint256 internal _dissenters;
    bytes32[MAX_MEMBERS] internal _attestations;
    mapping(uint32 round => mapping(bytes32 root => uint256)) internal _attestersOf;

    /// @dev By round, for ever. `_finalAttesters` is written when the next round closes, for until then it may grow. The
    /// stamps hold until when a round took late attestations, and above bit 40 the round that made its base.
    bytes32[ROUNDS] internal _finalRoots;
    uint256[ROUNDS] internal _included;
    uint256[ROUNDS] internal _finalAttesters;
    uint80[ROUNDS] internal _stamps;
    bytes32[ROUNDS] internal _evidence;
    /// @dev Of most rounds nothing is written here: those who attested another root than the final one, and those whose
    /// update two thirds refused.
    uint256[ROUNDS] internal _astray;
    uint256[ROUNDS] internal _refused;
    /// @dev Rounds that were taken back; what is said of them above stays.
    uint64[] internal _undone;
    /// @dev `keccak256(abi.encode(_roll before, member))` of all members in the order of joining.
    bytes32 internal _roll;

    constructor(Terms memory t) {
        require(t.charter != 0, InvalidTerms("charter"));
        require(t.genesis != 0, InvalidTerms("genesis"));
        require(t.rounds != 0, InvalidTerms("rounds"));
        require(t.joinSeconds != 0, InvalidTerms("joinSeconds"));
        require(t.commitSeconds != 0, InvalidTerms("commitSeconds"));
        require(t.voteSeconds != 0, InvalidTerms("voteSeconds"));
        require(t.attestSeconds != 0, InvalidTerms("attestSeconds"));
        require(t.startMembers != 0 && t.startMembers <= MAX_MEMBERS, InvalidTerms("startMembers"));
        require(t.minMembers != 0 && t.minMembers <= t.startMembers, InvalidTerms("minMembers"));
        require(t.maxMissed <= MAX_STREAK, InvalidTerms("maxMissed"));
        require(
            uint256(t.quorumNumerator) * 2 >= t.quorumDenominator && t.quorumNumerator < t.quorumDenominator,
            InvalidTerms("quorum")
        );
        CHARTER = t.charter;
        GENESIS = t.genesis;
        LAST_ROUND = t.rounds;
        JOIN_SECONDS = t.joinSeconds;
        COMMIT_SECONDS = t.commitSeconds;
        VOTE_SECONDS = t.voteSeconds;
        ATTEST_SECONDS = t.attestSeconds;
        START_MEMBERS = t.startMembers;
        MIN_MEMBERS = t.minMembers;
        MAX_MISSED = t.maxMissed;
        QUORUM_NUMERATOR = t.quorumNumerator;
        QUORUM_DENOMINATOR = t.quorumDenominator;
        ALLOW_LIST = t.allowList;
        COURT = new Court(t);
        _head = Heads.pack(0, 0, block.timestamp + t.joinSeconds, FORMING, 0, 0, 0);
    }

    // ---------------------------------------------------------------------------------------------- moving on, for good

    /// @dev Moves the phase on by one step if its time has come, and returns the head.
    function _advance() internal returns (Head h) {
        h = _head;
        if (!_due(h, block.timestamp)) return h;
        Round memory r = _load(h);
        if (_step(r, block.timestamp)) h = _save(r);
    }

    /// @dev Whether the phase's deadline has passed.
    function _due(Head h, uint256 time) internal pure returns (bool) {
        return time >= h.deadline() && h.phase() != DONE;
    }

    /// @dev Closes the phase because everybody has spoken.
    function _turn(Head h) internal {
        Round memory r = _load(h);
        _step(r, block.timestamp);
        _save(r);
    }

    // -------------------------------------------------------------------------- moving a round on, in memory only

    /// @dev Ends the current phase because its time is over or everybody has spoken; false if it cannot end yet.
    function _step(Round memory r, uint256 time) internal view returns (bool) {
        if (r.phase == Phase.Forming) {
            if (!_gathered(r, time)) return false;
            _open(r, time);
        } else if (r.phase == Phase.Commit && r.committed.count() >= MIN_MEMBERS) {
            r.phase = Phase.Vote;
            r.deadline = time + VOTE_SECONDS;
        } else if (r.phase == Phase.Vote && _count(r) != 0) {
            r.phase = Phase.Attest;
            r.deadline = time + ATTEST_SECONDS;
        } else {
            _close(r, 0, 0, time);
        }
        return true;
    }

    /// @dev Whether round 1 can open.
    function _gathered(Round memory r, uint256 time) internal view returns (bool) {
        uint256 n = r.active.count();
        return n >= START_MEMBERS || (time >= r.deadline && n >= MIN_MEMBERS);
    }

    /// @dev Counts the ballots: the updates that more than half of the roster accepts are included.
    function _count(Round memory r) private view returns (uint256) {
        uint256[9] memory planes;
        for (uint256 i = 0; r.voted >> i != 0; ++i) {
            if (r.voted.has(i)) planes.add(_ballots[i]);
        }
        uint256 size = r.roster.count();
        uint256 twoThirds = (2 * size + 2) / 3;
        uint256 ballots = r.voted.count();
        // Refused by at least so many is accepted by no more than the others who voted.
        if (ballots >= twoThirds) r.refused = r.committed & ~planes.above(ballots - twoThirds);
        return r.included = planes.above(size / 2);
    }

    /// @dev Closes the round, final with `root` or void if that is zero, and opens the next one if there is one.
    function _close(Round memory r, bytes32 root, uint256 attesters, uint256 time) internal view {
        Outcome memory o = r.closed;
        o.round = uint32(r.number);
        o.included = r.included;
        if (root != 0) {
            o.status = Status.Final;
            o.root = root;
            o.attesters = attesters;
            o.openUntil = uint64(r.deadline);
            r.closedBase = r.baseRound;
            r.baseRound = r.number;
        } else {
            o.status = Status.Void;
        }
        r.silent = r.roster & ~r.attested;
        r.astray = r.attested & ~attesters;
        if (MAX_MISSED != 0) {
            uint256 present = r.committed;
            if (r.phase != Phase.Commit) present &= r.voted;
            if (r.phase == Phase.Attest && root == 0) present &= r.attested;
            r.streaks = _streaks;
            r.dropped = r.active & r.streaks.step(r.roster, r.roster & ~present, MAX_MISSED);
            r.active ^= r.dropped;
        }
        _next(r, time);
    }

    /// @dev Closes the round void because it was built on one that was taken back; nobody has missed it.
    function _breakOff(Round memory r, uint256 baseRound, uint256 time) private view {
        Outcome memory o = r.closed;
        o.round = uint32(r.number);
        o.included = r.included;
        o.status = Status.Void;
        r.baseRound = baseRound;
        if (MAX_MISSED != 0) r.streaks = _streaks;
        _next(r, time);
    }

    /// @dev Opens the next round, if there is one.
    function _next(Round memory r, uint256 time) private view {
        if (r.number == LAST_ROUND) {
            r.phase = Phase.Done;
            r.deadline = 0;
        } else {
            _open(r, time);
        }
    }

    /// @dev Opens the next round.
    function _open(Round memory r, uint256 time) internal view {
        r.number += 1;
        r.phase = Phase.Commit;
        r.deadline = time + COMMIT_SECONDS;
        r.roster = r.active;
        r.committed = 0;
        r.voted = 0;
        r.attested = 0;
        r.included = 0;
        r.agreed = 0;
    }

    // -------------------------------------------------------------------------------------------- loading, saving

    /// @dev Unpacks the current round; in each phase, those of the roster who are not awaited have spoken.
    function _load(Head h) internal view returns (Round memory r) {
        r.number = h.round();
        r.phase = Phase(h.phase());
        r.deadline = h.deadline();
        r.baseRound = h.baseRound();
        r.agreed = h.agreed();
        r.active = _active;
        if (r.phase == Phase.Forming) return r;
        r.roster = _rosters[r.number & 1];
        uint256 spoken = r.roster & ~_awaited(h);
        if (r.phase == Phase.Commit) {
            r.committed = spoken;
            return r;
        }
        r.committed = _committed;
        if (r.phase == Phase.Vote) {
            r.voted = spoken;
            return r;
        }
        r.voted = _voted;
        r.attested = r.phase == Phase.Attest ? spoken : _attested;
        r.included = _included[r.number];
    }

    /// @dev Keeps a round that has moved on by a step, and says so.
    function _save(Round memory r) internal returns (Head h) {
        if (r.closed.status != Status.None) _record(r);
        uint256 size = r.roster.count();
        if (r.phase == Phase.Done) {
            _committed = r.committed;
            _voted = r.voted;
            _attested = r.attested;
        } else if (r.phase == Phase.Commit) {
            _rosters[r.number & 1] = r.roster;
        } else if (r.phase == Phase.Vote) {
            _committed = r.committed;
        } else {
            _voted = r.voted;
            _included[r.number] = r.included;
            if (r.refused != 0) _refused[r.number] = r.refused;
        }
        uint256 quorum = size * QUORUM_NUMERATOR / QUORUM_DENOMINATOR + 1;
        h = Heads.pack(r.number, r.baseRound, r.deadline, uint256(r.phase), quorum, r.committed.prefix(), r.agreed);
        if (r.phase != Phase.Done) {
            h = h.awaiting(r.roster, size);
            if (r.roster >> Heads.SEATS != 0) _awaitedBeyond = r.roster;
        }
        _head = h;
        emit PhaseOpened(r.number, r.phase, r.deadline);
    }

    /// @dev Keeps what became of the round just closed; first, for ever, who attested the one before it.
    function _record(Round memory r) private {
        Outcome memory o = r.closed;
        _keepLastAttesters();
        Head last = Heads.pack(o.round, 0, o.openUntil, 0, 0, 0, 0);
        if (o.status == Status.Final) {
            _finalRoots[o.round] = o.root;
            _stamps[o.round] = uint80(o.openUntil | r.closedBase << 40);
            _evidence[o.round] = _rootsOf(o.included);
            if (r.astray != 0) _astray[o.round] = r.astray;
            last = last.awaiting(r.silent, r.silent.count());
            if (r.silent >> Heads.SEATS != 0) _lastBeyond = r.silent;
        }
        _last = last;
        if (MAX_MISSED != 0) _streaks = r.streaks;
        emit RoundClosed(o.round, o.status, o.root, o.included, o.attesters);
        if (r.dropped != 0) {
            _active = r.active;
            emit Dropped(r.dropped, o.round);
        }
    }

    /// @dev Takes back a final round and all after it.
    function _undo(uint256 round, uint256 time) internal {
        Head h = _head;
        uint256 baseRound = _stamps[round] >> 40;
        _undone.add(round, h.round());
        emit Undone(round, h.round(), baseRound);
        if (h.phase() == DONE) {
            _keepLastAttesters();
            _last = Heads.pack(h.round(), 0, 0, 0, 0, 0, 0);
            _head = h.rebased(baseRound);
        } else {
            Round memory r = _load(h);
            _breakOff(r, baseRound, time);
            _save(r);
        }
    }

    /// @dev Keeps for ever who attested the round closed last, if it is final.
    function _keepLastAttesters() private {
        Head last = _last;
        if (last.deadline() != 0) _finalAttesters[last.round()] = _lastAttesters(last);
    }

    /// @dev The attesters, so far, of the round closed last, which is final.
    function _lastAttesters(Head last) internal view returns (uint256) {
        return _rosters[last.round() & 1] & ~_lastAwaited(last) & ~_astray[last.round()];
    }

    /// @dev What is left of the roots of these members, who committed in this round, once the ring is written anew.
    function _rootsOf(uint256 members) private view returns (bytes32) {
        bytes32[] memory roots = new bytes32[](members.count());
        uint256 n;
        for (uint256 i = 0; members >> i != 0; ++i) {
            if (members.has(i)) roots[n++] = _roots[i];
        }
        return keccak256(abi.encodePacked(roots));
    }

    /// @dev All awaited members, of whom the head itself seats the first ones only.
    function _awaited(Head h) internal view returns (uint256 members) {
        members = h.seated();
        if (members.count() != h.missing()) members |= (_awaitedBeyond >> Heads.SEATS) << Heads.SEATS;
    }

    /// @dev The same of the round closed last.
    function _lastAwaited(Head last) internal view returns (uint256 members) {
        members = last.seated();
        if (members.count() != last.missing()) members |= (_lastBeyond >> Heads.SEATS) << Heads.SEATS;
    }
}
