// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../src/IFederation.sol";
import {FederationTest} from "./utils/FederationTest.sol";
import {Pair} from "./utils/Pair.sol";

/// @dev A random history.
abstract contract History is FederationTest {
    uint256 private constant STEPS = 16;

    /// @param joining so many of the first steps are joins
    function _live(Pair pair, uint256 seed, uint256 joining) internal {
        for (uint256 i = 0; i < STEPS; ++i) {
            uint256 x = uint256(keccak256(abi.encode(seed, i)));
            (uint256 who, uint256 what) = (x >> 16, x >> 128);
            uint256 dice = x % 32;
            if (dice < 5 || i < joining) pair.join(who);
            else if (dice < 6) pair.leave(who);
            else if (dice < 11) pair.speak(who, what);
            else if (dice < 19) pair.speakTogether(who, what);
            else if (dice < 21) pair.relay(who, what);
            else if (dice < 22) pair.judge(who, what);
            else if (dice < 25) pair.attestLate(who, what);
            else if (dice < 27) pair.babble(who, what, uint32(x >> 64), x >> 160);
            else if (dice < 30) pair.sleep(what);
            else pair.oversleep(who);
        }
    }
}

/// @title A federation and its simple twin stay alike through long random histories under random terms.
contract TwinsTest is History {
    function test_twins_stay_alike(uint256 seed) external {
        uint256 x = uint256(keccak256(abi.encode(seed)));
        IFederation.Terms memory t = _terms(1 + x % 7);
        t.minMembers = uint16(1 + (x >> 8) % t.startMembers);
        t.maxMissed = uint8((x >> 16) % 4);
        t.rounds = uint32(1 + (x >> 24) % 7);
        (t.quorumNumerator, t.quorumDenominator) = (x >> 32) % 2 == 0 ? (2, 3) : (1, 2);
        _live(new Pair(_deploy(t), t, 0, 7), seed, t.startMembers);
    }
}

/// @title The same for members whose seats lie beyond those in the head, and on both sides of that border.
/// @notice A run takes ten times as long here, with 109 who came and went before.
/// forge-config: default.fuzz.runs = 20
/// forge-config: ci.fuzz.runs = 500
contract TwinsBeyondTheHeadTest is History {
    Pair internal pair;

    function setUp() public override {
        super.setUp();
        IFederation.Terms memory t = _terms(4);
        t.rounds = 6;
        pair = new Pair(_deploy(t), t, 109, 6);
    }

    function test_twins_stay_alike_beyond_the_head(uint256 seed) external {
        _live(pair, seed, 4);
    }
}
