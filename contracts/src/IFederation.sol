// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "./ICourt.sol";

/// @title A federation: one model, trained in rounds by members who do not trust each other.
/// @notice The ledger that the members share. It holds roots, bitmaps and deadlines, never a weight.
///
/// A *root* is the SHA-256 Merkle root (RFC 6962) of a blob. A *bitmap* is a `uint256` whose bit `i` speaks of the
/// member with index `i`, 0..255. Times are seconds since the epoch, as in `block.timestamp`.
///
/// Powers. Nobody has any beyond the verbs below: there is no owner, no pause, no upgrade, and the terms never change.
/// Anybody whom the allow-list names (all, if there is none) and who has the stake may join; anybody may deploy a
/// federation, `poke` it, and post messages that members have signed. Each member speaks for itself alone, by its own
/// transaction or its own signature. The court, a contract that this one creates, may take rounds back (`undo`) and
/// members off the next rosters (`unseatMembers`), and does either only by a proof: `ICourt` says by which.
///
/// Rounds. A round passes through `Commit`, `Vote` and `Attest` and closes *final* or *void*. Every transaction first
/// moves the phase on by at most one step if its deadline has passed, because a phase that opens now has a fresh
/// deadline; `snapshot` answers as if somebody had just done so. Hence one transaction of anybody revives a federation
/// in which all were silent, and nobody has to keep it going.
///
/// Taking back. A final round whose merge was proved wrong is undone with all rounds after it: they count as void, the
/// base is again the one that the first of them was built on, and the round in progress closes void at once. Numbers
/// are never used again, so round and phase only ever grow. What a final round rests on (its root, who was included,
/// who attested what, and a hash of all included roots) is kept for ever: a majority that races through rounds can
/// overwrite the ring of roots and ballots, but no evidence.
///
/// Assumptions. The chain orders transactions, censors none of them for a whole phase, and its clock is right to
/// within seconds. Which updates are included is the judgement of more than half of the roster. That their merge is
/// right is promised by the quorum, and against any quorum by one honest challenger, in the window that the terms give.
interface IFederation {
    /// @notice Where a federation stands.
    enum Phase {
        Forming, // members gather; round 1 is yet to open
        Commit, // members commit to their updates
        Vote, // members say which of the committed updates they accept
        Attest, // members state the root of the merge of the included updates
        Done // all rounds have closed
    }

    /// @notice How a round closed.
    enum Status {
        None, // not closed yet
        Final, // one root had the quorum: it is the next base
        Void // no root had it in time: the base stays
    }

    /// @notice What a federation was founded on.
    /// @param charter SHA-256 of the charter's canonical JSON; not zero
    /// @param genesis root of the blob that round 1 starts from; not zero
    /// @param rounds how many rounds there will be, final and void together; at least 1
    /// @param joinSeconds from deployment; from then on `minMembers` are enough to open round 1
    /// @param commitSeconds the longest that a commit phase lasts; at least 1
    /// @param voteSeconds the longest that a vote phase lasts; at least 1
    /// @param attestSeconds the longest that an attest phase lasts; at least 1
    /// @param startMembers round 1 opens as soon as so many are active; 1..256
    /// @param minMembers fewer commits than this make a round void; 1..startMembers
    /// @param maxMissed rounds missed in a row after which a member is dropped; 0 (never)..7
    /// @param quorumNumerator a root is final once *more* than numerator / denominator of the roster attested it
    /// @param quorumDenominator 1/2 <= numerator / denominator < 1
    /// @param coin the ERC-20 in which stake, bonds, pool and rewards are; zero for the chain's own currency
    /// @param stake what a member must have at stake to join; may be 0
    /// @param reward paid out of the pool for a final round, shared equally by who earned it; may be 0
    /// @param bond what a challenge costs if it fails, and what who answers a demand is paid; not zero
    /// @param challengeSeconds how long a final round can be challenged after its attest phase; at least 1. It should
    /// exceed `proofSeconds`, so that what is withheld can be demanded before it has to be proved
    /// @param proofSeconds how long a challenger has to prove its case, and the others to answer a demand; at least 1
    /// @param refusedShare of `stake`, per 10,000, lost for an update that two thirds of the roster refused; <= 10,000
    /// @param challengerShare of slashed stake, per 10,000, to who proved the offence, the rest to the pool; <= 10,000
    /// @param allowList who may join: root of an OpenZeppelin Merkle tree whose leaves are
    /// `keccak256(bytes.concat(keccak256(abi.encode(address))))`; zero for everybody
    /// @param rule how updates are merged: 1 mean, 2 trimmed mean, 3 median; 0 for a rule that the court cannot recompute
    /// @param trim of the trimmed mean, cut from each end, per 10,000; below 5,000
    /// @param maxWeight of the mean, the cap on a weight; 1..2^24-1 there
    /// @param layout SHA-256 of the model layout's canonical JSON, as every blob's header has it
    /// @param values int32 values in the model; a blob has 1 + ceil(values / 1024) leaves
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
        uint8 quorumNumerator;
        uint8 quorumDenominator;
        address coin;
        uint128 stake;
        uint128 reward;
        uint128 bond;
        uint32 challengeSeconds;
        uint32 proofSeconds;
        uint16 refusedShare;
        uint16 challengerShare;
        bytes32 allowList;
        uint8 rule;
        uint16 trim;
        uint32 maxWeight;
        bytes32 layout;
        uint40 values;
    }

    /// @notice What became of a round; kept for ever. An undone round is void here; `record` still has all of it.
    /// @param round its number, from 1; 0 where the round has not closed
    /// @param status how it closed
    /// @param root the merged model; zero in a void round
    /// @param included members whose update was accepted by more than half of the roster; zero if it never came to that
    /// @param attesters members who attested `root`; grows until `openUntil`; zero in a void round
    /// @param openUntil the last second at which a slow member may still attest; zero in a void round
    struct Outcome {
        uint32 round;
        Status status;
        bytes32 root;
        uint256 included;
        uint256 attesters;
        uint64 openUntil;
    }

    /// @notice What a round rests on; kept for ever, and as it was even if the round was undone.
    /// @param status how it closed; Void if it was undone
    /// @param undone whether it had been final and was taken back, or was cut short by that
    /// @param baseRound the round that made the base it was built on; 0 for genesis, and in a void round
    /// @param openUntil the last second at which a slow member could attest; zero in a void round
    /// @param root the merged model; zero in a void round
    /// @param evidence `keccak256` of the roots of the included updates one after the other, by index; zero in a void round
    /// @param included members whose update was accepted by more than half of the roster
    /// @param attesters members who attested `root`
    /// @param astray members who attested another root
    /// @param refused members whose update was refused by at least two thirds of the roster: in its ballot each of these
    /// left the update out
    struct Record {
        Status status;
        bool undone;
        uint32 baseRound;
        uint64 openUntil;
        bytes32 root;
        bytes32 evidence;
        uint256 included;
        uint256 attesters;
        uint256 astray;
        uint256 refused;
    }

    /// @notice A message that a member signed for somebody else to post, by EIP-712 in the domain {name "rayfed", version
    /// "1", chainId, verifyingContract: the federation}: `Commit(uint32 round,bytes32 root)`, `Vote(uint32 round,uint256
    /// ballot)` or `Attest(uint32 round,bytes32 root)`. The signature is compact (EIP-2098), with a low s.
    /// @param value the root or the ballot
    /// @param r first half of the signature
    /// @param vs second half, its highest bit the parity
    struct Signed {
        bytes32 value;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice All that a node needs to know, in one answer, as of `time`.
    /// @param time the moment of which it speaks
    /// @param round the current round, from 1; 0 while forming; stays at the last one when done
    /// @param phase the current phase
    /// @param deadline when the phase ends at the latest; while forming, when `minMembers` begin to be enough; 0 when done
    /// @param base root of the model that the round starts from; when done, the final model
    /// @param baseRound the round that made `base`; 0 for genesis
    /// @param roster members on whom this round counts; fixed when it opened
    /// @param active members on whom the next round will count
    /// @param committed who has committed in this round; within `roster`
    /// @param voted who has voted in this round; within `roster`
    /// @param attested who has attested, whatever root, in this round; within `roster`
    /// @param included accepted by more than half of the roster; 0 before the attest phase
    /// @param members addresses by index; an index is never used again
    /// @param roots committed roots of this round by index, zero where there is none; as long as `members`
    /// @param ballots ballots of this round by index, zero where there is none; as long as `members`
    /// @param attestations attested roots of this round by index, zero where there is none; as long as `members`
    /// @param previous the round closed last; status None where none has closed
    struct View {
        uint64 time;
        uint32 round;
        Phase phase;
        uint64 deadline;
        bytes32 base;
        uint32 baseRound;
        uint256 roster;
        uint256 active;
        uint256 committed;
        uint256 voted;
        uint256 attested;
        uint256 included;
        address[] members;
        bytes32[] roots;
        uint256[] ballots;
        bytes32[] attestations;
        Outcome previous;
    }

    // ---------------------------------------------------------------------------------------------------- events

    /// @notice A member joined, or came back after it had left or been dropped.
    event Joined(address indexed member, uint256 index);

    /// @notice A member announced that the next rounds are not to count on it.
    event Left(uint256 indexed index);

    /// @notice Members missed `maxMissed` rounds in a row, `round` being the last; the next rounds do not count on them.
    /// @param members bitmap of those who were active until now
    event Dropped(uint256 members, uint256 indexed round);

    /// @notice A phase opened. `Done` opens once, with the number of the last round and deadline 0.
    event PhaseOpened(uint256 indexed round, Phase indexed phase, uint256 deadline);

    /// @notice A member committed to its update.
    /// @dev The three messages of a round carry all in their data: a topic would cost each of them 119 gas.
    event Committed(uint256 round, uint256 index, bytes32 root);

    /// @notice A member said which updates it accepts.
    event Voted(uint256 round, uint256 index, uint256 ballot);

    /// @notice A member attested the root of the merge; also emitted for a late attestation of the round closed last.
    event Attested(uint256 round, uint256 index, bytes32 root);

    /// @notice A round closed.
    /// @param root the new base, or zero if the round is void
    /// @param included accepted by more than half of the roster
    /// @param attesters who had attested `root` when the round closed; zero if the round is void
    event RoundClosed(uint256 indexed round, Status status, bytes32 root, uint256 included, uint256 attesters);

    /// @notice Signed messages of members were posted. Each counts as its own event would: `Committed`, `Voted`, `Attested`.
    /// @param phase which of the three they are
    /// @param members bitmap of those whose message was heard; who was skipped is not among them
    /// @param values their roots or ballots, by index
    event Relayed(uint256 indexed round, Phase indexed phase, uint256 members, bytes32[] values);

    /// @notice The court took rounds back; all of them are void now, and `baseRound` made the base.
    /// @param round the first, whose merge was wrong
    /// @param last the round in progress until now, or the last one of all
    event Undone(uint256 indexed round, uint256 last, uint256 baseRound);

    /// @notice The court took members off the next rosters.
    /// @param members bitmap of those who were active until now
    event Unseated(uint256 members);

    // ---------------------------------------------------------------------------------------------------- errors

    /// @notice A term is out of its range.
    /// @param term its name in `Terms`; "quorum" for the two parts of the quorum together
    error InvalidTerms(string term);

    /// @notice The caller's charter is not the one that this federation was founded on.
    error CharterMismatch(bytes32 expected);

    /// @notice The caller is active already.
    error AlreadyMember(uint256 index);

    /// @notice All 256 indices are taken.
    error FederationFull();

    /// @notice The caller never joined, or asks to leave without being active.
    error NotMember(address caller);

    /// @notice The message is of another round than the current one.
    error WrongRound(uint256 current);

    /// @notice The message belongs to another phase than the current one.
    error WrongPhase(Phase current);

    /// @notice The round does not count on this member: it joined, or came back, after the round had opened.
    error NotInRoster(uint256 index);

    /// @notice The member has committed in this round.
    error AlreadyCommitted(uint256 index);

    /// @notice The member has voted in this round.
    error AlreadyVoted(uint256 index);

    /// @notice The member has attested in this round, whatever root.
    error AlreadyAttested(uint256 index);

    /// @notice Zero is no root.
    error ZeroRoot();

    /// @notice The ballot accepts an update to which nobody committed.
    error BallotOutsideCommits(uint256 committed);

    /// @notice A late attestation can only be of the final root.
    error WrongRoot(bytes32 expected);

    /// @notice The allow-list does not name the caller, or the proof does not show it.
    error NotAllowed(address caller);

    /// @notice Only the court may do this.
    error NotCourt(address caller);

    /// @notice There is no message of this phase.
    error NotAVerb(Phase phase);

    /// @notice There is not one message for each signer.
    error WrongCount(uint256 messages, uint256 signers);

    /// @notice The signature is not this member's, of this message, for this contract and chain. Of a malleable or an
    /// impossible one, ECDSAInvalidSignatureS and ECDSAInvalidSignature speak.
    error WrongSigner(uint256 index, address recovered);

    // ---------------------------------------------------------------------------------------------------- verbs

    /// @notice Become a member, or come back after having left, been dropped or been unseated; counts from the next round
    /// on. The stake lies in the court already.
    /// @dev Reverts with CharterMismatch, WrongPhase (done), NotAllowed, AlreadyMember, FederationFull,
    /// ICourt.UnderStaked.
    /// @param charter hash of the caller's own charter
    /// @param proof that the allow-list names the caller; empty where there is none
    function join(bytes32 charter, bytes32[] calldata proof) external;

    /// @notice Announce that the next rounds are not to count on the caller. The current round still does.
    /// @dev Reverts with NotMember.
    function leave() external;

    /// @notice Commit to the caller's update. The last of the roster to do so closes the phase.
    /// @dev Reverts with NotMember, WrongRound, WrongPhase, NotInRoster, AlreadyCommitted, ZeroRoot.
    /// @param round the current round
    /// @param root of the update's blob
    function commit(uint32 round, bytes32 root) external;

    /// @notice Say which updates the caller accepts. The last of the roster to do so closes the phase.
    /// @dev Reverts with NotMember, WrongRound, WrongPhase, NotInRoster, AlreadyVoted, BallotOutsideCommits.
    /// @param round the current round
    /// @param ballot bitmap within the committed ones; zero accepts none
    function vote(uint32 round, uint256 ballot) external;

    /// @notice State that the merge of the included updates has this root. Closes the round once the quorum has.
    /// Until the deadline of its attest phase, the round closed last takes late attestations of its final root.
    /// @dev Reverts with NotMember, WrongRound, WrongPhase, NotInRoster, AlreadyAttested, ZeroRoot, WrongRoot.
    /// @param round the current round, or the one closed last
    /// @param root of the merged blob
    function attest(uint32 round, bytes32 root) external;

    /// @notice Post messages that members have signed; anybody may. What has been heard already, or comes too late to
    /// count, is skipped, so nobody can spoil a batch by posting a part of it first.
    /// @dev Reverts with NotAVerb, WrongRound and WrongPhase (of what has yet to come), WrongCount, NotInRoster,
    ///  ZeroRoot, BallotOutsideCommits, WrongSigner, ECDSAInvalidSignatureS, ECDSAInvalidSignature.
    /// @param phase Commit, Vote or Attest: what the messages are
    /// @param round theirs
    /// @param signers bitmap of who signed them
    /// @param messages one for each signer, by index
    /// @param others all other members by index, as in `snapshot`: with them the signers need not be looked up one by one.
    /// If these are not they, or somebody has joined since, it costs more and makes no other difference
    /// @return heard bitmap of those whose message counts from now on
    function relay(Phase phase, uint32 round, uint256 signers, Signed[] calldata messages, address[] calldata others)
        external
        returns (uint256 heard);

    /// @notice Move the phase on if its time has come; anybody may, nobody has to.
    function poke() external;

    /// @notice Take back a final round and all after it; the court's alone. The round in progress, whatever its phase,
    /// closes void, counts against nobody's streak, and the next one opens, if there is one. As every verb it moves the
    /// phase on first, so a round that was due is over before.
    /// @dev Reverts with NotCourt. The court asks for it only while the round is final.
    function undo(uint32 round) external;

    /// @notice Take members off the next rosters; the court's alone. They may come back as who left may. It moves the phase
    /// on first: what a snapshot has foreseen stays so.
    /// @dev Reverts with NotCourt.
    function unseatMembers(uint256 members) external;

    // ---------------------------------------------------------------------------------------------------- views

    /// @notice The federation as if somebody had poked it at `time`, or now if that is later.
    /// @param time seconds since the epoch; 0 for now
    function snapshot(uint64 time) external view returns (View memory);

    /// @notice What became of a round; status None if it has not closed.
    function outcome(uint256 round) external view returns (Outcome memory);

    /// @notice What a round rests on; status None if it has not closed.
    function record(uint32 round) external view returns (Record memory);

    /// @notice What this federation was founded on.
    function terms() external view returns (Terms memory);

    /// @notice The contract that keeps the stakes and judges.
    function COURT() external view returns (ICourt);

    /// @notice Who an address is, as the ledger has it now (nobody has moved the phase on for this answer).
    /// @return seat its index + 1, or 0 if it never joined
    /// @return active whether the next rounds count on it
    /// @return round the current round
    function seatOf(address member) external view returns (uint256 seat, bool active, uint32 round);

    /// @notice Addresses of all who ever joined, by index.
    function members() external view returns (address[] memory);
}
