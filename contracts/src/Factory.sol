// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedger} from "./ILedger.sol";
import {Terms} from "./Terms.sol";
import {Encodings} from "./libraries/Encodings.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

/// @title Founds federations: small clones of one code, each believed by its address alone.
contract Factory {
    uint256 private constant MAX_MEMBERS = 256;
    uint256 private constant MAX_UNSETTLED = 16;
    uint256 private constant MAX_RIGHT_SHARE = 1000;
    uint256 private constant TRIM_UNIT = 10_000;

    /// @notice The code behind every clone.
    address public immutable LEDGER;
    /// @notice What put this factory on the chain. If factory, ledger and the parts behind it are where CREATE2 by it puts
    /// this code, whoever it is, then they never were anything else.
    address public immutable DEPLOYER;

    /// @notice A federation was founded.
    event Founded(address indexed federation, bytes32 indexed charter);

    /// @notice A term is out of its range.
    error InvalidTerms(string term);

    constructor(address ledger) {
        LEDGER = ledger;
        DEPLOYER = msg.sender;
    }

    /// @notice Make the federation of these terms, and begin to gather its members. Where it exists, give its address.
    function found(Terms calldata t, bytes32 salt) external returns (address federation) {
        federation = addressOf(t, salt);
        if (federation.code.length != 0) return federation;
        check(t);
        Clones.cloneDeterministicWithImmutableArgs(LEDGER, _argumentsOf(t, salt), salt);
        ILedger(federation).start();
        emit Founded(federation, t.charter);
    }

    /// @notice Where the federation of these terms is, or would be.
    function addressOf(Terms calldata t, bytes32 salt) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(LEDGER, _argumentsOf(t, salt), salt);
    }

    /// @dev What lies behind a clone's code: its terms, and what else its address follows from.
    function _argumentsOf(Terms calldata t, bytes32 salt) private view returns (bytes memory) {
        return abi.encode(t, salt, address(this));
    }

    /// @notice Reverts with InvalidTerms for terms that no federation is founded on.
    function check(Terms calldata t) public view {
        require(t.charter != 0, InvalidTerms("charter"));
        require(t.genesis != 0, InvalidTerms("genesis"));
        require(t.rounds != 0, InvalidTerms("rounds"));
        require(t.joinSeconds != 0, InvalidTerms("joinSeconds"));
        require(t.commitSeconds != 0, InvalidTerms("commitSeconds"));
        require(t.voteSeconds != 0, InvalidTerms("voteSeconds"));
        require(t.attestSeconds != 0, InvalidTerms("attestSeconds"));
        require(t.startMembers != 0 && t.startMembers <= MAX_MEMBERS, InvalidTerms("startMembers"));
        require(t.minMembers != 0 && t.minMembers <= t.startMembers, InvalidTerms("minMembers"));
        require(t.maxMissed <= 7, InvalidTerms("maxMissed"));
        require(t.maxUnsettled != 0 && t.maxUnsettled <= MAX_UNSETTLED, InvalidTerms("maxUnsettled"));
        require(t.maxVoid != 0, InvalidTerms("maxVoid"));
        require(t.limitSeconds != 0, InvalidTerms("limitSeconds"));
        require(t.coin == address(0) || t.coin.code.length != 0, InvalidTerms("coin"));
        require(t.bond != 0, InvalidTerms("bond"));
        require(t.windowSeconds != 0, InvalidTerms("windowSeconds"));
        require(t.clockSeconds != 0, InvalidTerms("clockSeconds"));
        require(t.proofSeconds != 0, InvalidTerms("proofSeconds"));
        require(t.rightShare <= MAX_RIGHT_SHARE, InvalidTerms("rightShare"));
        require(t.rule <= 3, InvalidTerms("rule"));
        require(t.trim < TRIM_UNIT / 2, InvalidTerms("trim"));
        require(t.rule != 1 || (t.maxWeight != 0 && t.maxWeight < 1 << 24), InvalidTerms("maxWeight"));
        require(t.values != 0, InvalidTerms("values"));
        require(Encodings.isKnown(t.encoding), InvalidTerms("encoding"));
    }
}
