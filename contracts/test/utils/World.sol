// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../../src/ICourt.sol";
import {IFederation} from "../../src/IFederation.sol";
import {Bitmaps} from "../../src/libraries/Bitmaps.sol";
import {Headers} from "../../src/libraries/Headers.sol";
import {Merkle} from "../../src/libraries/Merkle.sol";
import {Rules} from "../../src/libraries/Rules.sol";
import {Ghosts} from "./Ghosts.sol";
import {vm} from "./Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title A federation with money, to whom anything may happen: rounds right and wrong, cases, slashes, exits, claims.
/// @notice Member 0 is honest: it commits to what it has, attests the right merge or nothing, signs nothing twice and shows
/// what is demanded; ballots of the others accept it. They do as the seed says. Whoever finds a wrong merge challenges
/// it. The model is a single value, so that a blob is quickly made; `Blobs` has larger ones.
contract World is Ghosts {
    using Bitmaps for uint256;

    uint256 public constant ACTORS = 5;
    uint256 private constant HONEST = 0;
    bytes32 private constant LAYOUT = keccak256("layout");
    address private constant STRANGER = address(0x57A6E);
    address private constant PAYEE = address(0xE15E);

    /// @dev By round: whose committed update nobody has, and where each committed one is said.
    mapping(uint256 round => uint256) private _hidden;
    mapping(uint256 round => mapping(uint256 index => bytes32)) private _committed;
    address[ACTORS] private _actors;
    uint256[] private _cases; // those that are open
    uint256 private _judged; // the last round whose merge was looked at

    constructor() {
        vm.warp(START);
        coin = IERC20(vm.deployCode("DeepLearningCoin.sol:DeepLearningCoin", abi.encode(SUPPLY)));
        IFederation.Terms memory t = _courtTerms(4);
        t.rounds = 1_000_000;
        t.maxMissed = 2;
        t.reward = uint128(MOST_REWARD);
        t.rule = 3;
        t.values = 1;
        t.layout = LAYOUT;
        _found(t);
        coin.transfer(CHALLENGER, SUPPLY / 2);
        vm.prank(CHALLENGER);
        coin.approve(address(court), type(uint256).max);
        for (uint256 i = 0; i < ACTORS; ++i) {
            _actors[i] = _member(i);
        }
        join(0xff);
        fund(0);
    }

    function setUp() public override {}

    // ------------------------------------------------------------------------------------------- members come and go

    /// @dev Some who are out, with the stake that it takes, which somebody puts down for them.
    function join(uint256 who) public {
        for (uint256 i = 0; i < ACTORS; ++i) {
            address member = _actors[i];
            // Who waits for its stake mostly goes on waiting.
            if (_active(i) || (who >> i) % 4 == 0 || (_waits[member] && who / ACTORS % 8 != 0)) continue;
            uint256 lacks = STAKE - _stakes[member];
            if (lacks != 0) _do(address(this), address(court), abi.encodeCall(ICourt.deposit, (member, lacks)));
            _alone(i, address(federation), abi.encodeCall(IFederation.join, (CHARTER, new bytes32[](0))));
        }
    }

    function leave(uint256 who) external {
        (uint256 i,) = _somebody(who);
        if (who % 4 == 0 && _active(i)) _alone(i, address(federation), abi.encodeCall(IFederation.leave, ()));
    }

    function exit(uint256 who) external {
        (uint256 i, address member) = _somebody(who);
        if (_active(i) || _stakes[member] == 0 || (_waits[member] && who / ACTORS % 8 != 0)) return;
        _alone(i, address(court), abi.encodeCall(ICourt.exit, ()));
    }

    function withdraw(uint256 who) external {
        (, address member) = _somebody(who);
        (bool ok, bytes memory error) = _send(member, address(court), abi.encodeCall(ICourt.withdraw, (PAYEE)));
        if (!ok && bytes4(error) == ICourt.StillLocked.selector) ++refusals;
    }

    function claim(uint256 who) external {
        address account = who % 4 == 3 ? CHALLENGER : _actors[who % ACTORS];
        _send(account, address(court), abi.encodeCall(ICourt.claim, (PAYEE, 1 + who % 64)));
    }

    function fund(uint256 seed) public {
        _do(address(this), address(court), abi.encodeCall(ICourt.fund, (REWARD + seed % (100 * REWARD))));
    }

    // --------------------------------------------------------------------------------------------------------- rounds

    /// @dev One member says what is its turn to say.
    function speak(uint256 who, uint256 what) public {
        (uint256 i,) = _somebody(who);
        bytes memory data = _words(i, what);
        if (data.length != 0) _alone(i, address(federation), data);
        _look(what);
    }

    /// @dev All who are awaited do.
    function speakTogether(uint256 what) external {
        for (uint256 i = ACTORS; i > 0; --i) {
            if ((what >> i) % 8 != 0) speak(i - 1, what);
        }
    }

    /// @dev What some have signed, posted by a stranger.
    function relay(uint256 who, uint256 what) external {
        IFederation.View memory v = _now();
        uint256 signers;
        IFederation.Signed[] memory messages = new IFederation.Signed[](ACTORS);
        uint256 n;
        for (uint256 i = 0; i < v.members.length; ++i) {
            bytes memory data = (who >> i) % 4 == 0 ? bytes("") : _words(i, what);
            if (data.length == 0) continue;
            bytes32 value;
            assembly ("memory-safe") {
                value := mload(add(data, 68))
            }
            messages[n++] = _sign(_key(i), v.phase, v.round, value);
            signers |= 1 << i;
        }
        if (n == 0) return;
        assembly ("memory-safe") {
            mstore(messages, n)
        }
        address[] memory others = what % 2 == 0 ? _othersThan(signers) : new address[](0);
        bytes memory call = abi.encodeCall(IFederation.relay, (v.phase, v.round, signers, messages, others));
        uint256 heard = abi.decode(_do(STRANGER, address(federation), call), (uint256));
        if (heard & ~signers != 0) ++intrusions;
        _look(what);
    }

    /// @dev Of the round closed last; who is honest confirms what is right alone.
    function attestLate(uint256 who) external {
        (uint256 i,) = _somebody(who);
        IFederation.Outcome memory o = _now().previous;
        if (o.status != IFederation.Status.Final || (i == HONEST && o.root != _right(o.round, o.included))) return;
        _send(_actors[i], address(federation), abi.encodeCall(IFederation.attest, (o.round, o.root)));
    }

    function sleep(uint256 seed) external {
        vm.warp(block.timestamp + (seed % 4 == 0 ? CHALLENGE_SECONDS : 0) + seed % 300);
        _do(STRANGER, address(federation), abi.encodeCall(IFederation.poke, ()));
        _look(seed);
    }

    /// @dev After any deadline any address can move a federation on, unless it still waits for members.
    function oversleep(uint256 seed) external {
        _do(STRANGER, address(federation), abi.encodeCall(IFederation.poke, ()));
        IFederation.View memory v = _now();
        if (v.deadline > block.timestamp) vm.warp(v.deadline);
        _do(address(uint160(1 + seed % 1_000_000)), address(federation), abi.encodeCall(IFederation.poke, ()));
        if (_gas > mostGasToMoveOn) mostGasToMoveOn = _gas;
        IFederation.View memory w = _now();
        if (w.round == v.round && w.phase == v.phase && v.phase != IFederation.Phase.Forming) ++stoodStill;
        _look(seed);
    }

    // ------------------------------------------------------------------------------------------------------ judgement

    /// @dev Who speaks with two tongues loses all; who is honest never does.
    function equivocate(uint256 who, uint256 round) external {
        (uint256 i, address member) = _somebody(who);
        uint32 r = uint32(1 + round % (uint256(_now().round) + 1));
        if (i == HONEST || who % 32 != 1) return;
        IFederation.Phase phase = IFederation.Phase.Commit;
        IFederation.Signed memory one = _sign(_key(i), phase, r, keccak256("one"));
        IFederation.Signed memory other = _sign(_key(i), phase, r, keccak256("other"));
        _send(CHALLENGER, address(court), abi.encodeCall(ICourt.equivocation, (member, phase, r, one, other)));
    }

    /// @dev Challenges what is right, and demands what may be shown or not. What the honest member would lose its stake
    /// for is shown at once.
    function contest(uint256 seed) external {
        uint32 r = _now().previous.round;
        IFederation.Record memory record = federation.record(r);
        if (record.status != IFederation.Status.Final || _isOver(record)) return;
        bytes32[] memory roots = _rootsIn(r, record.included);
        if (seed % 2 == 0) {
            if (record.root != _right(r, record.included)) return;
            uint256 id = _case(abi.encodeCall(ICourt.challenge, (r, 1, 0, roots)));
            if (seed % 3 != 0) _prove(id, r, record.included, record.root);
        } else {
            uint256 which = (seed >> 8) % (roots.length + 1);
            bool mine = which == roots.length ? rosterOf[r].has(HONEST) : _nth(record.included, which) == HONEST;
            if (which == roots.length) which = MERGED;
            _case(abi.encodeCall(ICourt.demand, (r, which, seed >> 16 & 1, roots)));
            if (mine || seed % 5 != 0) _answer(_cases[_cases.length - 1], r, record, which, seed >> 16 & 1);
        }
    }

    /// @dev Ends whatever can end.
    function end(uint256) external {
        for (uint256 k = _cases.length; k > 0; --k) {
            uint256 id = _cases[k - 1];
            ICourt.Case memory c = court.caseOf(id);
            bytes memory data;
            if (c.state != ICourt.State.Open) data = "";
            else if (federation.record(c.round).undone) data = abi.encodeCall(ICourt.close, (id));
            else if (c.mergedProven && c.proven.count() == c.inputs) data = abi.encodeCall(ICourt.conclude, (id));
            else if (block.timestamp <= c.deadline) continue;
            else if (c.kind == ICourt.Kind.Challenge) data = abi.encodeCall(ICourt.expire, (id));
            else data = abi.encodeCall(ICourt.forfeit, (id));
            if (data.length != 0) _do(STRANGER, address(court), data);
            _cases[k - 1] = _cases[_cases.length - 1];
            _cases.pop();
        }
    }

    function settle(uint256 most) external {
        (bool ok,) = _send(STRANGER, address(court), abi.encodeCall(ICourt.settle, (1 + most % 8)));
        if (ok && _gas > mostGasToSettle) mostGasToSettle = _gas;
    }

    /// @dev Whatever a stranger tries in another's name fails.
    function intrude(uint256 who, uint256 what) external {
        IFederation.View memory v = _now();
        uint256 index = who % v.members.length;
        IFederation.Signed[] memory forged = new IFederation.Signed[](1);
        forged[0] = _sign(uint256(keccak256("stranger")), IFederation.Phase.Commit, v.round, keccak256("forged"));
        (bool ok,) = (false, "");
        uint256 kind = what % 9;
        bytes memory data;
        address to = kind < 4 ? address(federation) : address(court);
        if (kind == 0) {
            if (v.phase != IFederation.Phase.Commit || !v.roster.has(index) || v.committed.has(index)) return;
            data = abi.encodeCall(IFederation.relay, (v.phase, v.round, 1 << index, forged, _othersThan(1 << index)));
        }
        if (kind == 1) data = abi.encodeCall(IFederation.commit, (v.round, keccak256("forged")));
        if (kind == 2) data = abi.encodeCall(IFederation.undo, (v.previous.round));
        if (kind == 3) data = abi.encodeCall(IFederation.unseatMembers, (1 << index));
        if (kind == 4) data = abi.encodeCall(ICourt.admit, (v.members[index]));
        if (kind == 5) data = abi.encodeCall(ICourt.exit, ());
        if (kind == 6) data = abi.encodeCall(ICourt.withdraw, (STRANGER));
        if (kind == 7) data = abi.encodeCall(ICourt.claim, (STRANGER, 1));
        if (kind == 8) {
            data = abi.encodeCall(
                ICourt.equivocation, (v.members[index], IFederation.Phase.Commit, v.round, forged[0], forged[0])
            );
        }
        (ok,) = _send(STRANGER, to, data);
        if (ok) ++intrusions;
    }

    // ------------------------------------------------------------------------------------------------ what is said

    /// @dev What a member would say now, as a call; empty if nothing.
    function _words(uint256 i, uint256 what) private returns (bytes memory) {
        IFederation.View memory v = _now();
        if (!v.roster.has(i)) return "";
        what = uint256(keccak256(abi.encode(what, i)));
        if (v.phase == IFederation.Phase.Commit && !v.committed.has(i)) {
            bool hides = i != HONEST && what % 16 == 0;
            if (hides) _hidden[v.round] |= 1 << i;
            else _hidden[v.round] &= ~(1 << i);
            bytes32 root = hides ? keccak256(abi.encode("hidden", v.round, i)) : _rootOf(_blobOf(v.round, i));
            _committed[v.round][i] = root;
            return abi.encodeCall(IFederation.commit, (v.round, root));
        }
        if (v.phase == IFederation.Phase.Vote && !v.voted.has(i)) {
            uint256 ballot = v.committed;
            uint256 mood = uint256(keccak256(abi.encode("refused", v.round)));
            if (i != HONEST && mood % 4 == 0) ballot &= ~(2 << (mood >> 8) % (ACTORS - 1)); // somebody, by all
            else if (i != HONEST && what % 4 == 0) ballot &= what | 1 << HONEST;
            return abi.encodeCall(IFederation.vote, (v.round, ballot));
        }
        if (v.phase == IFederation.Phase.Attest && !v.attested.has(i)) {
            bytes32 root = _right(v.round, v.included);
            bool lies = uint256(keccak256(abi.encode("mood", v.round))) % 3 == 0;
            if (i != HONEST && what % 6 == 0) root = keccak256(abi.encode("astray", i));
            else if (i != HONEST && root == 0) root = keccak256(abi.encode("blind", v.round));
            else if (i != HONEST && lies) root = _wrong(v.round, v.included);
            return root == 0 ? bytes("") : abi.encodeCall(IFederation.attest, (v.round, root));
        }
        return "";
    }

    /// @dev A member's own verb, which leaves all that is the others' as it was, unless it moves the phase on.
    function _alone(uint256 i, address to, bytes memory data) private {
        bytes32 before = _others(i);
        IFederation.View memory v = _now();
        _do(_actors[i], to, data);
        IFederation.View memory w = _now();
        if (w.round == v.round && w.phase == v.phase && _others(i) != before) ++intrusions;
    }

    /// @dev All that the others have said and have.
    function _others(uint256 i) private view returns (bytes32 digest) {
        IFederation.View memory v = _now();
        uint256 mine = 1 << i;
        digest = keccak256(abi.encode(v.roster & ~mine, v.active & ~mine, v.committed & ~mine, v.voted & ~mine));
        for (uint256 k = 0; k < v.members.length; ++k) {
            if (k == i) continue;
            digest = keccak256(abi.encode(digest, v.roots[k], v.ballots[k], v.attestations[k]));
        }
        return keccak256(abi.encode(digest, court.books().stakes - _stakes[_actors[i]], court.books().owed));
    }

    // -------------------------------------------------------------------------------------------------- who is right

    /// @dev Looks at what has become final: a wrong merge is challenged, and an update that nobody has is demanded.
    function _look(uint256 seed) private {
        uint32 r = _now().previous.round;
        if (r <= _judged) return;
        _judged = r;
        IFederation.Record memory record = federation.record(r);
        if (record.status != IFederation.Status.Final) return;
        bytes32 right = _right(r, record.included);
        if (record.root == right) return;
        bytes32[] memory roots = _rootsIn(r, record.included);
        if (right == 0) {
            uint256 which;
            while (!_hidden[r].has(_nth(record.included, which))) ++which;
            _case(abi.encodeCall(ICourt.demand, (r, which, 1, roots)));
        } else {
            uint256 id = _case(abi.encodeCall(ICourt.challenge, (r, 1, 0, roots)));
            _prove(id, r, record.included, record.root);
            if (seed % 2 == 0) _do(STRANGER, address(court), abi.encodeCall(ICourt.conclude, (id)));
        }
    }

    function _case(bytes memory data) private returns (uint256 id) {
        id = abi.decode(_do(CHALLENGER, address(court), data), (uint256));
        _cases.push(id);
    }

    function _prove(uint256 id, uint32 r, uint256 included, bytes32 root) private {
        ICourt.Proof[] memory proofs = new ICourt.Proof[](included.count() + 1);
        for (uint256 k = 0; k < proofs.length - 1; ++k) {
            proofs[k].which = uint16(k);
            (proofs[k].data, proofs[k].path) = _leaf(_blobOf(r, _nth(included, k)), 1);
        }
        ICourt.Proof memory merged = proofs[proofs.length - 1];
        merged.which = uint16(MERGED);
        int256 value = _median(r, included);
        bool isRight = root == _rootOf(_merged(r, value));
        (merged.data, merged.path) = _leaf(_merged(r, isRight ? value : value ^ 1), 1);
        _do(STRANGER, address(court), abi.encodeCall(ICourt.prove, (id, _rootsIn(r, included), proofs)));
    }

    function _answer(uint256 id, uint32 r, IFederation.Record memory record, uint256 which, uint256 leaf) private {
        bytes32 right = _right(r, record.included);
        uint256 index = which == MERGED ? 0 : _nth(record.included, which);
        if (which == MERGED ? right == 0 : _hidden[r].has(index)) return;
        int256 value = which == MERGED ? _median(r, record.included) : int256(0);
        if (which == MERGED && record.root != right) value ^= 1;
        (bytes memory data, bytes32[] memory path) =
            _leaf(which == MERGED ? _merged(r, value) : _blobOf(r, index), leaf);
        if (which == MERGED && record.root != _rootOf(_merged(r, value))) return; // of all members astray
        bytes32[] memory roots = _rootsIn(r, record.included);
        _do(_actors[HONEST], address(court), abi.encodeCall(ICourt.answer, (id, roots, data, path)));
    }

    function _isOver(IFederation.Record memory record) private view returns (bool) {
        return block.timestamp > record.openUntil + CHALLENGE_SECONDS;
    }

    // --------------------------------------------------------------------------------------------------------- blobs

    /// @dev A blob of a single value: header, value.
    struct Small {
        bytes32[9] header;
        int256 value;
    }

    function _blobOf(uint32 r, uint256 index) private view returns (Small memory b) {
        b.header = Headers.update(address(federation), r, _actors[index], LAYOUT, bytes32(uint256(1)), 1);
        b.value = _valueOf(r, index);
    }

    function _merged(uint32 r, int256 value) private pure returns (Small memory) {
        return Small(Headers.merged(r, LAYOUT, 1), value);
    }

    function _valueOf(uint32 r, uint256 index) private pure returns (int256) {
        return int256(int32(uint32(uint256(keccak256(abi.encode(r, index))))));
    }

    /// @dev The right merge of these updates, of which all are had.
    function _median(uint32 r, uint256 included) private pure returns (int256) {
        int256[] memory values = new int256[](included.count());
        for (uint256 k = 0; k < values.length; ++k) {
            values[k] = _valueOf(r, _nth(included, k));
        }
        return Rules.median(values);
    }

    /// @dev Root of the right merge; zero if nobody knows it.
    function _right(uint32 r, uint256 included) private view returns (bytes32) {
        return included & _hidden[r] != 0 ? bytes32(0) : _rootOf(_merged(r, _median(r, included)));
    }

    function _wrong(uint32 r, uint256 included) private pure returns (bytes32) {
        return _rootOf(_merged(r, _median(r, included) ^ 1));
    }

    function _rootOf(Small memory b) private pure returns (bytes32) {
        return Merkle.nodeHash(Merkle.leafHash(Headers.leaf(b.header)), Merkle.leafHash(_data(b)));
    }

    /// @dev A leaf, and its path.
    function _leaf(Small memory b, uint256 leaf) private pure returns (bytes memory data, bytes32[] memory path) {
        data = leaf == 0 ? Headers.leaf(b.header) : _data(b);
        path = new bytes32[](1);
        path[0] = Merkle.leafHash(leaf == 0 ? _data(b) : Headers.leaf(b.header));
    }

    /// @dev The leaf of the value, little-endian.
    function _data(Small memory b) private pure returns (bytes memory data) {
        data = new bytes(Merkle.LEAF);
        uint256 x = uint256(b.value);
        for (uint256 k = 0; k < 4; ++k) {
            data[k] = bytes1(uint8(x >> 8 * k));
        }
    }

    function _rootsIn(uint32 r, uint256 included) private view returns (bytes32[] memory roots) {
        roots = new bytes32[](included.count());
        for (uint256 k = 0; k < roots.length; ++k) {
            roots[k] = _committed[r][_nth(included, k)];
        }
    }

    // ----------------------------------------------------------------------------------------------------------- who

    /// @dev An actor; the last of them may not be a member yet. Their numbers are their indices.
    function _somebody(uint256 who) private view returns (uint256 i, address member) {
        i = who % ACTORS;
        return (i, _actors[i]);
    }

    function _active(uint256 i) private view returns (bool active) {
        (, active,) = federation.seatOf(_actors[i]);
    }

    /// @dev The k-th set bit.
    function _nth(uint256 bitmap, uint256 k) private pure returns (uint256 index) {
        for (;; ++index) {
            if (!bitmap.has(index)) continue;
            if (k == 0) return index;
            --k;
        }
    }
}
