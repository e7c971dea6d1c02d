// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Cases} from "./Cases.sol";
import {ICourt} from "./ICourt.sol";
import {IFederation} from "./IFederation.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {Headers} from "./libraries/Headers.sol";
import {Merkle} from "./libraries/Merkle.sol";
import {Rules} from "./libraries/Rules.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title The court of a federation. What it promises is said in `ICourt`; here is how cases are judged.
///
/// A challenge collects what the included updates say at one coordinate, four inputs to a slot, and merges them by the
/// federation's rule when it has all. What it proves them against, the evidence and the final root, nobody can change
/// once the round is final.
contract Court is Cases {
    using Bitmaps for uint256;

    uint256 private constant MEAN = 1;
    uint256 private constant TRIMMED_MEAN = 2;
    uint256 private constant MEDIAN = 3;
    uint256 private constant MOST_WEIGHT = (1 << 24) - 1;

    uint256 private immutable RULE;
    uint256 private immutable TRIM;
    uint256 private immutable MAX_WEIGHT;
    bytes32 private immutable LAYOUT;

    /// @dev What was slashed as an equivocation: member, phase and round, hashed.
    mapping(bytes32 offence => bool) private _known;

    constructor(IFederation.Terms memory t) Cases(t) {
        require(t.rule <= MEDIAN, IFederation.InvalidTerms("rule"));
        require(2 * uint256(t.trim) < Rules.TRIM_UNIT, IFederation.InvalidTerms("trim"));
        require(
            t.rule != MEAN || (t.maxWeight != 0 && t.maxWeight <= MOST_WEIGHT), IFederation.InvalidTerms("maxWeight")
        );
        RULE = t.rule;
        TRIM = t.trim;
        MAX_WEIGHT = t.maxWeight;
        LAYOUT = t.layout;
    }

    // ------------------------------------------------------------------------------------------------- challenges

    /// @inheritdoc ICourt
    function challenge(uint32 round, uint256 leaf, uint256 coordinate, bytes32[] calldata roots)
        external
        payable
        nonReentrant
        returns (uint256 id)
    {
        require(RULE != 0 || leaf == 0, NotChallengeable());
        uint256 coordinates = leaf == 0 ? Headers.ALL_WORDS : VALUES_PER_LEAF;
        require(coordinate < coordinates, NoSuchCoordinate(coordinate, coordinates));
        Docket storage d;
        (id, d) = _file(Kind.Challenge, round, leaf, roots);
        d.coordinate = uint16(coordinate);
        // What lies beyond the values is zero whatever the updates say, and so is the header theirs not to say.
        if (leaf != 0 && _position(leaf, coordinate) < VALUES) d.inputs = uint16(roots.length);
        emit Challenged(id, round, msg.sender, leaf, coordinate, d.deadline);
    }

    /// @inheritdoc ICourt
    function prove(uint256 id, bytes32[] calldata roots, Proof[] calldata proofs) external {
        (Docket storage d, IFederation.Record memory r) = _trial(id, Kind.Challenge);
        require(block.timestamp <= d.deadline, TooLate(d.deadline));
        _checkRoots(r, roots);
        uint256 proven = d.proven;
        bool mergedProven = d.mergedProven;
        bool anything;
        for (uint256 i = 0; i < proofs.length; ++i) {
            Proof calldata p = proofs[i];
            if (p.which == MERGED) {
                if (mergedProven) continue;
                _checkLeaf(r.root, d.leaf, p);
                d.merged = d.leaf == 0 ? _word(p.data, d.coordinate) : bytes32(uint256(_value(p.data, d.coordinate)));
                mergedProven = true;
            } else {
                require(p.which < d.inputs, NoSuchInput(p.which));
                if (proven.has(p.which)) continue;
                _checkLeaf(roots[p.which], d.leaf, p);
                uint256 input = uint32(int32(_value(p.data, d.coordinate)));
                if (RULE == MEAN) input |= _weight(roots[p.which], p) << 32;
                d.values[p.which / 4] |= input << 64 * (p.which % 4);
                proven |= 1 << p.which;
            }
            anything = true;
        }
        require(anything, AlreadyProven(id));
        (d.proven, d.mergedProven) = (proven, mergedProven);
        emit Proved(id, proven, mergedProven);
    }

    /// @inheritdoc ICourt
    function conclude(uint256 id) external {
        (Docket storage d, IFederation.Record memory r) = _trial(id, Kind.Challenge);
        require(_isProven(d), NotProven(d.proven, d.mergedProven));
        bytes32 expected = _expected(d);
        if (d.merged == expected) {
            _end(d, State.Failed);
            _forfeitBond();
            emit Failed(id, false);
        } else {
            _end(d, State.Upheld);
            emit Upheld(id, d.merged, expected);
            _undo(id, d, r.attesters, Reason.WrongMerge);
        }
    }

    /// @inheritdoc ICourt
    function expire(uint256 id) external {
        (Docket storage d,) = _trial(id, Kind.Challenge);
        require(block.timestamp > d.deadline, TooEarly(d.deadline));
        require(!_isProven(d), AllProven(id));
        _end(d, State.Expired);
        _forfeitBond();
        emit Failed(id, true);
    }

    /// @dev What the merged leaf of a challenge has to say.
    function _expected(Docket storage d) private view returns (bytes32) {
        if (d.leaf == 0) {
            return d.coordinate < Headers.WORDS ? Headers.merged(d.round, LAYOUT, VALUES)[d.coordinate] : bytes32(0);
        }
        uint256 n = d.inputs;
        if (n == 0) return 0;
        int256[] memory values = new int256[](n);
        uint256[] memory weights = new uint256[](n);
        uint256 quad;
        for (uint256 i = 0; i < n; ++i) {
            quad = i % 4 == 0 ? d.values[i / 4] : quad >> 64;
            values[i] = int32(uint32(quad));
            weights[i] = uint32(quad >> 32);
        }
        int256 merged;
        if (RULE == MEAN) merged = Rules.mean(values, weights, MAX_WEIGHT);
        else if (RULE == TRIMMED_MEAN) merged = Rules.trimmedMean(values, TRIM);
        else merged = Rules.median(values);
        return bytes32(uint256(merged));
    }

    function _isProven(Docket storage d) private view returns (bool) {
        return d.mergedProven && d.proven.count() == d.inputs;
    }

    // ---------------------------------------------------------------------------------------------------- demands

    /// @inheritdoc ICourt
    function demand(uint32 round, uint256 which, uint256 leaf, bytes32[] calldata roots)
        external
        payable
        nonReentrant
        returns (uint256 id)
    {
        require(which < roots.length || which == MERGED, NoSuchInput(which));
        Docket storage d;
        (id, d) = _file(Kind.Demand, round, leaf, roots);
        d.which = uint16(which);
        emit Demanded(id, round, msg.sender, which, leaf, d.deadline);
    }

    /// @inheritdoc ICourt
    function answer(uint256 id, bytes32[] calldata roots, bytes calldata data, bytes32[] calldata path) external {
        (Docket storage d, IFederation.Record memory r) = _trial(id, Kind.Demand);
        require(block.timestamp <= d.deadline, TooLate(d.deadline));
        _checkRoots(r, roots);
        uint256 which = d.which;
        bytes32 root = which == MERGED ? r.root : roots[which];
        require(Merkle.verify(root, Merkle.leafHash(data), d.leaf, _leaves(), path), WrongProof(which));
        if (d.leaf == 0) {
            // A header that is not as it has to be could never be proved, so it does not count as shown.
            bytes32[9] memory words = which == MERGED
                ? Headers.merged(d.round, LAYOUT, VALUES)
                : Headers.update(
                    address(FEDERATION), d.round, _committer(r, which), LAYOUT, _word(data, Headers.WEIGHT), VALUES
                );
            bool weighs = which == MERGED || (words[Headers.WEIGHT] != 0 && uint256(words[Headers.WEIGHT]) >> 32 == 0);
            require(weighs && keccak256(data) == keccak256(Headers.leaf(words)), WrongHeader(which));
        }
        _end(d, State.Answered);
        _books.bonds -= uint128(BOND);
        emit Answered(id, msg.sender);
        _credit(msg.sender, uint128(BOND), id);
    }

    /// @inheritdoc ICourt
    function forfeit(uint256 id) external {
        (Docket storage d, IFederation.Record memory r) = _trial(id, Kind.Demand);
        require(block.timestamp > d.deadline, TooEarly(d.deadline));
        _end(d, State.Forfeited);
        emit Forfeited(id);
        _undo(id, d, d.which == MERGED ? r.attesters : 1 << _indexOf(r, d.which), Reason.Withheld);
    }

    /// @dev Index of the member whose update is number `which` of the included ones.
    function _indexOf(IFederation.Record memory r, uint256 which) private pure returns (uint256 index) {
        for (;; ++index) {
            if (r.included.has(index)) {
                if (which == 0) return index;
                --which;
            }
        }
    }

    function _committer(IFederation.Record memory r, uint256 which) private view returns (address) {
        return FEDERATION.members()[_indexOf(r, which)];
    }

    // ----------------------------------------------------------------------------------------------- equivocation

    /// @inheritdoc ICourt
    function equivocation(
        address member,
        IFederation.Phase phase,
        uint32 round,
        IFederation.Signed calldata one,
        IFederation.Signed calldata other
    ) external {
        (uint256 seat,,) = FEDERATION.seatOf(member);
        require(seat != 0, IFederation.NotMember(member));
        bytes32 kind = Signatures.typeOf(phase);
        require(one.value != other.value, SameMessage());
        bytes memory common = Signatures.prepare(Signatures.domain(address(FEDERATION)), kind, round);
        address signer = Signatures.signer(common, one);
        require(signer == member, IFederation.WrongSigner(seat - 1, signer));
        signer = Signatures.signer(common, other);
        require(signer == member, IFederation.WrongSigner(seat - 1, signer));
        bytes32 offence = keccak256(abi.encode(member, phase, round));
        require(!_known[offence], KnownEquivocation());
        _known[offence] = true;
        emit Equivocated(member, round, phase, msg.sender);
        _punish(1 << (seat - 1), Reason.Equivocation, round, 0, msg.sender);
    }

    // ----------------------------------------------------------------------------------------- what a leaf says

    /// @dev Which of the model's values a coordinate is.
    function _position(uint256 leaf, uint256 coordinate) private pure returns (uint256) {
        return (leaf - 1) * VALUES_PER_LEAF + coordinate;
    }

    function _checkLeaf(bytes32 root, uint256 leaf, Proof calldata p) private view {
        require(Merkle.verify(root, Merkle.leafHash(p.data), leaf, _leaves(), p.path), WrongProof(p.which));
    }

    /// @dev What an update weighs by its header, as far as it counts.
    function _weight(bytes32 root, Proof calldata p) private view returns (uint256 weight) {
        bytes32 leaf = Merkle.leafHash(Headers.leaf(p.header));
        require(Merkle.verify(root, leaf, 0, _leaves(), p.headerPath), WrongHeader(p.which));
        weight = uint256(p.header[Headers.WEIGHT]);
        if (weight > MAX_WEIGHT) weight = MAX_WEIGHT;
    }

    /// @dev One of the 32-byte words of a leaf, whose length has been checked.
    function _word(bytes calldata data, uint256 index) private pure returns (bytes32) {
        return bytes32(data[32 * index:32 * index + 32]);
    }

    /// @dev One of the little-endian int32 values of a leaf, whose length has been checked.
    function _value(bytes calldata data, uint256 index) private pure returns (int256) {
        uint32 x = uint32(bytes4(data[4 * index:4 * index + 4]));
        x = (x & 0x00ff00ff) << 8 | (x >> 8 & 0x00ff00ff);
        return int32(x << 16 | x >> 16);
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ICourt
    function terms() external view returns (IFederation.Terms memory t) {
        t.coin = address(COIN);
        t.stake = uint128(STAKE);
        t.reward = uint128(REWARD);
        t.bond = uint128(BOND);
        t.challengeSeconds = uint32(CHALLENGE_SECONDS);
        t.proofSeconds = uint32(PROOF_SECONDS);
        t.refusedShare = uint16(REFUSED_SHARE);
        t.challengerShare = uint16(CHALLENGER_SHARE);
        t.rule = uint8(RULE);
        t.trim = uint16(TRIM);
        t.maxWeight = uint32(MAX_WEIGHT);
        t.layout = LAYOUT;
        t.values = uint40(VALUES);
    }

    /// @inheritdoc ICourt
    function federation() external view returns (IFederation) {
        return FEDERATION;
    }
}
