// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../../src/ICourt.sol";
import {IFederation} from "../../src/IFederation.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

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

    /// @dev What the court may do with the twin, the pair does as the real one's court.
    address private immutable REAL;

    Terms private _terms;
    Member[] private _members;
    uint32 private _round;
    Phase private _phase;
    uint256 private _deadline;
    uint256 private _included;
    bytes32 private _base;
    uint32 private _baseRound;
    Outcome[] private _outcomes; // round r at r - 1
    Record[] private _records;
    uint256 private _refused;

    constructor(Terms memory t, address real) {
        REAL = real;
        _terms = t;
        _base = t.genesis;
        _deadline = block.timestamp + t.joinSeconds;
    }

    // ----------------------------------------------------------------------------------------------------- verbs

    function join(bytes32 charter, bytes32[] calldata) external {
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
                _records[round - 1].attesters = o.attesters;
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
        if (_hasQuorum(root)) _close(root, block.timestamp);
    }

    function _hasQuorum(bytes32 root) private view returns (bool) {
        uint256 size;
        uint256 agreed;
        for (uint256 i = 0; i < _members.length; ++i) {
            if (_members[i].inRoster) size += 1;
            if (_members[i].hasAttested && _members[i].attestation == root) agreed += 1;
        }
        return agreed * _terms.quorumDenominator > size * _terms.quorumNumerator;
    }

    function poke() external {
        _advance(block.timestamp);
    }

    function relay(Phase phase, uint32 round, uint256 signers, Signed[] calldata messages, address[] calldata)
        external
        returns (uint256 heard)
    {
        Signatures.typeOf(phase);
        uint256 count;
        for (uint256 i = 0; i < 256; ++i) {
            count += (signers >> i) % 2;
        }
        require(messages.length == count, WrongCount(messages.length, count));
        _advance(block.timestamp);
        require(round <= _round, WrongRound(_round));
        require(round < _round || phase <= _phase, WrongPhase(_phase));
        if (round == _round && phase == _phase) heard = _relayNow(phase, signers, messages);
        if (phase == Phase.Attest) heard |= _relayLate(round, signers & ~heard, signers, messages);
    }

    /// @dev Messages of this phase, as far as it takes them.
    function _relayNow(Phase phase, uint256 signers, Signed[] calldata messages) private returns (uint256 heard) {
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) % 2 == 1) require(i < _members.length && _members[i].inRoster, NotInRoster(i));
        }
        bytes32[] memory values = new bytes32[](messages.length);
        uint256 n;
        uint256 k;
        bytes32 final_;
        for (uint256 i = 0; i < 256 && final_ == 0; ++i) {
            if ((signers >> i) % 2 == 0) continue;
            Signed calldata message = messages[k++];
            Member storage m = _members[i];
            if (phase == Phase.Commit ? m.hasCommitted : phase == Phase.Vote ? m.hasVoted : m.hasAttested) continue;
            bytes32 value = _check(phase, _round, i, message);
            require(phase == Phase.Vote || value != 0, ZeroRoot());
            require(phase != Phase.Vote || uint256(value) & ~_committed() == 0, BallotOutsideCommits(_committed()));
            values[n++] = value;
            heard += 1 << i;
            if (phase == Phase.Commit) (m.hasCommitted, m.root) = (true, value);
            if (phase == Phase.Vote) (m.hasVoted, m.ballot) = (true, uint256(value));
            if (phase == Phase.Attest) {
                (m.hasAttested, m.attestation) = (true, value);
                if (_hasQuorum(value)) final_ = value;
            }
        }
        if (n == 0) return 0;
        emit Relayed(_round, phase, heard, _cut(values, n));
        if (phase == Phase.Attest) {
            if (final_ != 0) _close(final_, block.timestamp);
            return heard;
        }
        for (uint256 i = 0; i < _members.length; ++i) {
            Member storage m = _members[i];
            if (m.inRoster && !(phase == Phase.Commit ? m.hasCommitted : m.hasVoted)) return heard;
        }
        if (phase == Phase.Commit) _closeCommit(block.timestamp);
        else _closeVote(block.timestamp);
    }

    /// @dev Attestations of the round closed last, as far as they are of its final root.
    function _relayLate(uint32 round, uint256 late, uint256 signers, Signed[] calldata messages)
        private
        returns (uint256 heard)
    {
        if (round == 0 || round != _outcomes.length) return 0;
        Outcome storage o = _outcomes[round - 1];
        if (o.status != Status.Final || block.timestamp > o.openUntil) return 0;
        bytes32[] memory values = new bytes32[](messages.length);
        uint256 n;
        uint256 k;
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) % 2 == 1) require(i < _members.length && _members[i].wasInRoster, NotInRoster(i));
        }
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) % 2 == 0) continue;
            Signed calldata message = messages[k++];
            if ((late >> i) % 2 == 0 || _members[i].hadAttested || message.value != o.root) continue;
            values[n++] = _check(Phase.Attest, round, i, message);
            heard += 1 << i;
            _members[i].hadAttested = true;
        }
        if (n == 0) return 0;
        o.attesters += heard;
        _records[round - 1].attesters = o.attesters;
        emit Relayed(round, Phase.Attest, heard, _cut(values, n));
    }

    function _check(Phase phase, uint32 round, uint256 index, Signed calldata m) private view returns (bytes32) {
        bytes32 kind = Signatures.typeOf(phase);
        bytes32 content = keccak256(abi.encode(kind, round, m.value));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", Signatures.domain(REAL), content));
        address signer = ECDSA.recover(digest, m.r, m.vs);
        require(signer == _members[index].account, WrongSigner(index, signer));
        return m.value;
    }

    function _cut(bytes32[] memory values, uint256 n) private pure returns (bytes32[] memory shorter) {
        shorter = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            shorter[i] = values[i];
        }
    }

    function undo(uint32 round) external {
        _advance(block.timestamp);
        uint32 baseRound = _records[round - 1].baseRound;
        emit Undone(round, _round, baseRound);
        bytes32 base = baseRound == 0 ? _terms.genesis : _records[baseRound - 1].root;
        for (uint256 i = round; i <= _outcomes.length; ++i) {
            Outcome storage o = _outcomes[i - 1];
            (o.status, o.root, o.attesters, o.openUntil) = (Status.Void, 0, 0, 0);
            (_records[i - 1].status, _records[i - 1].undone) = (Status.Void, true);
        }
        (_base, _baseRound) = (base, baseRound);
        if (_phase == Phase.Done) return;
        Outcome memory broken;
        broken.round = _round;
        broken.status = Status.Void;
        broken.included = _included;
        _outcomes.push(broken);
        Record memory r;
        (r.status, r.undone, r.included, r.refused) =
        (Status.Void, true, _included, _phase == Phase.Attest ? _refused : 0);
        _records.push(r);
        emit RoundClosed(_round, Status.Void, 0, _included, 0);
        for (uint256 i = 0; i < _members.length; ++i) {
            (_members[i].wasInRoster, _members[i].hadAttested) = (_members[i].inRoster, _members[i].hasAttested);
        }
        _next(block.timestamp);
    }

    function unseatMembers(uint256 bitmap) external {
        _advance(block.timestamp);
        uint256 unseated;
        for (uint256 i = 0; i < _members.length; ++i) {
            if ((bitmap >> i) % 2 == 0 || !_members[i].active) continue;
            _members[i].active = false;
            unseated += 1 << i;
        }
        if (unseated != 0) emit Unseated(unseated);
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

    function record(uint32 round) external view returns (Record memory r) {
        if (round >= 1 && round <= _records.length) r = _records[round - 1];
    }

    function terms() external view returns (Terms memory) {
        return _terms;
    }

    function COURT() external pure returns (ICourt) {
        return ICourt(address(0));
    }

    function seatOf(address account) external view returns (uint256 seat, bool active, uint32 round) {
        round = _round;
        uint256 index = _find(account);
        if (index == _members.length) return (0, false, round);
        return (index + 1, _members[index].active, round);
    }

    function members() external view returns (address[] memory all) {
        all = new address[](_members.length);
        for (uint256 i = 0; i < all.length; ++i) {
            all[i] = _members[i].account;
        }
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
        _refused = 0;
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
            uint256 refuses;
            for (uint256 j = 0; j < _members.length; ++j) {
                if (!_members[j].hasVoted) continue;
                if ((_members[j].ballot >> i) % 2 == 1) accepts += 1;
                else refuses += 1;
            }
            if (2 * accepts > size) _included += 1 << i;
            if (_members[i].hasCommitted && 3 * refuses >= 2 * size) _refused += 1 << i;
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
        Record memory r;
        (r.status, r.root, r.included, r.openUntil) = (o.status, o.root, o.included, o.openUntil);
        // Of a round in which nothing was included nobody keeps who was refused.
        if (_phase == Phase.Attest) r.refused = _refused;
        if (root != 0) r.baseRound = _baseRound;
        bytes memory roots;
        uint256 dropped;
        for (uint256 i = 0; i < _members.length; ++i) {
            Member storage m = _members[i];
            m.wasInRoster = m.inRoster;
            m.hadAttested = m.hasAttested;
            if (root != 0 && m.hasAttested && m.attestation == root) o.attesters += 1 << i;
            if (root != 0 && m.hasAttested && m.attestation != root) r.astray += 1 << i;
            if ((_included >> i) % 2 == 1) roots = bytes.concat(roots, m.root);
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
        r.attesters = o.attesters;
        if (root != 0) r.evidence = keccak256(roots);
        _records.push(r);
        if (root != 0) (_base, _baseRound) = (root, _round);
        emit RoundClosed(o.round, o.status, o.root, o.included, o.attesters);
        if (dropped != 0) emit Dropped(dropped, _round);
        _next(time);
    }

    function _next(uint256 time) private {
        if (_round < _terms.rounds) return _open(time);
        _phase = Phase.Done;
        _deadline = 0;
        emit PhaseOpened(_round, _phase, 0);
    }
}
