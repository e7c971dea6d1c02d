// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {Phases} from "./Phases.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {Signed, Statements} from "./libraries/Statements.sol";

/// @title Hears members: what a statement has to be, and many of them at once by what they have signed (section 3).
abstract contract Relay is ILedger, Phases {
    using Bitmaps for uint256;

    /// @dev What all statements of a batch have in common.
    struct Batch {
        uint256 phase;
        uint32 round;
        uint256 slot;
        uint256 signers;
        uint256 heard; // of the signers, those who were not heard before
        uint256 count; // of those
        uint256 words; // of a statement's content
        bytes common; // as Statements.prepare laid it out
        bool late; // whether the round has closed
        bool known; // whether all have signed what is said that they have
    }

    /// @inheritdoc ILedger
    function advance() public {
        Terms memory t = TermsOf.all();
        Standing memory s = _standing;
        if (!_isDue(s, t, block.timestamp)) {
            uint256 deadline = s.phase == OPEN ? _heads[_slotOf(s.round)].deadline() : s.deadline;
            revert NothingDue(_phase(), deadline);
        }
        _step(s, t);
    }

    /// @inheritdoc ILedger
    function relay(
        Phase phase,
        uint32 round,
        bytes32 context,
        uint256 signers,
        Signed[] calldata statements,
        uint256[] calldata misses,
        address[] calldata others,
        bool closes
    ) external returns (uint256 heard) {
        if (phase != Phase.Commit && phase != Phase.Vote && phase != Phase.Attest) {
            revert WrongPhase(_phase());
        }
        uint256 n = signers.count();
        require(statements.length == n, WrongCount(statements.length, n));
        require(misses.length == 0 || misses.length == n, WrongCount(misses.length, n));
        Batch memory b;
        (b.phase, b.round, b.slot, b.signers) = (uint256(phase), round, _slotOf(round), signers);
        heard = _hearAll(b, context, statements, misses, others);
        if (!closes) return heard;
        Terms memory t = TermsOf.all();
        Standing memory s = _standing;
        if (s.round == round && s.phase == OPEN && _isDue(s, t, block.timestamp)) _step(s, t);
    }

    function _hearAll(
        Batch memory b,
        bytes32 context,
        Signed[] calldata statements,
        uint256[] calldata misses,
        address[] calldata others
    ) private returns (uint256) {
        RoundHead h = _heads[b.slot];
        if (_isPast(h, b)) return 0;
        _checkPhase(h, b.round, b.phase);
        uint256 slot = b.slot;
        uint256 awaited = _awaited(h, slot);
        b.heard = b.signers & awaited;
        uint256 strangers = b.signers & ~_rosters[slot];
        if (strangers != 0) revert NotInRoster((~strangers & (strangers - 1)).count()); // the lowest
        if (b.heard == 0) return 0;
        _checkContext(slot, context);
        b.late = h.phase() > RoundHeads.ATTEST;
        _prepare(b, context);
        b.known = _areAll(b, statements, misses, others);
        if (b.heard >> RoundHeads.SEATS != 0) _beyond[slot] = awaited ^ b.heard;
        b.count = b.heard == b.signers ? statements.length : b.heard.count();
        h = h.heardAll(b.heard & ((1 << RoundHeads.SEATS) - 1), b.count);
        _heads[slot] = _keep(h, b, statements, misses);
        return b.heard;
    }

    /// @dev Whether the statements come too late for their round or phase: no fault of who posts them.
    function _isPast(RoundHead h, Batch memory b) private view returns (bool) {
        uint256 round = h.round();
        if (b.round != round) return b.round != 0 && b.round <= _standing.round;
        uint256 phase = h.phase();
        if (b.phase == RoundHeads.ATTEST && phase == RoundHeads.FINAL) phase = RoundHeads.ATTEST;
        return b.phase < phase || (b.phase == phase && block.timestamp >= h.deadline());
    }

    function _prepare(Batch memory b, bytes32 context) private view {
        bytes32 kind = Statements.COMMIT;
        b.words = 4;
        if (b.phase == RoundHeads.VOTE) (kind, b.words) = (Statements.VOTE, 5);
        else if (b.phase == RoundHeads.ATTEST) kind = Statements.ATTEST;
        bytes32 domain = Statements.domain(address(this), TermsOf.word(TermsOf.CHARTER));
        b.common = Statements.prepare(domain, kind, b.round, context);
    }

    /// @dev Keeps what those say who are heard, and says so.
    function _keep(RoundHead h, Batch memory b, Signed[] calldata statements, uint256[] calldata misses)
        private
        returns (RoundHead)
    {
        Signed calldata statement = _firstOf(statements);
        (uint256 signers, uint256 heard, uint256 phase, uint256 slot) = (b.signers, b.heard, b.phase, b.slot);
        (bool known, bool noMisses) = (b.known, misses.length == 0);
        uint256 size = 32 * b.count;
        bytes memory said = _layOut(heard, size, noMisses);
        uint256 place;
        assembly ("memory-safe") {
            place := add(said, 160)
        }
        for (uint256 i = 0; heard != 0; (signers >>= 1, heard >>= 1)) {
            if (signers & 1 != 0) {
                if (heard & 1 != 0) {
                    uint256 m = noMisses ? 0 : misses[(b.signers & ((1 << i) - 1)).count()];
                    if (!known) _checkSigner(b, statement, m, i);
                    bytes32 value = statement.value;
                    assembly ("memory-safe") {
                        mstore(place, value)
                        if iszero(noMisses) { mstore(add(add(place, size), 32), m) }
                        place := add(place, 32)
                    }
                    if (phase == RoundHeads.ATTEST) h = _attest(h, slot, value, i);
                    else if (phase == RoundHeads.COMMIT) h = _keepCommit(h, slot, value, i);
                    else h = _keepVote(h, slot, uint256(value), m, i);
                }
                statement = _after(statement);
            }
            unchecked {
                ++i;
            }
        }
        (bytes32 topic, uint256 round) = (Relayed.selector, b.round);
        assembly ("memory-safe") {
            log3(add(said, 32), mload(said), topic, round, phase)
        }
        return phase == RoundHeads.ATTEST ? _ended(h) : h;
    }

    /// @dev The data of `Relayed` with room for what was said, and missed: who said it, where both lists are, and they.
    function _layOut(uint256 members, uint256 size, bool noMisses) private pure returns (bytes memory said) {
        said = new bytes(160 + (noMisses ? size : 2 * size));
        assembly ("memory-safe") {
            mstore(add(said, 32), members)
            mstore(add(said, 64), 96)
            mstore(add(said, 96), add(128, size))
            mstore(add(said, 128), shr(5, size))
            if iszero(noMisses) { mstore(add(add(said, 160), size), shr(5, size)) }
        }
    }

    /// @dev The first statement of a batch, and the one after another: there is one for each signer.
    function _firstOf(Signed[] calldata statements) private pure returns (Signed calldata statement) {
        assembly ("memory-safe") {
            statement := statements.offset
        }
    }

    function _after(Signed calldata statement) private pure returns (Signed calldata next) {
        assembly ("memory-safe") {
            next := add(statement, 96)
        }
    }

    function _checkSigner(Batch memory b, Signed calldata statement, uint256 misses, uint256 index) private view {
        address signer = Statements.signer(b.common, statement, misses, b.words);
        require(signer == _holders[index], WrongSigner(index, signer));
    }

    /// @dev Whether who signed, and the others, are the whole roster by index: then nobody has to be looked up. If not, it
    /// says nothing.
    function _areAll(Batch memory b, Signed[] calldata statements, uint256[] calldata misses, address[] calldata others)
        private
        view
        returns (bool)
    {
        uint256 roster = _rosters[b.slot];
        // The hash that is kept is of the roster of the round opened last, and an open round is that one.
        if (b.late || statements.length + others.length != roster.count()) return false;
        bytes32[] memory addresses = new bytes32[](roster.count());
        (uint256 signers, uint256 words, bytes memory common) = (b.signers, b.words, b.common);
        Signed calldata statement = _firstOf(statements);
        (uint256 place, uint256 k, bool noMisses) = (0, 0, misses.length == 0);
        for (; roster != 0; (roster >>= 1, signers >>= 1)) {
            if (roster & 1 == 0) continue;
            address member;
            unchecked {
                if (signers & 1 != 0) {
                    member = Statements.recover(common, statement, noMisses ? 0 : misses[k], words);
                    statement = _after(statement);
                    ++k;
                } else {
                    member = others[place - k];
                }
                ++place;
            }
            assembly ("memory-safe") {
                mstore(add(addresses, shl(5, place)), member)
            }
        }
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(add(addresses, 32), mul(mload(addresses), 32))
        }
        return hash == _addresses;
    }

    // ---------------------------------------------------------------------------------- what a statement has to be

    /// @dev Whether statements of this phase are heard in this slot now. Attestations are until the phase's deadline, also
    /// when the round is final already: the quick must not shut the others out.
    function _checkPhase(RoundHead h, uint32 round, uint256 phase) internal view {
        // What an error says is looked up only where there is one: `require` would always.
        if (round == 0 || round != h.round()) revert WrongRound(_standing.round);
        uint256 now_ = h.phase();
        if (phase == RoundHeads.ATTEST && now_ == RoundHeads.FINAL) now_ = RoundHeads.ATTEST;
        if (phase != now_ || block.timestamp >= h.deadline()) revert WrongPhase(_phase());
    }

    function _checkContext(uint256 slot, bytes32 context) internal view {
        bytes32 expected;
        assembly ("memory-safe") {
            expected := sload(add(_contexts.slot, slot))
        }
        if (context != expected) revert WrongContext(expected);
    }

    function _checkBallot(RoundHead h, uint256 slot, uint256 accepts, uint256 misses) internal view {
        if (accepts & misses != 0) revert BallotContradicts(accepts & misses);
        uint256 both = accepts | misses;
        if (both >> h.prefix() != 0 && both & ~_committed[slot] != 0) revert BallotOutsideCommits(_committed[slot]);
    }

    /// @dev Keeps what a member commits to, by its index, which is in range.
    function _keepCommit(RoundHead h, uint256 slot, bytes32 root, uint256 index) internal returns (RoundHead) {
        if (root == 0) return _abstain(h, slot, 1 << index);
        assembly ("memory-safe") {
            sstore(add(_roots.slot, index), root)
        }
        return h;
    }

    /// @dev Keeps a member's ballot likewise.
    function _keepVote(RoundHead h, uint256 slot, uint256 accepts, uint256 misses, uint256 index)
        internal
        returns (RoundHead)
    {
        _checkBallot(h, slot, accepts, misses);
        assembly ("memory-safe") {
            sstore(add(_accepts.slot, index), accepts)
        }
        return misses == 0 ? h : _miss(h, slot, index, misses);
    }

    /// @dev A round's head, by its slot of the ring, which is in range.
    function _headAt(uint256 slot) internal view returns (RoundHead h) {
        assembly ("memory-safe") {
            h := sload(add(_heads.slot, slot))
        }
    }

    function _setHead(uint256 slot, RoundHead h) internal {
        assembly ("memory-safe") {
            sstore(add(_heads.slot, slot), h)
        }
    }

    /// @dev Notes that a member abstains from building on a base that can still fall.
    function _abstain(RoundHead h, uint256 slot, uint256 member) internal returns (RoundHead) {
        require(!_baseSettled(slot), BaseSettled(_meta[slot].baseRound));
        _abstained[slot] = h.abstains() ? _abstained[slot] | member : member;
        return h.abstaining();
    }

    /// @dev Notes what a member misses.
    function _miss(RoundHead h, uint256 slot, uint256 index, uint256 misses) internal returns (RoundHead) {
        _misses[index] = misses;
        _missers[slot] = h.misses() ? _missers[slot] | 1 << index : 1 << index;
        return h.missedBy();
    }

    /// @dev Counts an attestation of a member who is not awaited in the head any more.
    function _attest(RoundHead h, uint256 slot, bytes32 root, uint256 index) internal returns (RoundHead) {
        if (root == 0) revert ZeroRoot();
        // The first who speaks says what the first root is.
        if (h.agreed() == 0) _first[slot] = root;
        else if (root != _first[slot]) return _dissent(h, slot, root, index);
        return h.agreeing(1);
    }

    /// @dev When all have attested, the phase is over: windows count from now, and not from when it would have been. A
    /// tournament that has its start keeps it.
    function _ended(RoundHead h) internal view returns (RoundHead) {
        if (h.missing() != 0) return h;
        if (h.phase() == RoundHeads.FINAL && _dockets[h.round()].start != 0) return h;
        return h.ending(block.timestamp);
    }

    /// @dev An attestation of another root than the one attested first.
    function _dissent(RoundHead h, uint256 slot, bytes32 root, uint256 index) private returns (RoundHead) {
        uint256 round = h.round();
        uint256 number = _entryOf[round][root];
        if (number == 0) {
            number = _addEntry(round, root);
            if (h.phase() == RoundHeads.FINAL) _startTournament(round, h.deadline());
        }
        uint256 attesters = _entries[round][number].attesters | 1 << index;
        _entries[round][number].attesters = attesters;
        _dissenters[slot] = h.dissents() ? _dissenters[slot] | 1 << index : 1 << index;
        if (h.phase() == RoundHeads.ATTEST && attesters.count() == h.quorum()) {
            _meta[slot].finalEntry = uint16(number);
        }
        return h.dissenting();
    }

    /// @dev A late attestation may be what makes a final round's second entry.
    function _startTournament(uint256 round, uint256 deadline) private {
        _dockets[round].start = uint40(deadline + TermsOf.all().windowSeconds);
    }
}
