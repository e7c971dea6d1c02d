// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "./IFederation.sol";
import {Rounds} from "./Rounds.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Head, Heads} from "./libraries/Heads.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Hears members by what they have signed, many at once.
///
/// What a message costs by itself is shared: the transaction, the head, the event, and, if the caller brings the other
/// members, the look-up of the signers: together they must give the hash of the list of all.
abstract contract Relay is Rounds {
    using Bitmaps for uint256;

    /// @dev What all messages of a batch have in common.
    struct Batch {
        Phase phase;
        uint32 round;
        uint256 signers;
        uint256 members; // of the signers, those whose message is heard now
        uint256 count; // of those
        bytes common; // as Signatures.prepare laid it out
        bool signed; // whether it is known that all messages are the signers' own
    }

    /// @inheritdoc IFederation
    function relay(Phase phase, uint32 round, uint256 signers, Signed[] calldata messages, address[] calldata others)
        external
        returns (uint256 heard)
    {
        Batch memory b;
        b.common = Signatures.prepare(Signatures.domain(address(this)), Signatures.typeOf(phase), round);
        (b.phase, b.round, b.signers) = (phase, round, signers);
        require(messages.length == signers.count(), WrongCount(messages.length, signers.count()));

        Head h = _advance();
        if (round > h.round()) revert WrongRound(h.round());
        if (round == h.round() && uint256(phase) > h.phase()) revert WrongPhase(Phase(h.phase()));
        if (round != h.round() || uint256(phase) != h.phase()) {
            if (phase != Phase.Attest) return 0;
            b.signed = _areAll(b, messages, others);
            return _relayLate(b, messages);
        }
        uint256 awaited = _awaited(h);
        b.members = signers & awaited;
        _checkRoster(b);
        if (b.members == 0) return 0;
        b.count = b.members == signers ? messages.length : b.members.count();
        b.signed = _areAll(b, messages, others);
        if (phase == Phase.Attest) return _relayAttestations(b, h, messages);

        if (b.members >> Heads.SEATS != 0) _awaitedBeyond = awaited ^ b.members;
        h = h.heardAll(b.members, b.count);
        emit Relayed(round, phase, b.members, _keep(b, messages));
        if (h.missing() == 0) _turn(h);
        else _head = h;
        return b.members;
    }

    /// @dev Keeps the roots or ballots of those who are heard.
    function _keep(Batch memory b, Signed[] calldata messages) private returns (bytes32[] memory values) {
        values = new bytes32[](b.count);
        // A root must not be zero; a ballot must be within the commits. Both are kept by index.
        bool commits = b.phase == Phase.Commit;
        uint256 outside = commits ? 0 : ~_committed;
        (uint256 signers, uint256 heard, bool signed) = (b.signers, b.members, b.signed);
        Signed calldata message = _first(messages);
        uint256 slot;
        uint256 place;
        assembly ("memory-safe") {
            slot := _ballots.slot
            if commits { slot := _roots.slot }
            place := values
        }
        for (uint256 i = 0; heard != 0; (signers, heard) = (signers >> 1, heard >> 1)) {
            if (signers & 1 != 0) {
                if (heard & 1 != 0) {
                    bytes32 value = signed ? message.value : _verified(b, message, i);
                    if (commits ? value == 0 : uint256(value) & outside != 0) _refuse(commits, ~outside);
                    assembly ("memory-safe") {
                        sstore(add(slot, i), value)
                        place := add(place, 32)
                        mstore(place, value)
                    }
                }
                message = _next(message);
            }
            unchecked {
                ++i;
            }
        }
    }

    function _refuse(bool commits, uint256 committed) private pure {
        if (commits) revert ZeroRoot();
        revert BallotOutsideCommits(committed);
    }

    /// @dev The first message of a batch, and the one after another; a batch has one for each signer.
    function _first(Signed[] calldata messages) private pure returns (Signed calldata message) {
        assembly ("memory-safe") {
            message := messages.offset
        }
    }

    function _next(Signed calldata message) private pure returns (Signed calldata next) {
        assembly ("memory-safe") {
            next := add(message, 96)
        }
    }

    /// @dev Attestations of the current round. If one of them closes it, those after it are late.
    function _relayAttestations(Batch memory b, Head h, Signed[] calldata messages) private returns (uint256 heard) {
        bytes32[] memory values = new bytes32[](b.count);
        bytes32 first = h.agreed() == 0 ? bytes32(0) : _firstAttested;
        bytes32 root;
        bool closes;
        uint256 attesters; // of a root that is not the one attested first
        {
            uint256 n;
            uint256 k;
            for (uint256 i = 0; !closes && b.signers >> i != 0; ++i) {
                if (!b.signers.has(i)) continue;
                if (b.members.has(i)) {
                    root = _verified(b, messages[k], i);
                    if (root == 0) revert ZeroRoot();
                    values[n++] = root;
                    heard |= 1 << i;
                    if (i < Heads.SEATS) {
                        h = h.heard(i + 1);
                    } else {
                        _awaitedBeyond = _awaited(h) ^ (1 << i);
                        h = h.heardBeyond();
                    }
                    if (h.agreed() == 0) _firstAttested = first = root;
                    if (root == first) {
                        h = h.agreeing();
                        closes = h.agreed() >= h.quorum();
                    } else {
                        attesters = _noteDissent(h, b.round, root, i);
                        closes = attesters.count() >= h.quorum();
                    }
                }
                ++k;
            }
            assembly ("memory-safe") {
                mstore(values, n)
            }
        }
        emit Relayed(b.round, b.phase, heard, values);
        if (!closes) {
            _head = h;
            return heard;
        }
        Round memory r = _load(h);
        _close(r, root, root == first ? r.attested & ~_dissentersOf(r) : attesters, block.timestamp);
        _save(r);
        if (b.members != heard) heard |= _relayLate(b, messages);
    }

    /// @dev Attestations of the round closed last. Of another root than the final one they come too late.
    function _relayLate(Batch memory b, Signed[] calldata messages) private returns (uint256 heard) {
        Head last = _last;
        if (b.round == 0 || b.round != last.round() || block.timestamp > last.deadline()) return 0;
        uint256 awaited = _lastAwaited(last);
        b.members = b.signers & awaited;
        _checkRoster(b);
        bytes32 root = _finalRoots[b.round];
        bytes32[] memory values = new bytes32[](b.members.count());
        uint256 n;
        uint256 k;
        for (uint256 i = 0; b.signers >> i != 0; ++i) {
            if (!b.signers.has(i)) continue;
            if (b.members.has(i) && messages[k].value == root) {
                values[n++] = _verified(b, messages[k], i);
                heard |= 1 << i;
            }
            ++k;
        }
        if (heard == 0) return 0;
        assembly ("memory-safe") {
            mstore(values, n)
        }
        if (heard >> Heads.SEATS != 0) _lastBeyond = awaited ^ heard;
        _last = last.heardAll(heard, n);
        emit Relayed(b.round, b.phase, heard, values);
    }

    /// @dev What the member with this index, who is in the roster, has signed, and nobody else can have.
    function _verified(Batch memory b, Signed calldata message, uint256 index) private view returns (bytes32) {
        if (!b.signed) {
            address signer = Signatures.signer(b.common, message);
            if (signer != _members[index]) revert WrongSigner(index, signer);
        }
        return message.value;
    }

    /// @dev Whether who signed, and the others, are all members in their order: then nobody has to be looked up. If not,
    /// it says nothing; a message of which nothing comes may be wrong, and somebody may have joined.
    function _areAll(Batch memory b, Signed[] calldata messages, address[] calldata others)
        private
        view
        returns (bool)
    {
        uint256 n = messages.length + others.length;
        uint256 signers = b.signers;
        if (n > MAX_MEMBERS || signers >> n != 0) return false;
        bytes memory common = b.common;
        Signed calldata message = _first(messages);
        bytes32 roll;
        uint256 other;
        assembly ("memory-safe") {
            other := others.offset
        }
        for (; n != 0; signers >>= 1) {
            address member;
            if (signers & 1 != 0) {
                member = Signatures.recover(common, message);
                message = _next(message);
            } else {
                assembly ("memory-safe") {
                    member := calldataload(other)
                    other := add(other, 32)
                }
            }
            assembly ("memory-safe") {
                mstore(0, roll)
                mstore(32, member)
                roll := keccak256(0, 64)
            }
            unchecked {
                --n;
            }
        }
        return roll == _roll;
    }

    /// @dev Signers who are not heard have to be members of the roster who were heard before.
    function _checkRoster(Batch memory b) private view {
        uint256 others = b.signers ^ b.members;
        if (others == 0) return;
        others &= ~_rosters[b.round & 1];
        if (others == 0) return;
        uint256 index = (~others & (others - 1)).count(); // the lowest
        revert NotInRoster(index);
    }

    /// @dev Keeps that a member, who is not awaited in the head any more, attests another root than the one attested first.
    /// @return attesters of its root
    function _noteDissent(Head h, uint32 round, bytes32 root, uint256 index) internal returns (uint256 attesters) {
        uint256 member = 1 << index;
        attesters = _attestersOf[round][root] | member;
        _attestersOf[round][root] = attesters;
        _attestations[index] = root;
        // It is the first to dissent if all others who have spoken agree.
        uint256 attested = _rosters[round & 1] & ~_awaited(h);
        _dissenters = attested.count() == h.agreed() + 1 ? member : _dissenters | member;
    }

    /// @dev Those who attested another root than the one attested first.
    function _dissentersOf(Round memory r) internal view returns (uint256) {
        return r.attested.count() == r.agreed ? 0 : _dissenters;
    }
}
