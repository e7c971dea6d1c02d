// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The money of a federation: stakes, bonds, the pool, and how rounds are settled (section 7).
interface ITreasury {
    /// @notice What an address has here.
    /// @param stake at stake, in the coin
    /// @param claimable in the coin
    /// @param bonds in the chain's own currency
    /// @param nativeClaimable in the chain's own currency
    /// @param lockedUntil when stake and bonds come back at the earliest
    struct AccountView {
        uint256 stake;
        uint256 claimable;
        uint256 bonds;
        uint256 nativeClaimable;
        uint64 lockedUntil;
    }

    event Deposited(address indexed member, address indexed from, uint256 amount);
    event Bonded(address indexed member, address indexed from, uint256 amount);
    event Funded(address indexed from, uint256 amount, uint256 shares);
    event Withdrawn(address indexed member, uint256 stake, uint256 bonds);
    event Claimed(address indexed account, address to, uint256 amount);
    event ClaimedNative(address indexed account, address to, uint256 amount);
    event Refunded(address indexed funder, uint256 amount);
    /// @notice An attester of a root that lost has lost its stake, and a bond.
    event Slashed(address indexed member, uint256 indexed round, uint256 stake, uint256 bond);
    /// @notice What an entry's bonds became: so much is set aside for who moved, the rest is burned.
    event BondsSpent(uint256 indexed round, uint256 number, uint256 setAside, uint256 burned);
    /// @notice Who moved was credited what it cost.
    event Reimbursed(uint256 indexed round, address indexed mover, uint256 amount);
    /// @notice Nothing about the round changes any more.
    /// @param share of each earner, in the coin
    /// @param earners bitmap of those whose update was included and who attested the final root
    /// @param right what each attester of the right root gets of slashed stakes
    /// @param rightful bitmap of those
    event Settled(uint256 indexed round, uint256 share, uint256 earners, uint256 right, uint256 rightful);

    /// @notice Another amount came with the call than it is about.
    error WrongAmount(uint256 sent, uint256 expected);
    /// @notice Nothing came.
    error ZeroAmount();
    /// @notice The amount is beyond what is kept of one.
    error TooMuch(uint256 amount);
    /// @notice Money cannot be paid to the address zero.
    error ZeroRecipient();
    /// @notice The recipient would not take it.
    error PaymentFailed(address to);
    /// @notice The caller has a seat: it leaves first, and waits until the seat is free.
    error Seated(uint256 index);
    /// @notice What the caller put down is locked.
    error StillLocked(uint256 until);
    /// @notice There is nothing for the caller.
    error NothingThere(address account);
    /// @notice The round holds no slot: it is settled, or has not closed.
    error NotUnsettled(uint256 round);
    /// @notice The round's base has to be settled first.
    error BaseUnsettled(uint256 baseRound);
    /// @notice The round's window, or its tournament, is not over.
    error NotOver(uint256 until);
    /// @notice The final root has lost: the round is undone first.
    error UndoFirst(uint256 round);
    /// @notice The entry has not lost, or has been dealt with.
    error NothingToCollect(uint256 number);
    /// @notice The federation goes on, or has unsettled rounds: the pool is in use.
    error PoolInUse();
    /// @notice The federation is done: there is nothing to fund.
    error FederationDone();

    /// @notice Put stake down for a member; anybody may.
    function deposit(address member, uint256 amount) external payable;
    /// @notice Put bonds down for a member, in the chain's own currency; anybody may.
    function depositBonds(address member) external payable;
    /// @notice Add to the pool; what is left at the end returns in proportion.
    function fund(uint256 amount) external payable;
    /// @notice Settle a round, looking at no more than `most` entries.
    /// @return over whether it is settled now
    function settle(uint32 round, uint256 most) external returns (bool over);
    /// @notice Deal with an entry: punish who attested a root that lost, set aside what moves cost, give a bond back.
    function collect(uint32 round, uint256 number) external;
    /// @notice Credit somebody with what its moves cost in a match whose loser has been dealt with.
    function reimburse(uint32 round, uint256 stage, uint256 block_, address mover) external;
    /// @notice Make the caller's stake and bonds claimable, once its seat is free.
    function withdraw() external;
    /// @notice Pay what the caller is owed in the coin.
    function claim(address to) external;
    /// @notice Pay what the caller is owed in the chain's own currency: apart, for no coin is to hold it back.
    function claimNative(address to) external;
    /// @notice Pay the caller its share of what is left in the pool.
    function refund(address to) external;

    /// @notice What an address has.
    function account(address owner) external view returns (AccountView memory);
    /// @notice What `reimburse` would credit now.
    function owed(uint32 round, uint256 stage, uint256 block_, address mover) external view returns (uint256);
    /// @notice What is in the pool, and what is burned, in the coin and in the chain's own currency.
    function books() external view returns (uint256 pool, uint256 burned, uint256 nativeBurned);
}
