// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A federation: one model, trained in rounds by members who do not trust each other.
/// @notice The ledger that the members share. It holds roots, bitmaps and deadlines, never a weight.
///
/// A *root* is the SHA-256 Merkle root (RFC 6962) of a blob. A *bitmap* is a `uint256` whose bit `i` speaks of the
/// member with index `i`, 0..255. Times are seconds since the epoch, as in `block.timestamp`.
///
/// Powers. Nobody has any beyond the verbs below: there is no owner, no pause, no upgrade, and the terms never change.
/// Anybody may deploy a federation, join it and `poke` it; each member speaks for itself alone.
///
/// Rounds. A round passes through `Commit`, `Vote` and `Attest` and closes *final* or *void*. Every transaction first
/// moves the phase on by at most one step if its deadline has passed, because a phase that opens now has a fresh
/// deadline; `snapshot` answers as if somebody had just done so. Hence one transaction of anybody revives a federation
/// in which all were silent, and nobody has to keep it going.
///
/// Assumptions. The chain orders transactions, censors none of them for a whole phase, and its clock is right to
/// within seconds. That a merge is right is promised by the quorum alone: more than the agreed part of the roster,
/// at least half, must have attested one root.
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
    }

    /// @notice What became of a round; kept for ever.
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

    // ---------------------------------------------------------------------------------------------------- verbs

    /// @notice Become a member, or come back after having left or been dropped; counts from the next round on.
    /// @dev Reverts with CharterMismatch, WrongPhase (done), AlreadyMember, FederationFull.
    /// @param charter hash of the caller's own charter
    function join(bytes32 charter) external;

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

    /// @notice Move the phase on if its time has come; anybody may, nobody has to.
    function poke() external;

    // ---------------------------------------------------------------------------------------------------- views

    /// @notice The federation as if somebody had poked it at `time`, or now if that is later.
    /// @param time seconds since the epoch; 0 for now
    function snapshot(uint64 time) external view returns (View memory);

    /// @notice What became of a round; status None if it has not closed.
    function outcome(uint256 round) external view returns (Outcome memory);

    /// @notice What this federation was founded on.
    function terms() external view returns (Terms memory);
}
