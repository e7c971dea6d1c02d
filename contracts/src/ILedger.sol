// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Signed} from "./libraries/Statements.sol";

/// @title Seats and rounds of a federation: who counts, what was said, how rounds close.
/// @notice `docs/protocol.md` is the specification; sections are named below. A *root* is the root of a blob, a
/// *bitmap* a word whose bit `i` speaks of the member with index `i`, a *context* the hash of what a statement rests on.
interface ILedger {
    /// @notice Where a federation stands (section 4).
    enum Phase {
        Forming, // members gather
        Commit, // members commit to their updates
        Vote, // members say which updates they accept, and which they miss
        Attest, // members state the root of the merge
        Waiting, // earlier rounds have to be settled first
        Done // no further round opens, unless one is undone
    }

    /// @notice What became of a round.
    enum Status {
        None, // there is none of this number in its slot
        Open,
        Final, // one root has the quorum; it can still lose a match
        Void, // closed without, or undone; its attestations can still be judged
        Settled, // final for good
        Over // void for good, or fallen with its base
    }

    /// @notice A member took a seat, or came back to it.
    event Joined(address indexed member, uint256 index);
    /// @notice The next rounds are not to count on a member.
    event Left(uint256 indexed index);
    /// @notice A seat is free again.
    event Released(address indexed member, uint256 indexed index);
    /// @notice Members missed `maxMissed` rounds in a row.
    event Dropped(uint256 members, uint256 indexed round);
    /// @notice How a member can be reached; the highest sequence counts.
    event Announced(address indexed member, uint256 sequence, bytes card);
    /// @notice A phase opened; what its statements rest on.
    event PhaseOpened(uint256 indexed round, Phase indexed phase, uint256 deadline, bytes32 context);
    /// @notice A member committed; root zero abstains. `place` is `256 * round + index` here and below: a word less, and
    /// what a topic would cost less besides. The data of this one, `Voted` and `Attested` is packed: 32 bytes of the other
    /// value, and then `place` in 5 bytes.
    event Committed(uint256 place, bytes32 root);
    /// @notice A member voted, and misses nothing.
    event Voted(uint256 place, uint256 accepts);
    /// @notice A member voted, and misses something.
    event VotedMissing(uint256 place, uint256 accepts, uint256 misses);
    /// @notice A member attested.
    event Attested(uint256 place, bytes32 root);
    /// @notice Statements were posted for members; `misses` is empty if nobody misses anything.
    event Relayed(uint256 indexed round, Phase indexed phase, uint256 members, bytes32[] values, uint256[] misses);
    /// @notice A round closed; root zero is void.
    event RoundClosed(uint256 indexed round, bytes32 root, uint256 included, uint256 attesters);

    /// @notice The caller's charter is not this federation's.
    error CharterMismatch(bytes32 expected);
    /// @notice The allow-list does not name the caller.
    error NotAllowed(address caller);
    /// @notice The caller is active already.
    error AlreadyMember(uint256 index);
    /// @notice All 256 seats are taken.
    error FederationFull();
    /// @notice The caller has no seat, or is not active.
    error NotMember(address caller);
    /// @notice Who was dropped waits.
    error Paused(uint256 until);
    /// @notice Less is at stake than the terms ask for.
    error UnderStaked(uint256 stake, uint256 required);
    /// @notice Fewer bonds are deposited than the terms ask for.
    error UnderBonded(uint256 bonds, uint256 required);
    /// @notice Nobody has this seat.
    error EmptySeat(uint256 index);
    /// @notice A round that is open or unsettled counts on this seat, or the next one does.
    error SeatInUse(uint256 index);
    /// @notice A card has at most 256 bytes.
    error CardTooLong(uint256 length);
    /// @notice A later card was announced already.
    error OldCard(uint256 sequence);
    /// @notice Cards are announced no more often than this.
    error TooSoon(uint256 until);
    /// @notice The statement is of another round than its slot holds.
    error WrongRound(uint256 current);
    /// @notice The statement belongs to another phase, or its time is over.
    error WrongPhase(Phase current);
    /// @notice The statement rests on something else than this round does.
    error WrongContext(bytes32 expected);
    /// @notice The round does not count on this member.
    error NotInRoster(uint256 index);
    /// @notice The member has spoken in this phase.
    error AlreadySpoken(uint256 index);
    /// @notice The base is settled: nobody may abstain from building on it.
    error BaseSettled(uint256 baseRound);
    /// @notice Zero is no root.
    error ZeroRoot();
    /// @notice A ballot accepts what it misses.
    error BallotContradicts(uint256 both);
    /// @notice A ballot speaks of updates that nobody committed.
    error BallotOutsideCommits(uint256 committed);
    /// @notice No step is due.
    error NothingDue(Phase current, uint256 deadline);
    /// @notice There is another number of statements than of signers, or of misses.
    error WrongCount(uint256 given, uint256 expected);
    /// @notice Somebody else signed.
    error WrongSigner(uint256 index, address signer);
    /// @notice The federation was started before.
    error AlreadyStarted();

    /// @notice Begin to form; the factory does so in the call that makes the clone.
    function start() external;
    /// @notice Take a seat (section 5).
    function join(bytes32 charter, bytes32[] calldata proof) external;
    /// @notice The next rounds are not to count on the caller.
    function leave() external;
    /// @notice Free a seat that nothing rests on any more.
    function release(uint256 index) external;
    /// @notice Say how the caller can be reached.
    function announce(uint32 sequence, bytes calldata card) external;
    /// @notice Commit to an update, or abstain by the root zero (section 3).
    function commit(uint32 round, bytes32 context, bytes32 root) external;
    /// @notice Say which updates the caller accepts, and which it misses.
    function vote(uint32 round, bytes32 context, uint256 accepts, uint256 misses) external;
    /// @notice State the root of the merge.
    function attest(uint32 round, bytes32 context, bytes32 root) external;
    /// @notice Post signed statements of one phase, round and context.
    /// @param phase Commit, Vote or Attest
    /// @param signers bitmap of the members whose statements follow, by index
    /// @param misses of the votes, one each, or none if nobody misses anything
    /// @param others addresses of the roster's other members by index, or none: cheaper, and nothing else
    /// @param closes whether the phase is to be closed as well if it can be
    /// @return heard bitmap of those that were not heard before
    function relay(
        Phase phase,
        uint32 round,
        bytes32 context,
        uint256 signers,
        Signed[] calldata statements,
        uint256[] calldata misses,
        address[] calldata others,
        bool closes
    ) external returns (uint256 heard);
    /// @notice Take the federation one step further (section 4).
    function advance() external;
}
