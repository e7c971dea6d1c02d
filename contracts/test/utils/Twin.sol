// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../../src/IFederation.sol";

/// @title A federation without a single trick: sets are loops over flags, counters are counted, nothing is packed.
/// @notice Written from the words of `IFederation` to be compared with the real one; slow, and meant to be read.
contract Twin is IFederation {
    struct Member {
        address account;
        bool active;
        bool inRoster;
        bool hasCommitted;
        bool hasVoted;
        bool hasAttested;
        bytes32 root;
        uint256 ballot;
        bytes32 attestation;
        uint256 missedInARow;
        bool wasInRoster; // of the round closed last
        bool hadAttested;
    }

    Terms private _terms;
    Member[] private _members;
    uint32 private _round;
    Phase private _phase;
    uint256 private _deadline;
    uint256 private _included;
    bytes32 private _base;
    uint32 private _baseRound;
    Outcome[] private _outcomes; // round r at r - 1

    constructor(Terms memory t) {
        _terms = t;
        _base = t.genesis;
        _deadline = block.timestamp + t.joinSeconds;
    }

    // ----------------------------------------------------------------------------------------------------- verbs

    function join(bytes32 charter) external {
        _advance(block.timestamp);
        require(charter == _terms.charter, CharterMismatch(_terms.charter));
        require(_phase != Phase.Done, WrongPhase(_phase));
        uint256 index = _find(msg.sender);
        if (index == _members.length) {
            require(index < 256, FederationFull());
            _members.push();
            _members[index].account = msg.sender;
        }
        require(!_members[index].active, AlreadyMember(index));
        _members[index].active = true;
        _members[index].missedInARow = 0;
        emit Joined(msg.sender, index);
        if (_phase == Phase.Forming && _canOpen(block.timestamp)) _open(block.timestamp);
    }

    function leave() external {
        _advance(block.timestamp);
        uint256 index = _find(msg.sender);
        require(index < _members.length && _members[index].active, NotMember(msg.sender));
        _members[index].active = false;
        emit Left(index);
    }

    function commit(uint32 round, bytes32 root) external {
        uint256 index = _begin(round, Phase.Commit);
        require(!_members[index].hasCommitted, AlreadyCommitted(index));
        require(root != 0, ZeroRoot());
        _members[index].hasCommitted = true;
        _members[index].root = root;
        emit Committed(round, index, root);
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].inRoster && !_members[i].hasCommitted) return;
        }
        _closeCommit(block.timestamp);
    }

    function vote(uint32 round, uint256 ballot) external {
        uint256 index = _begin(round, Phase.Vote);
        require(!_members[index].hasVoted, AlreadyVoted(index));
        for (uint256 i = 0; i < 256; ++i) {
            bool committed = i < _members.length && _members[i].hasCommitted;
            require(committed || (ballot >> i) % 2 == 0, BallotOutsideCommits(_committed()));
        }
        _members[index].hasVoted = true;
        _members[index].ballot = ballot;
        emit Voted(round, index, ballot);
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].inRoster && !_members[i].hasVoted) return;
        }
        _closeVote(block.timestamp);
    }

    function attest(uint32 round, bytes32 root) external {
        _advance(block.timestamp);
        uint256 index = _find(msg.sender);
        require(index < _members.length, NotMember(msg.sender));
        if (round != 0 && round == _outcomes.length) {
            Outcome storage o = _outcomes[round - 1];
            if (o.status == Status.Final && block.timestamp <= o.openUntil) {
                require(_members[index].wasInRoster, NotInRoster(index));
                require(!_members[index].hadAttested, AlreadyAttested(index));
                require(root != 0, ZeroRoot());
                require(root == o.root, WrongRoot(o.root));
                _members[index].hadAttested = true;
                o.attesters += 1 << index;
                emit Attested(round, index, root);
                return;
            }
        }
        _begin(round, Phase.Attest);
        require(!_members[index].hasAttested, AlreadyAttested(index));
        require(root != 0, ZeroRoot());
        _members[index].hasAttested = true;
        _members[index].attestation = root;
        emit Attested(round, index, root);
        uint256 size;
        uint256 agreed;
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].inRoster) size += 1;
            if (_members[i].hasAttested && _members[i].attestation == root) agreed += 1;
        }
        if (agreed * _terms.quorumDenominator > size * _terms.quorumNumerator) {
            _close(root, block.timestamp);
        }
    }

    function poke() external {
        _advance(block.timestamp);
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @dev Moves on to see how it looks then, and takes that back by a revert whose data is the answer.
    function revertWithSnapshot(uint64 time) external {
        View memory v;
        v.time = time > block.timestamp ? time : uint64(block.timestamp);
        _advance(v.time);
        v.round = _round;
        v.phase = _phase;
        v.deadline = uint64(_deadline);
        v.base = _base;
        v.baseRound = _baseRound;
        uint256 n = _members.length;
        v.members = new address[](n);
        v.roots = new bytes32[](n);
        v.ballots = new uint256[](n);
        v.attestations = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            Member storage m = _members[i];
            if (m.inRoster) v.roster += 1 << i;
            if (m.active) v.active += 1 << i;
            if (m.hasVoted) v.voted += 1 << i;
            if (m.hasAttested) v.attested += 1 << i;
            v.members[i] = m.account;
            v.roots[i] = m.root;
            v.ballots[i] = m.ballot;
            v.attestations[i] = m.attestation;
        }
        v.committed = _committed();
        v.included = _included;
        if (_outcomes.length > 0) v.previous = _outcomes[_outcomes.length - 1];
        bytes memory answer = abi.encode(v);
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function snapshot(uint64) external pure returns (View memory) {
        revert("ask revertWithSnapshot");
    }

    function outcome(uint256 round) external view returns (Outcome memory o) {
        if (round >= 1 && round <= _outcomes.length) o = _outcomes[round - 1];
    }

    function terms() external view returns (Terms memory) {
        return _terms;
    }

    // ------------------------------------------------------------------------------------------------- the rules

    function _find(address account) private view returns (uint256 index) {
        while (index < _members.length && _members[index].account != account) ++index;
    }

    /// @dev The checks that commit, vote and attest share, in their order.
    function _begin(uint32 round, Phase phase) private returns (uint256 index) {
        _advance(block.timestamp);
        index = _find(msg.sender);
        require(index < _members.length, NotMember(msg.sender));
        require(round == _round, WrongRound(_round));
        require(phase == _phase, WrongPhase(_phase));
        require(_members[index].inRoster, NotInRoster(index));
    }

    function _committed() private view returns (uint256 committed) {
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].hasCommitted) committed += 1 << i;
        }
    }

    /// @dev One step at most: a phase that opens has a fresh deadline.
    function _advance(uint256 time) private {
        if (_phase == Phase.Done || time < _deadline) return;
        if (_phase == Phase.Forming && _canOpen(time)) _open(time);
        else if (_phase == Phase.Commit) _closeCommit(time);
        else if (_phase == Phase.Vote) _closeVote(time);
        else if (_phase == Phase.Attest) _close(0, time);
    }

    function _canOpen(uint256 time) private view returns (bool) {
        uint256 n;
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].active) n += 1;
        }
        return n >= _terms.startMembers || (time >= _deadline && n >= _terms.minMembers);
    }

    function _open(uint256 time) private {
        _round += 1;
        _phase = Phase.Commit;
        _deadline = time + _terms.commitSeconds;
        _included = 0;
        for (uint256 i = 0; i < _members.length; ++i) {
            Member storage m = _members[i];
            m.inRoster = m.active;
            (m.hasCommitted, m.hasVoted, m.hasAttested) = (false, false, false);
            (m.root, m.ballot, m.attestation) = (0, 0, 0);
        }
        emit PhaseOpened(_round, _phase, _deadline);
    }

    function _closeCommit(uint256 time) private {
        uint256 commits;
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].hasCommitted) commits += 1;
        }
        if (commits < _terms.minMembers) return _close(0, time);
        _phase = Phase.Vote;
        _deadline = time + _terms.voteSeconds;
        emit PhaseOpened(_round, _phase, _deadline);
    }

    function _closeVote(uint256 time) private {
        uint256 size;
        for (uint256 j = 0; j < _members.length; ++j) {
            if (_members[j].inRoster) size += 1;
        }
        for (uint256 i = 0; i < _members.length; ++i) {
            uint256 accepts;
            for (uint256 j = 0; j < _members.length; ++j) {
                if (_members[j].hasVoted && (_members[j].ballot >> i) % 2 == 1) accepts += 1;
            }
            if (2 * accepts > size) _included += 1 << i;
        }
        if (_included == 0) return _close(0, time);
        _phase = Phase.Attest;
        _deadline = time + _terms.attestSeconds;
        emit PhaseOpened(_round, _phase, _deadline);
    }

    function _close(bytes32 root, uint256 time) private {
        Outcome memory o;
        o.round = _round;
        o.status = root == 0 ? Status.Void : Status.Final;
        o.root = root;
        o.included = _included;
        o.openUntil = root == 0 ? 0 : uint64(_deadline);
        uint256 dropped;
        for (uint256 i = 0; i < _members.length; ++i) {
            Member storage m = _members[i];
            m.wasInRoster = m.inRoster;
            m.hadAttested = m.hasAttested;
            if (root != 0 && m.hasAttested && m.attestation == root) o.attesters += 1 << i;
            if (!m.inRoster) continue;
            bool absent = !m.hasCommitted;
            if (_phase != Phase.Commit) absent = absent || !m.hasVoted;
            if (_phase == Phase.Attest && root == 0) absent = absent || !m.hasAttested;
            m.missedInARow = absent ? m.missedInARow + 1 : 0;
            if (_terms.maxMissed > 0 && m.missedInARow >= _terms.maxMissed) {
                if (m.active) dropped += 1 << i;
                m.active = false;
                m.missedInARow = 0;
            }
        }
        _outcomes.push(o);
        if (root != 0) (_base, _baseRound) = (root, _round);
        emit RoundClosed(o.round, o.status, o.root, o.included, o.attesters);
        if (dropped != 0) emit Dropped(dropped, _round);
        if (_round < _terms.rounds) return _open(time);
        _phase = Phase.Done;
        _deadline = 0;
        emit PhaseOpened(_round, _phase, 0);
    }
}
