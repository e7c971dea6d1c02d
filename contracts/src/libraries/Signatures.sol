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
    /// @dev Where a compact signature has the parity of y.
    bytes32 private constant PARITY = 0x8000000000000000000000000000000000000000000000000000000000000000;
    /// @dev Half the order of secp256k1, rounded down.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

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

    /// @notice What the messages of one type and round have in common, laid out once for `signer` to fill in the rest: the
    /// content, the digest, and what the precompile reads.
    function prepare(bytes32 domain_, bytes32 type_, uint32 round) internal pure returns (bytes memory buffer) {
        buffer = new bytes(320);
        assembly ("memory-safe") {
            mstore(add(buffer, 32), type_)
            mstore(add(buffer, 64), and(round, 0xffffffff))
            mstore(add(buffer, 130), domain_)
            mstore8(add(buffer, 128), 0x19)
            mstore8(add(buffer, 129), 0x01)
        }
    }

    /// @notice Who signed a message; never zero.
    /// @dev As OpenZeppelin's ECDSA, with its errors: reverts with ECDSAInvalidSignatureS where s is in the upper half, and
    /// with ECDSAInvalidSignature where nobody can have signed it.
    function signer(bytes memory buffer, IFederation.Signed calldata message) internal view returns (address who) {
        who = recover(buffer, message);
        if (who != address(0)) return who;
        bytes32 s = message.vs & ~PARITY;
        if (uint256(s) > HALF_ORDER) revert ECDSA.ECDSAInvalidSignatureS(s);
        revert ECDSA.ECDSAInvalidSignature();
    }

    /// @notice The same; zero where there is no such signer.
    function recover(bytes memory buffer, IFederation.Signed calldata message) internal view returns (address who) {
        assembly ("memory-safe") {
            let vs := calldataload(add(message, 64))
            let s := and(vs, not(PARITY))
            if iszero(gt(s, HALF_ORDER)) {
                mstore(add(buffer, 96), calldataload(message))
                mstore(add(buffer, 162), keccak256(add(buffer, 32), 96))
                mstore(add(buffer, 224), keccak256(add(buffer, 128), 66))
                mstore(add(buffer, 256), add(27, shr(255, vs)))
                mstore(add(buffer, 288), calldataload(add(message, 32)))
                mstore(add(buffer, 320), s)
                mstore(0, 0)
                pop(staticcall(gas(), 1, add(buffer, 224), 128, 0, 32))
                who := mload(0)
            }
        }
    }
}
