// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "./IFederation.sol";
import {Relay} from "./Relay.sol";
import {Rounds} from "./Rounds.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Head, Heads} from "./libraries/Heads.sol";
import {Seats} from "./libraries/Seats.sol";
import {Streaks} from "./libraries/Streaks.sol";
import {Undos} from "./libraries/Undos.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title The federation contract. What it promises is said in `IFederation`; here is how members are heard.
///
/// A verb reads the caller's seat and the head, and writes the head and at most one slot of the caller's own, which is
/// used again in every round. Only who ends a phase pays for more: `Rounds` says how one moves on.
contract Federation is Relay {
    using Bitmaps for uint256;
    using Streaks for Streaks.Counters;
    using Undos for uint64[];

    constructor(Terms memory t) Rounds(t) {}

    modifier onlyCourt() {
        require(msg.sender == address(COURT), NotCourt(msg.sender));
        _;
    }

    // ----------------------------------------------------------------------------------------------------- verbs

    /// @inheritdoc IFederation
    function join(bytes32 charter, bytes32[] calldata proof) external {
        Head h = _advance();
        require(charter == CHARTER, CharterMismatch(CHARTER));
        require(h.phase() != DONE, WrongPhase(Phase.Done));
        require(_isAllowed(msg.sender, proof), NotAllowed(msg.sender));
        COURT.admit(msg.sender);
        uint256 seat = Seats.get(msg.sender);
        uint256 active = _active;
        if (seat == 0) {
            seat = _members.length + 1;
            require(seat <= MAX_MEMBERS, FederationFull());
            _members.push(msg.sender);
            _roll = keccak256(abi.encode(_roll, msg.sender));
            Seats.set(msg.sender, seat);
        } else {
            require(!active.has(seat - 1), AlreadyMember(seat - 1));
            Streaks.Counters memory streaks = _streaks;
            streaks.clear(1 << (seat - 1));
            _streaks = streaks;
        }
        active |= 1 << (seat - 1);
        _active = active;
        emit Joined(msg.sender, seat - 1);
        if (h.phase() == FORMING) {
            Round memory r = _load(h);
            if (_gathered(r, block.timestamp)) {
                _open(r, block.timestamp);
                _save(r);
            }
        }
    }

    /// @inheritdoc IFederation
    function leave() external {
        _advance();
        uint256 seat = Seats.get(msg.sender);
        uint256 active = _active;
        require(seat != 0 && active.has(seat - 1), NotMember(msg.sender));
        _active = active ^ (1 << (seat - 1));
        emit Left(seat - 1);
    }

    /// @inheritdoc IFederation
    function commit(uint32 round, bytes32 root) external {
        Head h = _head;
        uint256 seat = Seats.get(msg.sender);
        h = h.expects(block.timestamp, round, COMMIT, seat) ? h.heard(seat) : _hear(round, COMMIT, seat);
        if (root == 0) revert ZeroRoot();
        unchecked {
            _roots[seat - 1] = root;
            emit Committed(round, seat - 1, root);
        }
        if (h.missing() == 0) _turn(h);
        else _head = h;
    }

    /// @inheritdoc IFederation
    function vote(uint32 round, uint256 ballot) external {
        Head h = _head;
        uint256 seat = Seats.get(msg.sender);
        h = h.expects(block.timestamp, round, VOTE, seat) ? h.heard(seat) : _hear(round, VOTE, seat);
        if (ballot >> h.prefix() != 0 && ballot & ~_committed != 0) revert BallotOutsideCommits(_committed);
        unchecked {
            _ballots[seat - 1] = ballot;
            emit Voted(round, seat - 1, ballot);
        }
        if (h.missing() == 0) _turn(h);
        else _head = h;
    }

    /// @inheritdoc IFederation
    function attest(uint32 round, bytes32 root) external {
        Head h = _head;
        uint256 seat = Seats.get(msg.sender);
        if (h.expects(block.timestamp, round, ATTEST, seat)) {
            h = h.heard(seat);
        } else {
            h = _advance();
            if (round != h.round() || h.phase() != ATTEST) return _attestLate(h, round, root, seat);
            h = _hear(round, ATTEST, seat);
        }
        if (root == 0) revert ZeroRoot();
        unchecked {
            emit Attested(round, seat - 1, root);
        }
        if (h.agreed() == 0) _firstAttested = root;
        else if (root != _firstAttested) return _dissent(h, round, root, seat);
        h = h.agreeing();
        if (h.agreed() < h.quorum()) {
            _head = h;
        } else {
            Round memory r = _load(h);
            _close(r, root, r.attested & ~_dissentersOf(r), block.timestamp);
            _save(r);
        }
    }

    /// @inheritdoc IFederation
    function poke() external {
        _advance();
    }

    /// @inheritdoc IFederation
    function undo(uint32 round) external onlyCourt {
        _advance();
        _undo(round, block.timestamp);
    }

    /// @inheritdoc IFederation
    function unseatMembers(uint256 members_) external onlyCourt {
        _advance(); // whom a round that is due counts on was decided by its deadline
        uint256 active = _active;
        if (active & members_ == 0) return;
        _active = active & ~members_;
        emit Unseated(active & members_);
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IFederation
    function snapshot(uint64 time) external view returns (View memory v) {
        if (time < block.timestamp) time = uint64(block.timestamp);
        Head h = _head;
        Round memory r = _load(h);
        if (_due(h, time)) _step(r, time);
        v.time = time;
        v.round = uint32(r.number);
        v.phase = r.phase;
        v.deadline = uint64(r.deadline);
        v.base = r.baseRound == 0 ? GENESIS : _finalRoots[r.baseRound];
        v.baseRound = uint32(r.baseRound);
        v.roster = r.roster;
        v.active = r.active;
        v.committed = r.committed;
        v.voted = r.voted;
        v.attested = r.attested;
        v.included = r.included;
        v.members = _members;
        uint256 n = v.members.length;
        v.roots = new bytes32[](n);
        v.ballots = new uint256[](n);
        v.attestations = new bytes32[](n);
        uint256 dissenters = _dissentersOf(r);
        for (uint256 i = 0; i < n; ++i) {
            if (r.committed.has(i)) v.roots[i] = _roots[i];
            if (r.voted.has(i)) v.ballots[i] = _ballots[i];
            if (r.attested.has(i)) v.attestations[i] = dissenters.has(i) ? _attestations[i] : _firstAttested;
        }
        v.previous = r.closed.status == Status.None ? outcome(_lastClosed(h)) : r.closed;
    }

    /// @inheritdoc IFederation
    function outcome(uint256 round) public view returns (Outcome memory o) {
        if (round > type(uint32).max) return o;
        Record memory r = record(uint32(round));
        if (r.status == Status.None) return o;
        o.round = uint32(round);
        o.status = r.status;
        o.included = r.included;
        if (o.status == Status.Void) return o;
        o.root = r.root;
        o.attesters = r.attesters;
        o.openUntil = r.openUntil;
    }

    /// @inheritdoc IFederation
    function record(uint32 round) public view returns (Record memory r) {
        uint256 last = _lastClosed(_head);
        if (round == 0 || round > last) return r;
        r.root = _finalRoots[round];
        r.undone = _undone.has(round);
        r.status = r.root == 0 || r.undone ? Status.Void : Status.Final;
        r.included = _included[round];
        r.refused = _refused[round];
        if (r.root == 0) return r;
        r.openUntil = uint40(_stamps[round]);
        r.baseRound = uint32(_stamps[round] >> 40);
        r.evidence = _evidence[round];
        r.astray = _astray[round];
        Head closed = _last;
        r.attesters = round == last && closed.deadline() != 0 ? _lastAttesters(closed) : _finalAttesters[round];
    }

    /// @inheritdoc IFederation
    function terms() external view returns (Terms memory t) {
        t = COURT.terms();
        t.charter = CHARTER;
        t.genesis = GENESIS;
        t.rounds = uint32(LAST_ROUND);
        t.joinSeconds = uint32(JOIN_SECONDS);
        t.commitSeconds = uint32(COMMIT_SECONDS);
        t.voteSeconds = uint32(VOTE_SECONDS);
        t.attestSeconds = uint32(ATTEST_SECONDS);
        t.startMembers = uint16(START_MEMBERS);
        t.minMembers = uint16(MIN_MEMBERS);
        t.maxMissed = uint8(MAX_MISSED);
        t.quorumNumerator = uint8(QUORUM_NUMERATOR);
        t.quorumDenominator = uint8(QUORUM_DENOMINATOR);
        t.allowList = ALLOW_LIST;
    }

    /// @inheritdoc IFederation
    function seatOf(address member) external view returns (uint256 seat, bool active, uint32 round) {
        seat = Seats.get(member);
        active = seat != 0 && _active.has(seat - 1);
        round = uint32(_head.round());
    }

    /// @inheritdoc IFederation
    function members() external view returns (address[] memory) {
        return _members;
    }

    // ------------------------------------------------------------------------------------------- parts of a verb

    /// @dev Hears a member when not all is as it mostly is: moves the phase on if it is time to, finds out what is wrong,
    /// or that nothing is and the member's seat is beyond those in the head.
    function _hear(uint32 round, uint256 phase, uint256 seat) private returns (Head h) {
        h = _advance();
        if (seat == 0) revert NotMember(msg.sender);
        if (round != h.round()) revert WrongRound(h.round());
        if (phase != h.phase()) revert WrongPhase(Phase(h.phase()));
        if (seat <= Heads.SEATS) {
            if (h.awaits(seat)) return h.heard(seat);
        } else {
            uint256 awaited = _awaited(h);
            if (awaited.has(seat - 1)) {
                _awaitedBeyond = awaited ^ (1 << (seat - 1));
                return h.heardBeyond();
            }
        }
        if (!_rosters[round & 1].has(seat - 1)) revert NotInRoster(seat - 1);
        if (phase == COMMIT) revert AlreadyCommitted(seat - 1);
        if (phase == VOTE) revert AlreadyVoted(seat - 1);
        revert AlreadyAttested(seat - 1);
    }

    /// @dev An attestation of another root than the one attested first.
    function _dissent(Head h, uint32 round, bytes32 root, uint256 seat) private {
        uint256 attesters = _noteDissent(h, round, root, seat - 1);
        if (attesters.count() < h.quorum()) {
            _head = h;
        } else {
            Round memory r = _load(h);
            _close(r, root, attesters, block.timestamp);
            _save(r);
        }
    }

    /// @dev An attestation of the round closed last.
    function _attestLate(Head h, uint32 round, bytes32 root, uint256 seat) private {
        if (seat == 0) revert NotMember(msg.sender);
        Head last = _last;
        if (round == 0 || round != last.round() || block.timestamp > last.deadline()) {
            if (round != h.round()) revert WrongRound(h.round());
            revert WrongPhase(Phase(h.phase()));
        }
        if (seat <= Heads.SEATS && last.awaits(seat)) {
            last = last.heard(seat);
        } else {
            uint256 awaited = _lastAwaited(last);
            if (!awaited.has(seat - 1)) {
                if (!_rosters[round & 1].has(seat - 1)) revert NotInRoster(seat - 1);
                revert AlreadyAttested(seat - 1);
            }
            _lastBeyond = awaited ^ (1 << (seat - 1));
            last = last.heardBeyond();
        }
        if (root == 0) revert ZeroRoot();
        if (root != _finalRoots[round]) revert WrongRoot(_finalRoots[round]);
        _last = last;
        unchecked {
            emit Attested(round, seat - 1, root);
        }
    }

    /// @dev Whether the allow-list, if there is one, names this address.
    function _isAllowed(address account, bytes32[] calldata proof) private view returns (bool) {
        if (ALLOW_LIST == 0) return true;
        return MerkleProof.verifyCalldata(proof, ALLOW_LIST, keccak256(bytes.concat(keccak256(abi.encode(account)))));
    }

    /// @dev Number of the round closed last; 0 if none has.
    function _lastClosed(Head h) private pure returns (uint256) {
        if (h.phase() == DONE) return h.round();
        return h.round() == 0 ? 0 : h.round() - 1;
    }
}
