// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "../../src/ILedger.sol";
import {ITournament} from "../../src/ITournament.sol";
import {ITreasury} from "../../src/ITreasury.sol";
import {IViews} from "../../src/IViews.sol";
import {Terms} from "../../src/Terms.sol";
import {Signed, Statements} from "../../src/libraries/Statements.sol";
import {Blob, Blobs} from "./Blobs.sol";
import {Vm, vm} from "./Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice All verbs of a federation, at its one address.
interface IFederation is ILedger, ITreasury, ITournament, IViews {}

/// @notice Cheatcodes that only these tests use.
interface Cheats {
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function startPrank(address sender) external;
    function stopPrank() external;
    function fee(uint256 basefee) external;
    function txGasPrice(uint256 price) external;
    function computeCreate2Address(bytes32 salt, bytes32 hash, address deployer) external pure returns (address);
    function etch(address target, bytes calldata code) external;
    function store(address target, bytes32 slot, bytes32 value) external;
}

Cheats constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

interface IFactory {
    error InvalidTerms(string term);

    function found(Terms calldata t, bytes32 salt) external returns (address);
    function addressOf(Terms calldata t, bytes32 salt) external view returns (address);
    function LEDGER() external view returns (address);
}

/// @title What the tests have in common: a federation, its members, blobs that can be proved.
abstract contract FederationTest {
    using Blobs for Blob;

    bool public constant IS_TEST = true;

    bytes32 internal constant CHARTER = keccak256("charter");
    bytes32 internal constant GENESIS = keccak256("genesis");
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant JOIN = 100;
    uint256 internal constant COMMIT = 500;
    uint256 internal constant VOTE = 300;
    uint256 internal constant ATTEST = 400;
    uint256 internal constant WINDOW = 2000;
    uint256 internal constant CLOCK = 700;
    uint256 internal constant PROOF = 600;
    uint256 internal constant STAGE = 2 * CLOCK + PROOF + 1;
    uint256 internal constant BOND = 1 ether;
    uint256 internal constant STAKE = 100 ether;
    uint256 internal constant REWARD = 12 ether;
    uint256 internal constant UNSETTLED = 4;
    address internal constant WATCHER = address(0xC4A11E);
    address internal constant THIEF = address(0xBAD);

    IFactory internal factory;
    IFederation internal f;
    IERC20 internal coin;

    /// @dev Four members with a stake each, a pool, the mean; round 1 is open.
    function setUp() public virtual {
        vm.warp(START);
        _deploy();
        _found(_terms(4));
        _fill(4);
    }

    function _deploy() internal {
        coin = IERC20(vm.deployCode("DeepLearningCoin.sol:DeepLearningCoin", abi.encode(1_000_000 ether)));
        address views = vm.deployCode("Views.sol:Views", "");
        address tournament = vm.deployCode("Tournament.sol:Tournament", abi.encode(views));
        address treasury = vm.deployCode("src/Treasury.sol:Treasury", abi.encode(tournament));
        address ledger = vm.deployCode("Ledger.sol:Ledger", abi.encode(treasury));
        factory = IFactory(vm.deployCode("Factory.sol:Factory", abi.encode(ledger)));
    }

    function _terms(uint256 n) internal view returns (Terms memory t) {
        t.charter = CHARTER;
        t.genesis = GENESIS;
        t.rounds = 5;
        t.joinSeconds = uint32(JOIN);
        t.commitSeconds = uint32(COMMIT);
        t.voteSeconds = uint32(VOTE);
        t.attestSeconds = uint32(ATTEST);
        t.startMembers = uint16(n);
        t.minMembers = uint16(n < 2 ? n : 2);
        t.maxMissed = 2;
        t.maxUnsettled = uint8(UNSETTLED);
        t.maxVoid = 20;
        t.limitSeconds = 1_000_000;
        t.coin = address(coin);
        t.stake = uint112(STAKE);
        t.reward = uint112(REWARD);
        t.bond = uint96(BOND);
        t.windowSeconds = uint32(WINDOW);
        t.clockSeconds = uint32(CLOCK);
        t.proofSeconds = uint32(PROOF);
        t.rightShare = 1000;
        t.rule = 1;
        t.trim = 1000;
        t.maxWeight = 1000;
        t.layout = keccak256("layout");
        t.values = 1100;
    }

    function _found(Terms memory t) internal {
        f = IFederation(factory.found(t, 0));
        if (t.coin != address(0)) coin.approve(address(f), type(uint256).max);
    }

    /// @dev A pool, and `n` members; opens round 1 if they suffice.
    function _fill(uint256 n) internal {
        f.fund(1000 ether);
        for (uint256 i = 0; i < n; ++i) {
            _equip(_member(i));
            _join(i);
        }
        if (f.isDue()) f.advance();
    }

    /// @dev Puts down for somebody what a seat takes.
    function _equip(address who) internal {
        Terms memory t = f.terms();
        uint256 bonds = uint256(t.maxUnsettled) * t.bond;
        vm.deal(address(this), address(this).balance + bonds);
        if (t.stake != 0) f.deposit(who, t.stake);
        f.depositBonds{value: bonds}(who);
    }

    // ----------------------------------------------------------------------------------------------- who and what

    function _key(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("member", index)));
    }

    function _member(uint256 index) internal pure returns (address) {
        return vm.addr(_key(index));
    }

    function _update(uint32 round, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("update", round, index));
    }

    function _merge(uint32 round) internal pure returns (bytes32) {
        return keccak256(abi.encode("merge", round));
    }

    function _first(uint256 n) internal pure returns (uint256) {
        return n == 256 ? type(uint256).max : (1 << n) - 1;
    }

    function _context(uint32 round) internal view returns (bytes32) {
        return f.roundOf(round).context;
    }

    // --------------------------------------------------------------------------------------------------- acting

    function _join(uint256 index) internal {
        vm.prank(_member(index));
        f.join(CHARTER, new bytes32[](0));
    }

    function _leave(uint256 index) internal {
        vm.prank(_member(index));
        f.leave();
    }

    function _commit(uint32 round, uint256 index, bytes32 root) internal {
        bytes32 context = _context(round);
        vm.prank(_member(index));
        f.commit(round, context, root);
    }

    function _vote(uint32 round, uint256 index, uint256 accepts, uint256 misses) internal {
        bytes32 context = _context(round);
        vm.prank(_member(index));
        f.vote(round, context, accepts, misses);
    }

    function _attest(uint32 round, uint256 index, bytes32 root) internal {
        bytes32 context = _context(round);
        vm.prank(_member(index));
        f.attest(round, context, root);
    }

    /// @dev Statements that are to be refused: nothing else is called before them.
    function _commitIn(uint32 round, bytes32 context, uint256 index, bytes32 root) internal {
        vm.prank(_member(index));
        f.commit(round, context, root);
    }

    function _voteIn(uint32 round, bytes32 context, uint256 index, uint256 accepts, uint256 misses) internal {
        vm.prank(_member(index));
        f.vote(round, context, accepts, misses);
    }

    function _attestIn(uint32 round, bytes32 context, uint256 index, bytes32 root) internal {
        vm.prank(_member(index));
        f.attest(round, context, root);
    }

    function _commitAll(uint32 round, uint256 n) internal {
        for (uint256 i = 0; i < n; ++i) {
            _commit(round, i, _update(round, i));
        }
        f.advance();
    }

    function _voteAll(uint32 round, uint256 n, uint256 accepts) internal {
        for (uint256 i = 0; i < n; ++i) {
            _vote(round, i, accepts, 0);
        }
        f.advance();
    }

    /// @dev A round in which all of `n` members do what they should; the next one opens.
    function _play(uint32 round, uint256 n) internal {
        _commitAll(round, n);
        _voteAll(round, n, _first(n));
        for (uint256 i = 0; i < n; ++i) {
            _attest(round, i, _merge(round));
        }
        f.advance();
    }

    /// @dev The same as far as the attest phase, with updates that can be proved.
    function _playBlobs(uint32 round, uint256 n) internal {
        Terms memory t = f.terms();
        for (uint256 i = 0; i < n; ++i) {
            _commit(round, i, Blobs.update(t, round, i).root);
        }
        f.advance();
        _voteAll(round, n, _first(n));
    }

    /// @dev When the phase is over, on to the next one.
    function _sleep() internal {
        vm.warp(f.position().deadline);
        f.advance();
    }

    // ---------------------------------------------------------------------------------------------------- in court

    function _right(uint32 round, uint256 n) internal view returns (Blob memory) {
        return Blobs.merge(f.terms(), round, n);
    }

    /// @dev The right merge, but for one value; another one for each variant.
    function _wrong(uint32 round, uint256 n, uint256 position, int256 by) internal view returns (Blob memory b) {
        b = _right(round, n);
        b.set(position, Blobs.mergedValue(f.terms(), round, n, position) + by);
        b.seal();
    }

    function _enter(address who, uint32 round, bytes32 root) internal returns (uint256) {
        bytes32 context = _context(round);
        vm.deal(who, who.balance + BOND);
        vm.prank(who);
        return f.enter{value: BOND}(round, context, root);
    }

    function _toTournament(uint32 round) internal {
        (, uint256 start,,) = f.tournament(round);
        vm.warp(start + 1);
    }

    function _point(uint32 round, uint256 stage, uint256 i, uint256 j)
        internal
        view
        returns (ITournament.Point memory p)
    {
        ITournament.MatchView memory m = f.matchAt(round, stage, i >> (stage + 1));
        uint40 leaves = uint40(1 + (uint256(f.terms().values) + 127) / 128);
        if (m.state == ITournament.State.Absent) (m.from, m.count) = (0, leaves);
        return ITournament.Point(round, uint8(stage), uint16(i), uint16(j), m.from, m.count);
    }

    /// @dev One step of both sides, of which none has shown; either may be missing (no leaves).
    function _step(uint32 round, uint256 stage, uint256 i, uint256 j, Blob memory bi, Blob memory bj) internal {
        ITournament.Point memory p = _point(round, stage, i, j);
        if (p.count == 1) {
            bytes memory li = bi.leaves.length == 0 ? bytes("") : bi.leaves[p.from];
            bytes memory lj = bj.leaves.length == 0 ? bytes("") : bj.leaves[p.from];
            f.showLeaf(p, li, lj);
        } else {
            bytes32[] memory none;
            f.show(
                p,
                bi.leaves.length == 0 ? none : bi.parts(p.from, p.count),
                bj.leaves.length == 0 ? none : bj.parts(p.from, p.count)
            );
        }
    }

    /// @dev Down to the leaf, both sides at once, until it is judged or the inputs are to be proved.
    function _descend(uint32 round, uint256 stage, uint256 i, uint256 j, Blob memory bi, Blob memory bj) internal {
        ITournament.State state;
        do {
            _step(round, stage, i, j, bi, bj);
            state = f.matchAt(round, stage, i >> (stage + 1)).state;
        } while (state == ITournament.State.Descent);
    }

    /// @dev Proves all inputs of a match at a leaf.
    function _prove(uint32 round, uint256 stage, uint256 i, uint256 j, uint256 n) internal {
        ITournament.Point memory p = _point(round, stage, i, j);
        f.prove(p, _voting(round, n), _rootsOf(round, n), _inputs(round, n, p.from));
    }

    function _inputs(uint32 round, uint256 n, uint256 leaf) internal view returns (ITournament.Input[] memory inputs) {
        inputs = new ITournament.Input[](n);
        for (uint256 k = 0; k < n; ++k) {
            inputs[k] = _input(Blobs.update(f.terms(), round, k), k, leaf);
        }
    }

    function _input(Blob memory u, uint256 which, uint256 leaf) internal pure returns (ITournament.Input memory) {
        return ITournament.Input(uint16(which), u.leaves[leaf], u.path(leaf), u.leaves[0], u.path(0));
    }

    function _rootsOf(uint32 round, uint256 n) internal view returns (bytes32[] memory roots) {
        roots = new bytes32[](n);
        for (uint256 k = 0; k < n; ++k) {
            roots[k] = Blobs.update(f.terms(), round, k).root;
        }
    }

    /// @dev The context of a round's vote, by what it was: all `n` members of the roster committed.
    function _voting(uint32 round, uint256 n) internal view returns (bytes32) {
        return _votingOf(round, n, _rootsOf(round, n));
    }

    function _votingOf(bytes32[] memory roots) internal view returns (bytes32) {
        return _votingOf(1, roots.length, roots);
    }

    function _votingOf(uint32 round, uint256 n, bytes32[] memory roots) internal view returns (bytes32) {
        IViews.Round memory r = f.roundOf(round);
        bytes32[] memory addresses = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            addresses[i] = bytes32(uint256(uint160(_member(i))));
        }
        bytes32 before = r.baseRound == 0 ? CHARTER : f.roundOf(r.baseRound).context;
        bytes32 opening =
            Statements.opening(round, r.baseRound, r.base, before, r.roster, keccak256(abi.encodePacked(addresses)));
        return Statements.resting(opening, _first(n), roots);
    }

    function _fate(uint32 round, uint256 number) internal view returns (ITournament.Fate) {
        return f.entry(round, number).fate;
    }

    function _assertFate(uint32 round, uint256 number, ITournament.Fate expected) internal view {
        vm.assertEq(uint256(_fate(round, number)), uint256(expected), "fate");
    }

    function _assertStatus(uint32 round, ILedger.Status expected) internal view {
        vm.assertEq(uint256(f.roundOf(round).status), uint256(expected), "status");
    }

    function _assertPhase(uint32 round, ILedger.Phase expected) internal view {
        vm.assertEq(f.position().round, round, "round");
        vm.assertEq(uint256(f.position().phase), uint256(expected), "phase");
    }

    function _stakeOf(uint256 index) internal view returns (uint256) {
        return f.account(_member(index)).stake;
    }

    // ------------------------------------------------------------------------------------------------- signatures

    function _sign(uint256 key, ILedger.Phase phase, uint32 round, bytes32 context, bytes32 value, uint256 misses)
        internal
        view
        returns (Signed memory)
    {
        bytes32 content;
        if (phase == ILedger.Phase.Vote) {
            content = keccak256(abi.encode(Statements.VOTE, round, context, value, misses));
        } else {
            bytes32 kind = phase == ILedger.Phase.Commit ? Statements.COMMIT : Statements.ATTEST;
            content = keccak256(abi.encode(kind, round, context, value));
        }
        bytes32 domain = Statements.domain(address(f), CHARTER);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, content)));
        return Signed(value, r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    receive() external payable {}
}
