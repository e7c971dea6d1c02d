// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a federation of the second edition is founded on; `docs/protocol.md` has the range of each.
/// @param charter SHA-256 of the charter's canonical JSON; not zero
/// @param genesis root of the blob that round 1 starts from; not zero
/// @param rounds how many final rounds there are to be; at least 1
/// @param joinSeconds the longest that forming waits for `startMembers`; at least 1
/// @param commitSeconds the longest that a commit phase lasts; at least 1
/// @param voteSeconds the longest that a vote phase lasts; at least 1
/// @param attestSeconds how long an attest phase takes attestations; covers a full fetch; at least 1
/// @param startMembers so many active members open a round at once; 1..256
/// @param minMembers fewest active members, committed updates and included updates; 1..startMembers
/// @param maxMissed absences in a row after which a member is dropped; 0 (never)..7
/// @param maxUnsettled rounds with an attestation that may be unsettled at once; 1..16
/// @param maxVoid void rounds in a row that end the federation; at least 1
/// @param limitSeconds time without a final round that ends the federation; at least 1
/// @param coin the ERC-20 of stake, pool and reward; zero for the chain's own currency
/// @param stake what a member must have at stake to join; may be 0; below 2^112
/// @param reward paid out of the pool for a final round, shared equally by who earned it; below 2^112
/// @param bond in the chain's own currency: of an entry, and of each round that a seat may attest; not zero, below 2^96
/// @param windowSeconds how long after its attest phase other roots may be entered against a final one; at least 1
/// @param clockSeconds each side's time in one match; at least 1
/// @param proofSeconds the time both sides share to prove the inputs at a leaf; at least 1
/// @param rightShare of slashed stake, per 10,000, to who attested the right root; at most 1,000
/// @param allowList root of an OpenZeppelin Merkle tree over those who may join; zero for everybody
/// @param rule 1 mean, 2 trimmed mean, 3 median; 0 for a rule that the court cannot recompute
/// @param trim of the trimmed mean, cut from each end, per 10,000; below 5,000
/// @param maxWeight of the mean, the cap on a weight; 1..2^24-1 there
/// @param layout SHA-256 of the model layout's canonical JSON
/// @param values int32 values in the model; a blob has 1 + ceil(values / 128) leaves
/// @param encoding how values lie in updates: 0 int32; 8 or 16, differences of so many bits; a word of every header
/// @param frozen reserved word of every header: hash of what is not trained
struct Terms {
    bytes32 charter;
    bytes32 genesis;
    uint32 rounds;
    uint32 joinSeconds;
    uint32 commitSeconds;
    uint32 voteSeconds;
    uint32 attestSeconds;
    uint16 startMembers;
    uint16 minMembers;
    uint8 maxMissed;
    uint8 maxUnsettled;
    uint16 maxVoid;
    uint32 limitSeconds;
    address coin;
    uint112 stake;
    uint112 reward;
    uint96 bond;
    uint32 windowSeconds;
    uint32 clockSeconds;
    uint32 proofSeconds;
    uint16 rightShare;
    bytes32 allowList;
    uint8 rule;
    uint16 trim;
    uint32 maxWeight;
    bytes32 layout;
    uint40 values;
    bytes32 encoding;
    bytes32 frozen;
}

/// @title Reads a federation's terms out of the code of its clone, where its factory wrote them.
library TermsOf {
    /// @dev Bytes of the clone's code before the terms (EIP-1167, as OpenZeppelin's Clones writes it).
    uint256 private constant PROXY = 0x2d;
    uint256 private constant FIELDS = 29;
    uint256 internal constant CHARTER = 0;
    uint256 internal constant MAX_UNSETTLED = 10;
    uint256 internal constant BOND = 16;

    /// @notice All terms of the clone that is running.
    function all() internal view returns (Terms memory t) {
        bytes memory packed = new bytes(FIELDS * 32);
        assembly ("memory-safe") {
            extcodecopy(address(), add(packed, 32), PROXY, mul(FIELDS, 32))
        }
        t = abi.decode(packed, (Terms));
    }

    /// @notice The longest that a round lasts.
    function roundSeconds(Terms memory t) internal pure returns (uint256) {
        return uint256(t.commitSeconds) + t.voteSeconds + t.attestSeconds;
    }

    /// @notice Slots that rounds lie in.
    function ring() internal view returns (uint256 slots) {
        slots = uint256(word(MAX_UNSETTLED));
        if (slots == 1) slots = 2;
    }

    /// @notice One of them, by its place in the struct.
    function word(uint256 place) internal view returns (bytes32 value) {
        assembly ("memory-safe") {
            extcodecopy(address(), 0, add(PROXY, mul(place, 32)), 32)
            value := mload(0)
        }
    }
}
