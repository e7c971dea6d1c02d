// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {Bitmaps} from "../src/libraries/Bitmaps.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {Pair} from "./utils/Pair.sol";
import {vm} from "./utils/Vm.sol";

/// @title What is true of a federation whatever its members do, and that it does what its simple twin does.
contract InvariantsTest is FederationTest {
    using Bitmaps for uint256;

    /// @dev With a handful of members.
    uint256 private constant GAS_TO_MOVE_ON = 250_000;

    Pair internal pair;

    function setUp() public virtual override {
        super.setUp();
        pair = _pair(0, 6);
    }

    /// @dev Foundry asks this which contracts to play with.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(pair);
    }

    function _pair(uint256 first, uint256 actors) internal returns (Pair) {
        IFederation.Terms memory t = _terms(4);
        t.rounds = 6;
        return new Pair(_deploy(t), t, first, actors);
    }

    /// @dev One campaign for all of them: Foundry would play one for each invariant.
    function invariant_all() external view {
        _who_has_spoken_is_in_the_roster();
        _final_means_quorum_of_that_rosters_members();
        _base_is_the_last_final_root();
        _moving_on_has_a_bounded_price();
    }

    function _who_has_spoken_is_in_the_roster() private view {
        IFederation.View memory v = pair.REAL().snapshot(0);
        vm.assertEq((v.committed | v.voted | v.attested) & ~v.roster, 0, "spoken");
        vm.assertEq(v.included & ~v.committed, 0, "included");
        vm.assertEq((v.roster | v.active) & ~_first(v.members.length), 0, "members");
    }

    function _final_means_quorum_of_that_rosters_members() private view {
        IFederation.Terms memory t = pair.REAL().terms();
        for (uint256 round = 1; round <= t.rounds; ++round) {
            IFederation.Outcome memory o = pair.REAL().outcome(round);
            uint256 roster = pair.rosterOf(round);
            vm.assertEq(o.attesters & ~roster, 0, "attesters");
            bool quorum = o.attesters.count() * t.quorumDenominator > roster.count() * t.quorumNumerator;
            vm.assertTrue(quorum == (o.status == IFederation.Status.Final), "quorum");
            vm.assertTrue(quorum == (o.root != 0), "root");
        }
    }

    function _base_is_the_last_final_root() private view {
        IFederation.View memory v = pair.REAL().snapshot(0);
        bytes32 base = GENESIS;
        for (uint256 round = 1; round <= v.round; ++round) {
            IFederation.Outcome memory o = pair.REAL().outcome(round);
            if (o.status == IFederation.Status.Final) base = o.root;
        }
        vm.assertEq(v.base, base, "base");
    }

    function _moving_on_has_a_bounded_price() private view {
        vm.assertLe(pair.mostGasToMoveOn(), GAS_TO_MOVE_ON);
    }
}

/// @title The same for members whose seats lie beyond those in the head, and on both sides of that border.
/// forge-config: default.invariant.runs = 4
contract InvariantsBeyondTheHeadTest is InvariantsTest {
    function setUp() public override {
        FederationTest.setUp();
        pair = _pair(109, 6);
    }
}
