// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederation} from "./IFederation.sol";

/// @title The court of a federation: it keeps the stakes, pays for work, and takes back what is proved wrong.
/// @notice All amounts are in one asset, the federation's `coin` or the chain's own currency, in its smallest unit.
///
/// Powers. Nobody has any beyond the verbs below: there is no owner, no pause, no upgrade, no mint. Money leaves in two
/// ways, to whom it belongs alone and when that asks for it: `claim` and `withdraw`. A stake shrinks by a proof alone,
/// and for five reasons (`Reason`). The federation tells the court who joins; the court tells the federation what to
/// undo and whom to unseat, for each of which there is a proof.
///
/// Stake. Whoever joins has `stake` here, put down by anybody. It stays until all rounds in which its owner may have
/// signed are settled: `exit` notes the last such round, `withdraw` pays once that is settled. A slash takes at most
/// what is there, and once an offence.
///
/// Settling. Rounds are settled in order, by anybody, once they can no longer be challenged: a final one when its
/// window is over and no case on it is open, a void or undone one at once. Settling a final round slashes who attested
/// another root and (a small share) whose update two thirds of the roster refused, and reserves the reward for who
/// earned it: whose update was included and who attested the final root. A share is floored; the rest stays in the pool.
///
/// Cases. A *challenge* says that a merge is wrong at one coordinate: whoever has the blobs proves the included
/// updates' leaves and the merged one, and the contract merges that coordinate itself. A *demand* says that nobody has
/// a leaf: whoever has it answers and is paid, or else the round cannot be checked and falls. A challenger needs no
/// seat, only the bond. Several cases on a round may be open at once; the first to win undoes it and its challenger is
/// paid, the bonds of the others go back (`close`).
///
/// Assumptions, beyond those of `IFederation`. One honest party, member or not, looks at each merge within
/// `challengeSeconds`, can pay the bond, and gets its transactions into blocks within `proofSeconds`. Whoever committed
/// or attested answers demands within `proofSeconds`, or somebody does who has the blob: the bond must be worth more
/// than the gas of an answer. Members who collude can be first to prove their own offence, so it costs them only what
/// goes to the pool: keep `challengerShare` well below the whole. The coin moves what it is told to, except that less
/// may arrive; one that changes balances by itself may leave the court short. With `rule` 0 nobody can challenge a merge
/// but by its header; with two thirds of a roster dishonest, `refusedShare` can be lost by an honest member.
interface ICourt {
    /// @notice For what a stake is slashed.
    enum Reason {
        Astray, // attested another root than the final one
        Refused, // its update was refused by at least two thirds of the roster; `refusedShare` of the stake
        WrongMerge, // attested a merge that was proved wrong
        Withheld, // did not show what it had committed to, or attested
        Equivocation // signed two messages that contradict each other
    }

    /// @notice What a case says.
    enum Kind {
        Challenge, // the merge is wrong at a coordinate
        Demand // nobody has this leaf
    }

    /// @notice How a case stands.
    enum State {
        None, // there is no such case
        Open,
        Upheld, // the merge was wrong: the round is undone
        Failed, // it was right: the bond is in the pool
        Expired, // not proved in time: the bond is in the pool
        Answered, // the leaf was shown: the bond is who showed it's
        Forfeited, // it was not: the round is undone
        Closed // the round was undone by another case: the bond went back
    }

    /// @notice What an address has here.
    /// @param stake at stake
    /// @param claimable to be had by `claim`: rewards of settled rounds, bonds that came back, challengers' shares
    /// @param pending rewards of final rounds that are yet to be settled, if they were settled as they stand
    /// @param slashed all that it ever lost
    /// @param exiting whether it has asked to have its stake back
    /// @param exitRound the round that must be settled first; 0 if not exiting
    /// @param claimed the last round of which it has claimed
    struct Account {
        uint128 stake;
        uint128 claimable;
        uint128 pending;
        uint128 slashed;
        bool exiting;
        uint32 exitRound;
        uint32 claimed;
    }

    /// @notice Where all the money is: the court holds pool + stakes + bonds + owed.
    /// @param pool what rewards are paid from
    /// @param stakes of all accounts together
    /// @param bonds of all open cases together
    /// @param owed claimable by all accounts together
    /// @param settled the last settled round
    /// @param cases how many there have been; they are numbered from 1
    struct Books {
        uint128 pool;
        uint128 stakes;
        uint128 bonds;
        uint128 owed;
        uint32 settled;
        uint32 cases;
    }

    /// @notice A case.
    /// @param id from 1
    /// @param kind what it says
    /// @param state how it stands
    /// @param round of which it speaks
    /// @param challenger who opened it
    /// @param deadline the last second to prove or to answer
    /// @param which of a demand: the blob, as in `Proof`; 0 in a challenge
    /// @param inputs of a challenge: how many updates' leaves have to be proved
    /// @param leaf number of the leaf, from 0, the header
    /// @param coordinate in the leaf: of 128 words in the header, of 1024 values elsewhere; 0 in a demand
    /// @param proven of a challenge: bitmap of the inputs that have been proved
    /// @param mergedProven of a challenge: whether the merged leaf has
    /// @param merged of a challenge: what the merged leaf says there, the value sign-extended or the word
    struct Case {
        uint256 id;
        Kind kind;
        State state;
        uint32 round;
        address challenger;
        uint64 deadline;
        uint16 which;
        uint16 inputs;
        uint64 leaf;
        uint16 coordinate;
        uint256 proven;
        bool mergedProven;
        bytes32 merged;
    }

    /// @notice That a blob has a leaf.
    /// @param which position of the blob's root among the included ones, by index; or MERGED, 256, for the merged blob
    /// @param data the leaf, 4096 bytes
    /// @param path audit path from the leaf to the root, lowest sibling first (RFC 6962)
    /// @param header of an update where the rule is the mean: the nine words of its header; else ignored
    /// @param headerPath audit path from the header to the root, likewise; else ignored
    struct Proof {
        uint16 which;
        bytes data;
        bytes32[] path;
        bytes32[9] header;
        bytes32[] headerPath;
    }

    // ---------------------------------------------------------------------------------------------------- events

    /// @notice Stake was put down for a member.
    event Deposited(address indexed member, address indexed from, uint256 amount);

    /// @notice Somebody added to the pool.
    event Funded(address indexed from, uint256 amount);

    /// @notice A member asked to have its stake back, once `round` is settled.
    event Exited(address indexed member, uint256 round);

    /// @notice A stake was paid out.
    event Withdrawn(address indexed member, address to, uint256 amount);

    /// @notice A stake was slashed.
    /// @param amount what was taken, which may be less than the offence costs, if less was there
    event Slashed(address indexed member, uint256 amount, Reason reason, uint256 indexed round);

    /// @notice A round's reward was reserved for who earned it.
    /// @param share of each
    /// @param earners bitmap
    event Rewarded(uint256 indexed round, uint256 share, uint256 earners);

    /// @notice A round is settled: nothing about it changes any more.
    event Settled(uint256 indexed round);

    /// @notice An account became richer by a case: by a bond, or by a challenger's share.
    event Credited(address indexed account, uint256 amount, uint256 indexed id);

    /// @notice An account claimed what it had earned.
    event Claimed(address indexed account, address to, uint256 amount);

    /// @notice A merge was challenged.
    event Challenged(
        uint256 indexed id,
        uint256 indexed round,
        address challenger,
        uint256 leaf,
        uint256 coordinate,
        uint256 deadline
    );

    /// @notice Leaves of a challenge were proved.
    /// @param proven bitmap of all inputs proved by now
    /// @param mergedProven whether the merged leaf is by now
    event Proved(uint256 indexed id, uint256 proven, bool mergedProven);

    /// @notice A challenge won: the merge says `merged` where it should say `expected`. Its round is undone.
    event Upheld(uint256 indexed id, bytes32 merged, bytes32 expected);

    /// @notice A challenge lost: the merge is right there, or the case was not proved in time. The bond is in the pool.
    event Failed(uint256 indexed id, bool expired);

    /// @notice A leaf was demanded.
    event Demanded(
        uint256 indexed id, uint256 indexed round, address challenger, uint256 which, uint256 leaf, uint256 deadline
    );

    /// @notice A demanded leaf was shown. The bond is the answerer's.
    event Answered(uint256 indexed id, address answerer);

    /// @notice A demanded leaf was not shown in time. Its round is undone.
    event Forfeited(uint256 indexed id);

    /// @notice A case ended because another one had undone its round. The bond went back.
    event Closed(uint256 indexed id);

    /// @notice A member signed two messages that contradict each other.
    event Equivocated(address indexed member, uint256 indexed round, IFederation.Phase phase, address challenger);

    // ---------------------------------------------------------------------------------------------------- errors

    /// @notice Only the federation may do this.
    error NotFederation(address caller);

    /// @notice Less is at stake than the terms ask for.
    error UnderStaked(uint256 stake, uint256 required);

    /// @notice Another amount came with the call than it is about. In a coin nothing of the chain's own comes with it.
    error WrongAmount(uint256 sent, uint256 expected);

    /// @notice Nothing was sent, or nothing arrived.
    error ZeroAmount();

    /// @notice The amount is beyond 2^128 - 1.
    error TooMuch(uint256 amount);

    /// @notice Money cannot be paid to the address zero.
    error ZeroRecipient();

    /// @notice The recipient would not take the payment.
    error PaymentFailed(address to);

    /// @notice There are no permits in the chain's own currency.
    error NoPermits();

    /// @notice The next rounds count on the caller: it has to leave first.
    error StillActive(address member);

    /// @notice The caller has not asked to have its stake back.
    error NotExiting(address member);

    /// @notice What the caller may have signed can still be challenged.
    error StillLocked(uint256 settled, uint256 exitRound);

    /// @notice The caller has nothing at stake.
    error NothingAtStake(address member);

    /// @notice No further round can be settled now.
    error NothingToSettle(uint256 settled);

    /// @notice The caller has nothing to claim.
    error NothingToClaim(address account);

    /// @notice The round is not final: it has not closed, is void, or was undone.
    error NotFinal(uint256 round);

    /// @notice The round can no longer be challenged.
    error WindowClosed(uint256 until);

    /// @notice The court cannot recompute this federation's rule.
    error NotChallengeable();

    /// @notice These are not the roots of the included updates by index.
    error WrongRoots(bytes32 evidence);

    /// @notice A blob has only so many leaves.
    error NoSuchLeaf(uint256 leaf, uint256 leaves);

    /// @notice A leaf has only so many words or values.
    error NoSuchCoordinate(uint256 coordinate, uint256 coordinates);

    /// @notice The case is about no such blob.
    error NoSuchInput(uint256 which);

    /// @notice There is no such case.
    error NoSuchCase(uint256 id);

    /// @notice The case is of the other kind.
    error WrongKind(Kind kind);

    /// @notice The case has ended.
    error NotOpen(State state);

    /// @notice The time to prove or to answer is over.
    error TooLate(uint256 deadline);

    /// @notice The time to prove or to answer is not over.
    error TooEarly(uint256 deadline);

    /// @notice The path does not lead from this leaf to the root.
    error WrongProof(uint256 which);

    /// @notice The header is not this update's, or not as the header of this blob has to be.
    error WrongHeader(uint256 which);

    /// @notice All these leaves have been proved before.
    error AlreadyProven(uint256 id);

    /// @notice Leaves have yet to be proved.
    error NotProven(uint256 proven, bool mergedProven);

    /// @notice Everything is proved: the case ends by `conclude`.
    error AllProven(uint256 id);

    /// @notice The round was undone by another case: this one ends by `close`.
    error AlreadyUndone(uint256 round);

    /// @notice The round stands: a case on it ends by its own verbs.
    error NotUndone(uint256 round);

    /// @notice Two equal messages contradict nothing.
    error SameMessage();

    /// @notice This equivocation was slashed before.
    error KnownEquivocation();

    // ----------------------------------------------------------------------------------------------------- money

    /// @notice Put stake down for a member; anybody may. From then on it is the member's.
    /// @dev Reverts with WrongAmount, ZeroAmount, TooMuch. In a coin, what really arrives counts.
    function deposit(address member, uint256 amount) external payable;

    /// @notice The same, with the caller's permit (ERC-2612) for the coin to be moved. If the permit was used already, the
    /// allowance that it left is what counts.
    /// @dev Reverts with NoPermits, WrongAmount, ZeroAmount, TooMuch.
    function depositWithPermit(address member, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Let a member in if it has the stake, and forget that it had asked to have it back; the federation's alone.
    /// @dev Reverts with NotFederation, UnderStaked.
    function admit(address member) external;

    /// @notice Ask to have the caller's stake back; for who has left, or was dropped or unseated. The current round is
    /// the last one in which it may have signed.
    /// @dev Reverts with StillActive, NothingAtStake.
    function exit() external;

    /// @notice Pay the caller's stake out.
    /// @dev Reverts with ZeroRecipient, StillActive, NotExiting, StillLocked, NothingAtStake, PaymentFailed.
    function withdraw(address to) external;

    /// @notice Add to the pool.
    /// @dev Reverts with WrongAmount, ZeroAmount, TooMuch.
    function fund(uint256 amount) external payable;

    /// @notice Settle the next rounds, as many as can be, but at most so many; anybody may.
    /// @dev Reverts with NothingToSettle.
    function settle(uint256 most) external;

    /// @notice Pay what the caller has earned by cases, and in the next settled rounds of which it has not claimed yet, at
    /// most so many; to any address.
    /// @dev Reverts with ZeroRecipient, NothingToClaim, PaymentFailed.
    function claim(address to, uint256 most) external;

    // ----------------------------------------------------------------------------------------------------- cases

    /// @notice Say that a round's merge is wrong at a coordinate, and put down the bond.
    /// @dev Reverts with NotFinal, WindowClosed, NotChallengeable, NoSuchLeaf, NoSuchCoordinate, WrongRoots, WrongAmount.
    /// @param leaf 0 for the header, which can be challenged whatever the rule
    /// @param coordinate one of 128 words in the header, of 1024 values elsewhere
    /// @param roots of the included updates, by index
    function challenge(uint32 round, uint256 leaf, uint256 coordinate, bytes32[] calldata roots)
        external
        payable
        returns (uint256 id);

    /// @notice Prove leaves of a challenge, some or all; anybody may. What is proved already is skipped.
    /// @dev Reverts with NoSuchCase, WrongKind, NotOpen, AlreadyUndone, TooLate, WrongRoots, NoSuchInput, WrongProof,
    /// WrongHeader, Merkle.WrongLeafLength, and AlreadyProven if there is nothing new.
    function prove(uint256 id, bytes32[] calldata roots, Proof[] calldata proofs) external;

    /// @notice Merge the coordinate of a challenge and judge; anybody may, once all is proved.
    /// @dev Reverts with NoSuchCase, WrongKind, NotOpen, AlreadyUndone, NotProven.
    function conclude(uint256 id) external;

    /// @notice End a challenge that was not proved in time; anybody may.
    /// @dev Reverts with NoSuchCase, WrongKind, NotOpen, AlreadyUndone, TooEarly, AllProven.
    function expire(uint256 id) external;

    /// @notice Demand to be shown a leaf of an included update, or of the merged blob, and put down the bond.
    /// @dev Reverts with NotFinal, WindowClosed, NoSuchInput, NoSuchLeaf, WrongRoots, WrongAmount.
    /// @param which position in `roots`, or MERGED, 256
    function demand(uint32 round, uint256 which, uint256 leaf, bytes32[] calldata roots)
        external
        payable
        returns (uint256 id);

    /// @notice Show a demanded leaf, and have the bond; anybody may. A header must be as that blob's has to be: of an update
    /// its committer's, of this round, federation and chain.
    /// @dev Reverts with NoSuchCase, WrongKind, NotOpen, AlreadyUndone, TooLate, WrongRoots, WrongProof, WrongHeader,
    /// Merkle.WrongLeafLength.
    function answer(uint256 id, bytes32[] calldata roots, bytes calldata data, bytes32[] calldata path) external;

    /// @notice Judge that a demanded leaf was not shown in time; anybody may.
    /// @dev Reverts with NoSuchCase, WrongKind, NotOpen, AlreadyUndone, TooEarly.
    function forfeit(uint256 id) external;

    /// @notice End a case whose round was undone by another one; anybody may.
    /// @dev Reverts with NoSuchCase, NotOpen, NotUndone.
    function close(uint256 id) external;

    /// @notice Show two messages that a member signed for the same phase of the same round, and that differ.
    /// @dev Reverts with IFederation.NotMember, IFederation.NotAVerb, IFederation.WrongSigner, SameMessage,
    /// KnownEquivocation, ECDSAInvalidSignatureS, ECDSAInvalidSignature.
    function equivocation(
        address member,
        IFederation.Phase phase,
        uint32 round,
        IFederation.Signed calldata one,
        IFederation.Signed calldata other
    ) external;

    // ----------------------------------------------------------------------------------------------------- views

    /// @notice What an address has here.
    function account(address member) external view returns (Account memory);

    /// @notice The same of all members, by index.
    function accounts() external view returns (Account[] memory);

    /// @notice Where all the money is.
    function books() external view returns (Books memory);

    /// @notice A case; state None if there is none of this number.
    function caseOf(uint256 id) external view returns (Case memory);

    /// @notice All open cases, oldest first.
    function openCases() external view returns (Case[] memory);

    /// @notice The terms that the court keeps; those that the federation keeps are zero.
    function terms() external view returns (IFederation.Terms memory);

    /// @notice The federation whose court this is.
    function federation() external view returns (IFederation);
}
