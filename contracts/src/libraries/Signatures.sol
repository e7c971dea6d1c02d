// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "../IFederation.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title The three messages of a round as signed, typed data (EIP-712).
/// @notice All three have the same shape: a round, and a word that is a root or a ballot.
library Signatures {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant COMMIT = keccak256("Commit(uint32 round,bytes32 root)");
    bytes32 private constant VOTE = keccak256("Vote(uint32 round,uint256 ballot)");
    bytes32 private constant ATTEST = keccak256("Attest(uint32 round,bytes32 root)");

    /// @notice The domain of a federation's messages: on another chain, or for another contract, it is another one.
    function domain(address federation) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("rayfed"), keccak256("1"), block.chainid, federation));
    }

    /// @notice The type of a phase's message.
    /// @dev Reverts with IFederation.NotAVerb for a phase that has none.
    function typeOf(IFederation.Phase phase) internal pure returns (bytes32) {
        if (phase == IFederation.Phase.Commit) return COMMIT;
        if (phase == IFederation.Phase.Vote) return VOTE;
        if (phase == IFederation.Phase.Attest) return ATTEST;
        revert IFederation.NotAVerb(phase);
    }

    /// @notice Who signed the message; never zero.
    /// @dev Reverts with ECDSAInvalidSignatureS where s is in the upper half, and with ECDSAInvalidSignature where nobody
    /// can have signed it.
    function signer(bytes32 domain_, bytes32 type_, uint32 round, bytes32 value, bytes32 r, bytes32 vs)
        internal
        pure
        returns (address)
    {
        bytes32 digest;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, type_)
            mstore(add(free, 32), and(round, 0xffffffff))
            mstore(add(free, 64), value)
            mstore(add(free, 34), keccak256(free, 96))
            mstore(add(free, 2), domain_)
            mstore8(free, 0x19)
            mstore8(add(free, 1), 0x01)
            digest := keccak256(free, 66)
        }
        return ECDSA.recover(digest, r, vs);
    }
}
