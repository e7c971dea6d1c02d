// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "./ICourt.sol";
import {IFederation} from "./IFederation.sol";
import {Treasury} from "./Treasury.sol";
import {Merkle} from "./libraries/Merkle.sol";

/// @title What all cases of a court have in common: how they are opened for a bond, and how they end.
abstract contract Cases is Treasury {
    /// @dev A case as it is kept. `leaf` and `coordinate` as in `Case`.
    struct Docket {
        address challenger;
        Kind kind;
        State state;
        uint32 round;
        uint40 deadline;
        uint40 leaf;
        uint16 coordinate;
        uint16 which;
        uint16 inputs;
        bool mergedProven;
        uint256 proven;
        bytes32 merged;
        mapping(uint256 quad => uint256) values; // 64 bits an input: weight, then value
    }

    /// @dev Instead of the position of an update: the merged blob.
    uint256 internal constant MERGED = 256;
    /// @dev Values in a leaf.
    uint256 internal constant VALUES_PER_LEAF = Merkle.LEAF / 4;

    uint256 internal immutable PROOF_SECONDS;
    /// @dev How many values a model has.
    uint256 internal immutable VALUES;

    mapping(uint256 id => Docket) private _dockets;
    /// @dev How many cases on a round are open.
    mapping(uint256 round => uint256) private _open;

    constructor(IFederation.Terms memory t) Treasury(t) {
        require(t.proofSeconds != 0, IFederation.InvalidTerms("proofSeconds"));
        PROOF_SECONDS = t.proofSeconds;
        VALUES = t.values;
    }

    /// @inheritdoc ICourt
    function close(uint256 id) external {
        Docket storage d = _dockets[id];
        require(d.state != State.None, NoSuchCase(id));
        require(d.state == State.Open, NotOpen(d.state));
        require(FEDERATION.record(d.round).undone, NotUndone(d.round));
        _end(d, State.Closed);
        emit Closed(id);
        _returnBond(id, d);
    }

    /// @dev Opens a case on a leaf of a final round that can still be challenged, for the bond.
    function _file(Kind kind, uint32 round, uint256 leaf, bytes32[] calldata roots)
        internal
        returns (uint256 id, Docket storage d)
    {
        IFederation.Record memory r = FEDERATION.record(round);
        require(r.status == IFederation.Status.Final, NotFinal(round));
        uint256 until = r.openUntil + CHALLENGE_SECONDS;
        require(block.timestamp <= until, WindowClosed(until));
        require(leaf < _leaves(), NoSuchLeaf(leaf, _leaves()));
        _checkRoots(r, roots);
        uint256 arrived = _collect(BOND);
        require(arrived == BOND, WrongAmount(arrived, BOND));
        _books.bonds += uint128(BOND);
        id = ++_books.cases;
        _open[round] += 1;
        d = _dockets[id];
        d.challenger = msg.sender;
        d.kind = kind;
        d.state = State.Open;
        d.round = round;
        d.deadline = uint40(block.timestamp + PROOF_SECONDS);
        d.leaf = uint40(leaf);
    }

    /// @dev An open case of this kind, and the round it is about, which stands.
    function _trial(uint256 id, Kind kind) internal view returns (Docket storage d, IFederation.Record memory r) {
        d = _dockets[id];
        require(d.state != State.None, NoSuchCase(id));
        require(d.kind == kind, WrongKind(d.kind));
        require(d.state == State.Open, NotOpen(d.state));
        r = FEDERATION.record(d.round);
        require(!r.undone, AlreadyUndone(d.round));
    }

    function _end(Docket storage d, State state) internal {
        d.state = state;
        _open[d.round] -= 1;
    }

    /// @dev The challenger was right: the guilty lose their stake and seat, the challenger gets its share and bond.
    function _undo(uint256 id, Docket storage d, uint256 guilty, Reason reason) internal {
        _punish(guilty, reason, d.round, id, d.challenger);
        _returnBond(id, d);
        FEDERATION.undo(d.round);
    }

    function _returnBond(uint256 id, Docket storage d) internal {
        _books.bonds -= uint128(BOND);
        _credit(d.challenger, uint128(BOND), id);
    }

    function _forfeitBond() internal {
        _books.bonds -= uint128(BOND);
        _books.pool += uint128(BOND);
    }

    function _isDisputed(uint256 round) internal view override returns (bool) {
        return _open[round] != 0;
    }

    /// @dev Leaves of every blob.
    function _leaves() internal view returns (uint256) {
        return 1 + (VALUES + VALUES_PER_LEAF - 1) / VALUES_PER_LEAF;
    }

    function _checkRoots(IFederation.Record memory r, bytes32[] calldata roots) internal pure {
        require(keccak256(abi.encodePacked(roots)) == r.evidence, WrongRoots(r.evidence));
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ICourt
    function caseOf(uint256 id) public view returns (Case memory c) {
        Docket storage d = _dockets[id];
        if (d.state == State.None) return c;
        c.id = id;
        c.kind = d.kind;
        c.state = d.state;
        c.round = d.round;
        c.challenger = d.challenger;
        c.deadline = d.deadline;
        c.which = d.which;
        c.inputs = d.inputs;
        c.leaf = d.leaf;
        c.coordinate = d.coordinate;
        c.proven = d.proven;
        c.mergedProven = d.mergedProven;
        c.merged = d.merged;
    }

    /// @inheritdoc ICourt
    function openCases() external view returns (Case[] memory open) {
        uint256 n;
        for (uint256 id = 1; id <= _books.cases; ++id) {
            if (_dockets[id].state == State.Open) ++n;
        }
        open = new Case[](n);
        for (uint256 id = _books.cases; n != 0; --id) {
            if (_dockets[id].state == State.Open) open[--n] = caseOf(id);
        }
    }
}
