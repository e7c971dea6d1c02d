// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "./IFederation.sol";
import {Rounds} from "./Rounds.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Head, Heads} from "./libraries/Heads.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Hears members by what they have signed, many at once.
///
/// What a message costs by itself is shared: the transaction, the head, the event, and, if the caller brings the list of
/// members, the look-up of the signer.
abstract contract Relay is Rounds {
    using Bitmaps for uint256;

    /// @dev What all messages of a batch have in common.
    struct Batch {
        Phase phase;
        uint32 round;
        uint256 signers;
        uint256 members; // of the signers, those whose message is heard now
        bytes common; // as Signatures.prepare laid it out
    }

    /// @inheritdoc IFederation
    function relay(Phase phase, uint32 round, uint256 signers, Signed[] calldata messages, address[] calldata roll)
        external
        returns (uint256 heard)
    {
        Batch memory b;
        b.common = Signatures.prepare(Signatures.domain(address(this)), Signatures.typeOf(phase), round);
        (b.phase, b.round, b.signers) = (phase, round, signers);
        require(messages.length == signers.count(), WrongCount(messages.length, signers.count()));
        if (roll.length != 0) _checkRoll(roll);

        Head h = _advance();
        if (round > h.round()) revert WrongRound(h.round());
        if (round == h.round() && uint256(phase) > h.phase()) revert WrongPhase(Phase(h.phase()));
        if (round != h.round() || uint256(phase) != h.phase()) {
            return phase == Phase.Attest ? _relayLate(b, messages, roll) : 0;
        }
        uint256 awaited = _awaited(h, h.missing() == 0 ? 0 : _awaitedBeyond);
        b.members = signers & awaited;
        _checkRoster(b);
        if (b.members == 0) return 0;
        if (phase == Phase.Attest) return _relayAttestations(b, h, messages, roll);

        if (b.members >> Heads.SEATS != 0) _awaitedBeyond = awaited ^ b.members;
        h = h.heardAll(b.members, b.members.count());
        emit Relayed(round, phase, b.members, _keep(b, messages, roll));
        if (h.missing() == 0) _turn(h);
        else _head = h;
        return b.members;
    }

    /// @dev Keeps the roots or ballots of those who are heard.
    function _keep(Batch memory b, Signed[] calldata messages, address[] calldata roll)
        private
        returns (bytes32[] memory values)
    {
        values = new bytes32[](b.members.count());
        bool commits = b.phase == Phase.Commit;
        uint256 committed = commits ? 0 : _committed;
        uint256 signers = b.signers;
        uint256 heard = b.members;
        bytes memory common = b.common;
        unchecked {
            uint256 n;
            uint256 k;
            for (uint256 i = 0; signers != 0; (signers, heard, i) = (signers >> 1, heard >> 1, i + 1)) {
                if (signers & 1 == 0) continue;
                Signed calldata message = _at(messages, k++);
                if (heard & 1 == 0) continue;
                bytes32 value = _verified(common, message, roll, i);
                if (commits) {
                    if (value == 0) revert ZeroRoot();
                    _roots[i] = value;
                } else {
                    if (uint256(value) & ~committed != 0) revert BallotOutsideCommits(committed);
                    _ballots[i] = uint256(value);
                }
                assembly ("memory-safe") {
                    n := add(n, 32)
                    mstore(add(values, n), value)
                }
            }
        }
    }

    /// @dev A message of the batch, which has one for each signer.
    function _at(Signed[] calldata messages, uint256 k) private pure returns (Signed calldata message) {
        assembly ("memory-safe") {
            message := add(messages.offset, mul(96, k))
        }
    }

    /// @dev Attestations of the current round. If one of them closes it, those after it are late.
    function _relayAttestations(Batch memory b, Head h, Signed[] calldata messages, address[] calldata roll)
        private
        returns (uint256 heard)
    {
        bytes32[] memory values = new bytes32[](b.members.count());
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
                    root = _verified(b.common, messages[k], roll, i);
                    if (root == 0) revert ZeroRoot();
                    values[n++] = root;
                    heard |= 1 << i;
                    if (i < Heads.SEATS) {
                        h = h.heard(i + 1);
                    } else {
                        _awaitedBeyond = _awaited(h, _awaitedBeyond) ^ (1 << i);
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
        if (b.members != heard) heard |= _relayLate(b, messages, roll);
    }

    /// @dev Attestations of the round closed last. Of another root than the final one they come too late.
    function _relayLate(Batch memory b, Signed[] calldata messages, address[] calldata roll)
        private
        returns (uint256 heard)
    {
        Head last = _last;
        if (b.round == 0 || b.round != last.round() || block.timestamp > last.deadline()) return 0;
        uint256 awaited = _awaited(last, last.missing() == 0 ? 0 : _lastBeyond);
        b.members = b.signers & awaited;
        _checkRoster(b);
        bytes32 root = _finalRoots[b.round];
        bytes32[] memory values = new bytes32[](b.members.count());
        uint256 n;
        uint256 k;
        for (uint256 i = 0; b.signers >> i != 0; ++i) {
            if (!b.signers.has(i)) continue;
            if (b.members.has(i) && messages[k].value == root) {
                values[n++] = _verified(b.common, messages[k], roll, i);
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
    function _verified(bytes memory common, Signed calldata message, address[] calldata roll, uint256 index)
        private
        view
        returns (bytes32 value)
    {
        value = message.value;
        address signer = Signatures.signer(common, value, message.r, message.vs);
        address member;
        if (roll.length == 0) {
            member = _members[index];
        } else {
            // A roll that has been checked is as long as the list of members.
            assembly ("memory-safe") {
                member := calldataload(add(roll.offset, shl(5, index)))
            }
        }
        if (signer != member) revert WrongSigner(index, signer);
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

    /// @dev The list of members that the caller brings is as good as the one that is kept.
    function _checkRoll(address[] calldata roll) private view {
        bytes32 chain;
        assembly ("memory-safe") {
            let end := add(roll.offset, shl(5, roll.length))
            for { let at := roll.offset } lt(at, end) { at := add(at, 32) } {
                mstore(0, chain)
                mstore(32, calldataload(at))
                chain := keccak256(0, 64)
            }
        }
        require(chain == _roll, WrongRoll());
    }

    /// @dev Keeps that a member, who is not awaited in the head any more, attests another root than the one attested first.
    /// @return attesters of its root
    function _noteDissent(Head h, uint32 round, bytes32 root, uint256 index) internal returns (uint256 attesters) {
        uint256 member = 1 << index;
        attesters = _attestersOf[round][root] | member;
        _attestersOf[round][root] = attesters;
        _attestations[index] = root;
        // It is the first to dissent if all others who have spoken agree.
        uint256 attested = _rosters[round & 1] & ~_awaited(h, h.missing() == 0 ? 0 : _awaitedBeyond);
        _dissenters = attested.count() == h.agreed() + 1 ? member : _dissenters | member;
    }

    /// @dev Those who attested another root than the one attested first.
    function _dissentersOf(Round memory r) internal view returns (uint256) {
        return r.attested.count() == r.agreed ? 0 : _dissenters;
    }
}
