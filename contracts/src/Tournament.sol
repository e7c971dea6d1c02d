// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bracket} from "./Bracket.sol";
import {ILedger} from "./ILedger.sol";
import {ITournament} from "./ITournament.sol";
import {Parts} from "./Parts.sol";
import {Phases} from "./Phases.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {BlobHeaders} from "./libraries/BlobHeaders.sol";
import {Encodings} from "./libraries/Encodings.sol";
import {Merkle} from "./libraries/Merkle.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {Rules} from "./libraries/Rules.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";
import {Statements} from "./libraries/Statements.sol";
import {Trees} from "./libraries/Trees.sol";

/// @title The court: one tournament a round, in which anybody moves for either side.
///
/// A move is forced by hashes: whoever makes it, the side's root decides what can be shown. So nobody has to be known here,
/// nothing has to be called for time to run out, and a side loses by silence or by being wrong.
contract Tournament is ITournament, Bracket, Phases, Parts {
    using Bitmaps for uint256;

    uint256 private constant MEAN = 1;
    uint256 private constant TRIMMED_MEAN = 2;
    /// @dev What a move costs beyond what it can measure: the transaction, the parts' look-up, and noting the payment.
    uint256 private constant OVERHEAD = 60_000;

    constructor(address views) Parts(views) {}

    // -------------------------------------------------------------------------------------------------- entries

    /// @inheritdoc ITournament
    function enter(uint32 round, bytes32 context, bytes32 root) external payable returns (uint256 number) {
        Terms memory t = TermsOf.all();
        require(t.rule != 0, NotJudged());
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        require(round != 0 && h.round() == round && h.phase() == RoundHeads.FINAL, NotFinal(round));
        uint256 until = h.deadline() + t.windowSeconds;
        require(block.timestamp <= until, WindowClosed(until));
        require(context == _contexts[slot], ILedger.WrongContext(_contexts[slot]));
        require(root != 0, ILedger.ZeroRoot());
        require(msg.value == t.bond, WrongBond(msg.value, t.bond));
        number = _entryOf[round][root];
        require(number == 0 && root != _first[slot], AlreadyEntered(number));
        _takePlace(round, slot, h);
        number = _addEntry(round, root);
        _entries[round][number].entrant = msg.sender;
        _dockets[round].start = uint40(until);
        emit Entered(round, number, root, msg.sender);
    }

    /// @dev A place for an entry by bond. Those kept for the roster are taken by attesting; or later, by who did not.
    function _takePlace(uint256 round, uint256 slot, RoundHead h) private {
        uint256 outsiders = _dockets[round].outsiders;
        if (outsiders < MAX_ENTRIES - _rosters[slot].count()) {
            _dockets[round].outsiders = uint16(outsiders + 1);
            return;
        }
        uint256 seat = SeatSlots.seat(SeatSlots.get(msg.sender));
        uint256 late = block.timestamp < h.deadline() ? 0 : _rosters[slot] & _awaited(h, slot) & ~_placed[round];
        require(seat != 0 && late.has(seat - 1), TournamentFull(outsiders));
        _placed[round] |= 1 << (seat - 1);
    }

    // ------------------------------------------------------------------------------------------------- a descent

    /// @inheritdoc ITournament
    function show(Point calldata p, bytes32[] calldata partsI, bytes32[] calldata partsJ) external {
        uint256 gas_ = gasleft();
        Terms memory t = TermsOf.all();
        (uint256 key, Match memory m) = _at(p, t);
        require(m.count > 1, WrongKind());
        uint256 size = Trees.partOf(m.count);
        uint256 n = (m.count + size - 1) / size;
        (bool givesI, bool givesJ) = (partsI.length != 0, partsJ.length != 0);
        bytes32[2] storage nodes = _nodes[key];
        if (givesI) _checkParts(partsI, n, nodes[0], m.i);
        if (givesJ) _checkParts(partsJ, n, nodes[1], m.j);
        bool both = _mark(m, givesI, givesJ);
        emit Shown(p.round, p.stage, p.i >> (p.stage + 1), p.from, p.count, partsI, partsJ);
        if (both) {
            uint256 k;
            while (partsI[k] == partsJ[k]) ++k;
            (nodes[0], nodes[1]) = (partsI[k], partsJ[k]);
            m.from += uint40(k * size);
            m.count = uint40(k + 1 < n ? size : m.count - k * size);
            (m.shown, m.since) = (0, uint40(block.timestamp));
        }
        _matches[key] = m;
        _charge(key, givesI, givesJ, gas_, 32 * (partsI.length + partsJ.length));
    }

    function _checkParts(bytes32[] calldata parts, uint256 n, bytes32 node, uint256 entry_) private view {
        require(parts.length == n, WrongParts(parts.length, n));
        require(Trees.rootOf(parts) == node, WrongShape(entry_));
    }

    /// @inheritdoc ITournament
    function showLeaf(Point calldata p, bytes calldata leafI, bytes calldata leafJ) external {
        uint256 gas_ = gasleft();
        Terms memory t = TermsOf.all();
        (uint256 key, Match memory m) = _at(p, t);
        require(m.count == 1, WrongKind());
        (bool givesI, bool givesJ) = (leafI.length != 0, leafJ.length != 0);
        bytes32[2] storage nodes = _nodes[key];
        if (givesI) require(Merkle.leafHash(leafI) == nodes[0], WrongShape(m.i));
        if (givesJ) require(Merkle.leafHash(leafJ) == nodes[1], WrongShape(m.j));
        bool both = _mark(m, givesI, givesJ);
        emit LeafShown(p.round, p.stage, p.i >> (p.stage + 1), leafI, leafJ);
        if (both) _judge(p, m, t, key, leafI, leafJ);
        _matches[key] = m;
        _charge(key, givesI, givesJ, gas_, leafI.length + leafJ.length);
    }

    /// @dev The match that a move is in, at the point that it names; a new one where nobody has moved yet.
    function _at(Point calldata p, Terms memory t) private returns (uint256 key, Match memory m) {
        uint256 slot = _slotOf(p.round);
        RoundHead h = _heads[slot];
        Docket memory d = _dockets[p.round];
        bool judged = h.phase() == RoundHeads.FINAL || h.phase() == RoundHeads.VOID;
        require(t.rule != 0 && h.round() == p.round && judged && d.count > 1 && d.start != 0, NoTournament(p.round));
        (uint256 left, uint256 right) = (uint256(p.i) >> p.stage, uint256(p.j) >> p.stage);
        require(left % 2 == 0 && right == left + 1, NotPaired(p.i, p.j));
        key = _key(p.round, p.stage, left / 2);
        m = _matches[key];
        if (m.state == 0) {
            uint256 start = _startOf(d, t, p.stage);
            require(block.timestamp > start, TooEarly(start));
            (bool ended, uint256 who) = _survivor(p.round, d, t, p.stage, left);
            require(ended && who == uint256(p.i) + 1, NotPaired(p.i, p.j));
            (ended, who) = _survivor(p.round, d, t, p.stage, right);
            require(ended && who == uint256(p.j) + 1, NotPaired(p.i, p.j));
            (m.i, m.j, m.since, m.state) = (p.i, p.j, uint40(start), DESCENT);
            (m.clockI, m.clockJ) = (t.clockSeconds, t.clockSeconds);
            m.count = uint40(Trees.leaves(t.values));
            (_nodes[key][0], _nodes[key][1]) = (_rootOf(p.round, p.i), _rootOf(p.round, p.j));
        } else {
            require(m.i == p.i && m.j == p.j, NotPaired(p.i, p.j));
        }
        (bool over, uint256 winner) = _outcome(m, t);
        require(!over, MatchOver(winner));
        require(p.from == m.from && p.count == m.count, WrongPoint(m.from, m.count));
    }

    /// @dev Notes who has shown, and what of its time that took; true if both have now.
    function _mark(Match memory m, bool givesI, bool givesJ) private view returns (bool) {
        require(m.state == DESCENT, WrongKind());
        bool newI = givesI && m.shown & 1 == 0;
        bool newJ = givesJ && m.shown & 2 == 0;
        require(newI || newJ, NothingNew());
        uint32 spent = uint32(block.timestamp - m.since);
        if (newI) (m.shown, m.clockI) = (m.shown | 1, m.clockI - spent);
        if (newJ) (m.shown, m.clockJ) = (m.shown | 2, m.clockJ - spent);
        if (m.shown != 3) return false;
        require(givesI && givesJ, BothNeeded());
        return true;
    }

    // -------------------------------------------------------------------------------------------------- at a leaf

    /// @dev Judges what needs no inputs, or finds the coordinate that does.
    function _judge(
        Point calldata p,
        Match memory m,
        Terms memory t,
        uint256 key,
        bytes calldata leafI,
        bytes calldata leafJ
    ) private {
        if (m.from == 0) {
            bytes32 expected = keccak256(BlobHeaders.merged(t, p.round));
            return _decide(p, m, keccak256(leafI) == expected, keccak256(leafJ) == expected);
        }
        uint256 c;
        while (Encodings.value(leafI, c) == Encodings.value(leafJ, c)) ++c;
        (int32 valueI, int32 valueJ) = (Encodings.value(leafI, c), Encodings.value(leafJ, c));
        if ((m.from - 1) * Trees.VALUES + c >= t.values) return _decide(p, m, valueI == 0, valueJ == 0);
        Trial storage trial = _trials[key];
        (trial.coordinate, trial.valueI, trial.valueJ) = (uint16(c), valueI, valueJ);
        (m.state, m.since) = (PROVING, uint40(block.timestamp));
        emit Disputed(p.round, p.stage, p.i >> (p.stage + 1), c, valueI, valueJ);
    }

    /// @dev They differ, so at most one is right.
    function _decide(Point calldata p, Match memory m, bool rightI, bool rightJ) private {
        m.state = DECIDED;
        m.winner = rightI ? m.i + 1 : rightJ ? m.j + 1 : 0;
        emit Decided(p.round, p.stage, p.i >> (p.stage + 1), m.winner);
    }

    /// @inheritdoc ITournament
    function prove(Point calldata p, bytes32 voting, bytes32[] calldata roots, Input[] calldata inputs) external {
        uint256 gas_ = gasleft();
        Terms memory t = TermsOf.all();
        (uint256 key, Match memory m) = _at(p, t);
        require(m.state == PROVING, NotProving());
        uint256 slot = _slotOf(p.round);
        require(Statements.resting(voting, _included[slot], roots) == _contexts[slot], WrongRoots(_contexts[slot]));
        Trial storage trial = _trials[key];
        uint256 before = trial.proven;
        uint256 size = 32 * roots.length + _take(trial, m.from, _bases[slot], roots, inputs, t);
        require(trial.proven != before, NothingNew());
        emit Proved(p.round, p.stage, p.i >> (p.stage + 1), trial.proven);
        if (trial.proven.count() == roots.length) {
            int256 merged = _merge(trial, roots.length, t);
            _decide(p, m, trial.valueI == merged, trial.valueJ == merged);
            _matches[key] = m;
        }
        _charge(key, true, true, gas_, size);
    }

    /// @dev Reads and keeps what inputs prove, and returns how many bytes of them count.
    function _take(
        Trial storage trial,
        uint256 leaf,
        bytes32 baseRoot,
        bytes32[] calldata roots,
        Input[] calldata inputs,
        Terms memory t
    ) private returns (uint256 size) {
        uint256 proven = trial.proven;
        uint256 position = (leaf - 1) * Trees.VALUES + trial.coordinate;
        int256 base;
        for (uint256 k = 0; k < inputs.length; ++k) {
            Input calldata input = inputs[k];
            if (k == 0 && t.encoding != 0) {
                require(input.which == roots.length, NoSuchInput(input.which));
                base = _readBase(input, baseRoot, position, t);
            } else {
                require(input.which < roots.length, NoSuchInput(input.which));
                if (proven.has(input.which)) continue;
                uint256 value = _read(input, roots[input.which], position, base, t);
                trial.inputs[input.which / 4] |= value << 64 * (input.which % 4);
                proven |= 1 << input.which;
            }
            size += 32 * (input.path.length + input.headerPath.length) + input.leaf.length + input.header.length;
        }
        trial.proven = proven;
    }

    /// @dev What the round's base says at a position. It has no header: what somebody adds is not paid.
    function _readBase(Input calldata input, bytes32 root, uint256 position, Terms memory t)
        private
        pure
        returns (int32)
    {
        (uint256 leaf, uint256 offset) = Encodings.place(0, position);
        bool proved = Merkle.verify(root, Merkle.leafHash(input.leaf), leaf, Trees.leaves(t.values), input.path);
        require(proved && input.header.length + input.headerPath.length == 0, WrongProof(input.which));
        return Encodings.value(input.leaf, offset);
    }

    /// @dev What an update says at a position, in the lower half, and what it weighs, above; as they lie.
    function _read(Input calldata input, bytes32 root, uint256 position, int256 base, Terms memory t)
        private
        pure
        returns (uint256 value)
    {
        uint256 count = Encodings.leaves(t.encoding, t.values);
        (uint256 leaf, uint256 offset) = Encodings.place(t.encoding, position);
        require(Merkle.verify(root, Merkle.leafHash(input.leaf), leaf, count, input.path), WrongProof(input.which));
        value = uint32(
            t.encoding == 0
                ? Encodings.value(input.leaf, offset)
                : Encodings.value(uint256(t.encoding), input.leaf, offset, base)
        );
        if (t.rule != MEAN) return value;
        bytes32 header = Merkle.leafHash(input.header);
        require(Merkle.verify(root, header, 0, count, input.headerPath), WrongProof(input.which));
        uint256 weight = uint256(bytes32(input.header[32 * BlobHeaders.WEIGHT:]));
        if (weight > t.maxWeight) weight = t.maxWeight;
        value |= weight << 32;
    }

    function _merge(Trial storage trial, uint256 n, Terms memory t) private view returns (int256) {
        int256[] memory values = new int256[](n);
        uint256[] memory weights = new uint256[](n);
        uint256 four;
        for (uint256 k = 0; k < n; ++k) {
            four = k % 4 == 0 ? trial.inputs[k / 4] : four >> 64;
            values[k] = int32(uint32(four));
            weights[k] = uint32(four >> 32);
        }
        if (t.rule == MEAN) return Rules.mean(values, weights, t.maxWeight);
        return t.rule == TRIMMED_MEAN ? Rules.trimmedMean(values, t.trim) : Rules.median(values);
    }

    /// @dev Notes what a move cost. The loser's bonds pay it, if the side that it was for wins. Of its data so many bytes
    /// count, and not what somebody appended: zeros cost a quarter of what is paid for a byte.
    function _charge(uint256 key, bool forI, bool forJ, uint256 gasBefore, uint256 size) private {
        uint256 most = block.basefee + block.basefee / 8;
        uint256 price = tx.gasprice < most ? tx.gasprice : most;
        uint80 cost = uint80((gasBefore - gasleft() + OVERHEAD + 16 * size) * price);
        Costs storage all = _costs[key];
        Costs storage own = _costsOf[key][msg.sender];
        if (forI && forJ) (all.both, own.both) = (all.both + cost, own.both + cost);
        else if (forI) (all.left, own.left) = (all.left + cost, own.left + cost);
        else (all.right, own.right) = (all.right + cost, own.right + cost);
    }

    // --------------------------------------------------------------------------------------------- what comes of it

    /// @inheritdoc ITournament
    function resolve(uint32 round, uint256 level, uint256 block_) external {
        Terms memory t = TermsOf.all();
        Docket memory d = _dockets[round];
        bool isThere = d.count > 1 && d.start != 0 && !d.fallen;
        require(isThere && level != 0 && level <= _stages(d.count), NoTournament(round));
        // Beyond the entries, a block's number would run into the stage of another match's key, and into its round.
        require(block_ < d.count && block_ << level < d.count, NoTournament(round));
        uint256 key = _key(round, level - 1, block_);
        require(_matches[key].state == 0, NothingNew());
        uint256 start = _startOf(d, t, level - 1);
        require(block.timestamp > start, TooEarly(start));
        (bool ended, uint256 who) = _survivor(round, d, t, level, block_);
        require(ended, TooEarly(start + t.clockSeconds));
        (_matches[key].state, _matches[key].winner) = (DECIDED, uint16(who));
        emit Decided(round, level - 1, block_, who);
    }

    /// @inheritdoc ITournament
    function undo(uint32 round) external {
        Terms memory t = TermsOf.all();
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        require(round != 0 && h.round() == round && h.phase() == RoundHeads.FINAL, NotFinal(round));
        Docket memory d = _dockets[round];
        require(t.rule != 0 && _begun(d), NotLost(round));
        uint256 number = _meta[slot].finalEntry;
        (Fate fate,) = _fate(round, d, t, number);
        require(fate == Fate.Lost, NotLost(round));
        _heads[slot] = h.turned(RoundHeads.VOID);
        Standing memory s = _standing;
        emit Undone(round, s.round);
        for (uint256 later = uint256(round) + 1; later <= s.round; ++later) {
            _fall(s, later);
        }
        _active &= ~_attestersOf(round, number);
        (s.origin, s.installs, s.finals) = (round, false, _meta[slot].finalsBefore);
        (s.voids, s.since) = (0, uint40(block.timestamp));
        if (s.phase == WAITING) s.deadline = uint40(block.timestamp); // what it has waited so far counts no more
        // Where members gather, or wait for a slot, they go on doing so: the next round finds its base by `origin`.
        if (s.phase == OPEN || s.phase == DONE) _next(s, t);
        _standing = s;
    }

    /// @dev Ends a round that was built on one that is undone: nobody loses by it.
    function _fall(Standing memory s, uint256 round) private {
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        if (!h.inUse()) return;
        if (h.phase() == RoundHeads.FINAL || h.phase() == RoundHeads.VOID) s.unsettled -= 1;
        Docket storage d = _dockets[round];
        if (d.count != 0) {
            d.fallen = true;
            _books.burned += d.pot; // of those who had lost by then
        }
        // Its commits were never counted: what the slot still says is of a round before.
        if (h.phase() == RoundHeads.COMMIT) _committed[slot] = 0;
        _heads[slot] = h.turned(RoundHeads.OVER);
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ITournament
    function tournament(uint32 round)
        external
        view
        returns (uint256 entries, uint256 start, uint256 stageSeconds, bool fallen)
    {
        Docket memory d = _dockets[round];
        return (d.count, d.start, _stageSeconds(TermsOf.all()), d.fallen);
    }

    /// @inheritdoc ITournament
    function entry(uint32 round, uint256 number) external view returns (EntryView memory e) {
        Docket memory d = _dockets[round];
        bool held = _heads[_slotOf(round)].round() == round;
        if (number >= d.count || (number == 0 && !held)) return e;
        e.root = _rootOf(round, number);
        e.attesters = _attestersOf(round, number);
        if (number != 0) e.entrant = _entries[round][number].entrant;
        e.collected = number == 0 ? d.firstPunished : _entries[round][number].collected;
        e.fate = Fate.Pending;
        if (d.fallen) e.fate = Fate.Fallen;
        if (d.fallen || !_begun(d)) return e;
        uint256 stage;
        (e.fate, stage) = _fate(round, d, TermsOf.all(), number);
        e.stage = uint8(stage);
    }

    /// @inheritdoc ITournament
    function numberOf(uint32 round, bytes32 root) external view returns (bool found, uint256 number) {
        number = _entryOf[round][root];
        RoundHead h = _heads[_slotOf(round)];
        bool held = h.round() == round && h.phase() > RoundHeads.ATTEST && h.phase() != RoundHeads.OVER;
        found = number != 0 || (held && root == _first[_slotOf(round)]);
    }

    /// @inheritdoc ITournament
    function survivor(uint32 round, uint256 level, uint256 block_) external view returns (bool ended, uint256 who) {
        Docket memory d = _dockets[round];
        require(_begun(d) && !d.fallen && level <= _stages(d.count), NoTournament(round));
        return _survivor(round, d, TermsOf.all(), level, block_);
    }

    /// @inheritdoc ITournament
    function matchAt(uint32 round, uint256 stage, uint256 block_) external view returns (MatchView memory v) {
        uint256 key = _key(round, stage, block_);
        Match memory m = _matches[key];
        if (m.state == 0) return v;
        (bool ended, uint256 winner) = _outcome(m, TermsOf.all());
        v.state = ended ? State.Decided : State(m.state);
        if (ended) v.winner = uint16(winner);
        (v.i, v.j, v.since, v.clockI, v.clockJ) = (m.i, m.j, m.since, m.clockI, m.clockJ);
        (v.from, v.count, v.shown) = (m.from, m.count, m.shown);
        (v.nodeI, v.nodeJ) = (_nodes[key][0], _nodes[key][1]);
        (v.coordinate, v.proven) = (_trials[key].coordinate, _trials[key].proven);
    }
}
