// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A statement that a member signed for somebody else to post; the signature is compact (EIP-2098), with a low s.
/// @param value the root, or what a ballot accepts
struct Signed {
    bytes32 value;
    bytes32 r;
    bytes32 vs;
}

/// @title The three statements of a round as typed data (EIP-712), and the contexts that they name.
library Statements {
    bytes32 internal constant COMMIT = keccak256("Commit(uint32 round,bytes32 context,bytes32 root)");
    bytes32 internal constant VOTE = keccak256("Vote(uint32 round,bytes32 context,uint256 accepts,uint256 misses)");
    bytes32 internal constant ATTEST = keccak256("Attest(uint32 round,bytes32 context,bytes32 root)");

    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)");
    bytes32 private constant PARITY = 0x8000000000000000000000000000000000000000000000000000000000000000;
    /// @dev Half the order of secp256k1, rounded down.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The domain of a federation's statements: another chain, contract or charter has another one.
    function domain(address federation, bytes32 charter) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN, keccak256("rayfed"), keccak256("2"), block.chainid, federation, charter));
    }

    /// @notice What a commit rests on.
    function opening(
        uint256 round,
        uint256 baseRound,
        bytes32 base,
        bytes32 baseContext,
        uint256 roster,
        bytes32 addresses
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(round, baseRound, base, baseContext, roster, addresses));
    }

    /// @notice What a vote, or an attestation, rests on: these members' roots by index, on what came before.
    function resting(bytes32 before, uint256 members, bytes32[] memory roots) internal pure returns (bytes32) {
        return keccak256(abi.encode(before, members, keccak256(abi.encodePacked(roots))));
    }

    /// @notice What the statements of one type, round and context have in common, for `signer` to fill in the rest.
    /// @dev Content (5 words), 0x1901 || domain || content's hash, and what the precompile reads (4 words).
    function prepare(bytes32 domain_, bytes32 type_, uint256 round, bytes32 context)
        internal
        pure
        returns (bytes memory buffer)
    {
        buffer = new bytes(384);
        assembly ("memory-safe") {
            mstore(add(buffer, 32), type_)
            mstore(add(buffer, 64), round)
            mstore(add(buffer, 96), context)
            mstore8(add(buffer, 192), 0x19)
            mstore8(add(buffer, 193), 0x01)
            mstore(add(buffer, 194), domain_)
        }
    }

    /// @notice Who signed a statement; zero where nobody can have.
    /// @param words 4 for a commit or an attestation, 5 for a vote
    /// @param misses of a vote; else not looked at
    function recover(bytes memory buffer, Signed calldata statement, uint256 misses, uint256 words)
        internal
        view
        returns (address who)
    {
        assembly ("memory-safe") {
            let vs := calldataload(add(statement, 64))
            let s := and(vs, not(PARITY))
            if iszero(gt(s, HALF_ORDER)) {
                mstore(add(buffer, 128), calldataload(statement))
                mstore(add(buffer, 160), misses)
                let content := keccak256(add(buffer, 32), shl(5, words))
                mstore(add(buffer, 226), content)
                mstore(add(buffer, 288), keccak256(add(buffer, 192), 66))
                mstore(add(buffer, 320), add(27, shr(255, vs)))
                mstore(add(buffer, 352), calldataload(add(statement, 32)))
                mstore(add(buffer, 384), s)
                mstore(0, 0)
                pop(staticcall(gas(), 1, add(buffer, 288), 128, 0, 32))
                who := mload(0)
            }
        }
    }

    /// @notice The same, never zero.
    /// @dev Reverts with OpenZeppelin's ECDSAInvalidSignatureS or ECDSAInvalidSignature.
    function signer(bytes memory buffer, Signed calldata statement, uint256 misses, uint256 words)
        internal
        view
        returns (address who)
    {
        who = recover(buffer, statement, misses, words);
        if (who != address(0)) return who;
        bytes32 s = statement.vs & ~PARITY;
        if (uint256(s) > HALF_ORDER) revert ECDSA.ECDSAInvalidSignatureS(s);
        revert ECDSA.ECDSAInvalidSignature();
    }
}
