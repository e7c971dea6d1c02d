// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "../../src/ICourt.sol";
import {IFederation} from "../../src/IFederation.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {Blob, Blobs, Merging} from "./Blobs.sol";
import {FederationTest} from "./FederationTest.sol";
import {vm} from "./Vm.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title What the tests of the court have in common: a federation with stakes, in a coin, and blobs that can be proved.
abstract contract CourtTest is FederationTest {
    using Blobs for Blob;

    uint256 internal constant STAKE = 100 ether;
    uint256 internal constant REWARD = 10 ether;
    uint256 internal constant SUPPLY = 1_000_000_000 ether;
    uint256 internal constant MERGED = 256;
    address internal constant CHALLENGER = address(0xC4A11E);

    ICourt internal court;
    IERC20 internal coin;

    /// @dev Four members with a stake each, a pool, and the mean.
    function setUp() public virtual override {
        vm.warp(START);
        coin = IERC20(vm.deployCode("DeepLearningCoin.sol:DeepLearningCoin", abi.encode(SUPPLY)));
        _found(_courtTerms(4));
        _fund(1000 ether);
        _stakeAll(4);
        _joinAll(4);
    }

    function _courtTerms(uint256 members) internal view returns (IFederation.Terms memory t) {
        t = _terms(members);
        t.rounds = 5;
        t.coin = address(coin);
        t.stake = uint128(STAKE);
        t.reward = uint128(REWARD);
        t.refusedShare = 500;
        t.challengerShare = 4000;
        t.rule = 1;
        t.trim = 1000;
        t.maxWeight = 1000;
        t.layout = Blobs.LAYOUT;
        t.values = uint40(Blobs.VALUES);
    }

    function _found(IFederation.Terms memory t) internal {
        federation = _deploy(t);
        court = federation.COURT();
        if (t.coin != address(0)) coin.approve(address(court), type(uint256).max);
    }

    // ------------------------------------------------------------------------------------------------------ money

    function _fund(uint256 amount) internal {
        court.fund(amount);
    }

    function _stakeAll(uint256 n) internal {
        for (uint256 i = 0; i < n; ++i) {
            court.deposit(_member(i), STAKE);
        }
    }

    /// @dev Gives the challenger what bonds cost.
    function _equip(address who) internal {
        coin.transfer(who, 100 * BOND);
        vm.prank(who);
        coin.approve(address(court), type(uint256).max);
    }

    /// @dev All money is in the books, and all of it is there.
    function _expectBalanced() internal view {
        ICourt.Books memory b = court.books();
        uint256 sum = uint256(b.pool) + b.stakes + b.bonds + b.owed;
        vm.assertEq(coin.balanceOf(address(court)), sum, "books");
    }

    function _stakeOf(uint256 index) internal view returns (uint256) {
        return court.account(_member(index)).stake;
    }

    function _claimableOf(address who) internal view returns (uint256) {
        return court.account(who).claimable;
    }

    // ------------------------------------------------------------------------------------------------------ blobs

    function _merging() internal view returns (Merging memory) {
        IFederation.Terms memory t = federation.terms();
        return Merging(t.rule, t.trim, t.maxWeight);
    }

    function _blob(uint32 round, uint256 index) internal view returns (Blob memory) {
        return Blobs.update(address(federation), round, index, _member(index));
    }

    function _mergedBlob(uint32 round, uint256 n) internal view returns (Blob memory) {
        return Blobs.merge(round, n, _merging());
    }

    /// @dev The right merge, but for one value.
    function _wrongBlob(uint32 round, uint256 n) internal view returns (Blob memory b) {
        b = _mergedBlob(round, n);
        b.set(7, Blobs.mergedValue(round, n, 7, _merging()) + 1);
        b.root = b.rootOf();
    }

    function _rootsOf(uint32 round, uint256 n) internal view returns (bytes32[] memory roots) {
        roots = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            roots[i] = _blob(round, i).root;
        }
    }

    /// @dev A whole round of `n` members who attest this root, with updates that can be proved.
    function _playBlobs(uint32 round, uint256 n, bytes32 root) internal {
        bytes32[] memory roots = _rootsOf(round, n);
        for (uint256 i = 0; i < n; ++i) {
            vm.prank(_member(i));
            federation.commit(round, roots[i]);
        }
        _voteAll(round, n, _first(n));
        for (uint256 i = 0; i < n; ++i) {
            _attest(round, i, root);
        }
    }

    function _proof(Blob memory b, uint256 which, uint256 leaf) internal pure returns (ICourt.Proof memory p) {
        p.which = uint16(which);
        p.data = b.leaves[leaf];
        p.path = b.path(leaf);
        p.header = b.header();
        p.headerPath = b.path(0);
    }

    /// @dev Proofs of a leaf of the first `n` updates and of the merged blob.
    function _proofs(uint32 round, uint256 n, uint256 leaf, Blob memory merged)
        internal
        view
        returns (ICourt.Proof[] memory proofs)
    {
        proofs = new ICourt.Proof[](n + 1);
        for (uint256 i = 0; i < n; ++i) {
            proofs[i] = _proof(_blob(round, i), i, leaf);
        }
        proofs[n] = _proof(merged, MERGED, leaf);
    }

    function _challenge(uint32 round, uint256 n, uint256 leaf, uint256 coordinate) internal returns (uint256) {
        bytes32[] memory roots = _rootsOf(round, n);
        vm.prank(CHALLENGER);
        return court.challenge(round, leaf, coordinate, roots);
    }

    function _demand(uint32 round, uint256 n, uint256 which, uint256 leaf) internal returns (uint256) {
        bytes32[] memory roots = _rootsOf(round, n);
        vm.prank(CHALLENGER);
        return court.demand(round, which, leaf, roots);
    }

    /// @dev A round whose merge is wrong at position 7, and a challenge of just that, all proved.
    function _proveWrong(uint32 round, uint256 n) internal returns (uint256 id) {
        Blob memory wrong = _wrongBlob(round, n);
        _playBlobs(round, n, wrong.root);
        id = _challenge(round, n, 1, 7);
        court.prove(id, _rootsOf(round, n), _proofs(round, n, 1, wrong));
    }

    /// @dev To when the round can be settled.
    function _sleepUntilSettled(uint32 round) internal {
        vm.warp(federation.record(round).openUntil + CHALLENGE_SECONDS + 1);
    }

    // ------------------------------------------------------------------------------------------------- signatures

    function _sign(uint256 key, IFederation.Phase phase, uint32 round, bytes32 value)
        internal
        view
        returns (IFederation.Signed memory)
    {
        return _signIn(Signatures.domain(address(federation)), key, phase, round, value);
    }

    function _signIn(bytes32 domain, uint256 key, IFederation.Phase phase, uint32 round, bytes32 value)
        internal
        pure
        returns (IFederation.Signed memory m)
    {
        bytes32 content = keccak256(abi.encode(Signatures.typeOf(phase), round, value));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, content)));
        (m.value, m.r, m.vs) = (value, r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }
}
