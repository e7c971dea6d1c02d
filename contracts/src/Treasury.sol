// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICourt} from "./ICourt.sol";
import {IFederation} from "./IFederation.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title The court's money: stakes, the pool, rewards, and how rounds are settled.
///
/// Whatever comes in or goes out is in one of four sums (`Books`) before anybody else is called. Nothing is ever sent to
/// who does not ask for it, so nobody can make a round unsettleable by refusing money.
abstract contract Treasury is ICourt, ReentrancyGuardTransient {
    using Bitmaps for uint256;
    using SafeERC20 for IERC20;

    /// @dev What an address has. `exit` is the round it waits for, + 1; 0 if it does not.
    struct Purse {
        uint128 stake;
        uint40 exit;
        uint32 claimed;
        uint128 credit;
        uint128 slashed;
    }

    /// @dev Of a settled round.
    struct Reward {
        uint256 earners;
        uint256 share;
    }

    /// @notice Shares are in parts of this.
    uint256 internal constant SHARE_UNIT = 10_000;

    IFederation internal immutable FEDERATION;
    IERC20 internal immutable COIN;
    uint256 internal immutable STAKE;
    uint256 internal immutable REWARD;
    uint256 internal immutable BOND;
    uint256 internal immutable CHALLENGE_SECONDS;
    uint256 internal immutable REFUSED_SHARE;
    uint256 internal immutable CHALLENGER_SHARE;

    mapping(address owner => Purse) internal _purses;
    mapping(uint256 round => Reward) private _rewards;
    Books internal _books;

    constructor(IFederation.Terms memory t) {
        require(t.coin == address(0) || t.coin.code.length != 0, IFederation.InvalidTerms("coin"));
        require(t.bond != 0, IFederation.InvalidTerms("bond"));
        require(t.challengeSeconds != 0, IFederation.InvalidTerms("challengeSeconds"));
        require(t.refusedShare <= SHARE_UNIT, IFederation.InvalidTerms("refusedShare"));
        require(t.challengerShare <= SHARE_UNIT, IFederation.InvalidTerms("challengerShare"));
        FEDERATION = IFederation(msg.sender);
        COIN = IERC20(t.coin);
        STAKE = t.stake;
        REWARD = t.reward;
        BOND = t.bond;
        CHALLENGE_SECONDS = t.challengeSeconds;
        REFUSED_SHARE = t.refusedShare;
        CHALLENGER_SHARE = t.challengerShare;
    }

    // ------------------------------------------------------------------------------------------------ coming in

    /// @inheritdoc ICourt
    function deposit(address member, uint256 amount) external payable nonReentrant {
        _deposit(member, amount);
    }

    /// @inheritdoc ICourt
    function depositWithPermit(address member, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        require(address(COIN) != address(0), NoPermits());
        // Whoever saw the permit may have used it before, to make this call fail; the allowance is there all the same,
        // and if it is not, the transfer says so.
        try IERC20Permit(address(COIN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(member, amount);
    }

    function _deposit(address member, uint256 amount) private {
        uint128 arrived = _collect(amount);
        _purses[member].stake += arrived;
        _books.stakes += arrived;
        emit Deposited(member, msg.sender, arrived);
    }

    /// @inheritdoc ICourt
    function fund(uint256 amount) external payable nonReentrant {
        uint128 arrived = _collect(amount);
        _books.pool += arrived;
        emit Funded(msg.sender, arrived);
    }

    /// @dev Takes an amount from the caller, and says what really arrived.
    function _collect(uint256 amount) internal returns (uint128) {
        if (address(COIN) == address(0)) {
            require(msg.value == amount, WrongAmount(msg.value, amount));
        } else {
            require(msg.value == 0, WrongAmount(msg.value, 0));
            uint256 before = COIN.balanceOf(address(this));
            COIN.safeTransferFrom(msg.sender, address(this), amount);
            amount = COIN.balanceOf(address(this)) - before;
        }
        require(amount != 0, ZeroAmount());
        require(amount <= type(uint128).max, TooMuch(amount));
        return uint128(amount);
    }

    // ------------------------------------------------------------------------------------------ members and stake

    /// @inheritdoc ICourt
    function admit(address member) external {
        require(msg.sender == address(FEDERATION), NotFederation(msg.sender));
        Purse storage p = _purses[member];
        require(p.stake >= STAKE, UnderStaked(p.stake, STAKE));
        if (p.exit != 0) p.exit = 0;
    }

    /// @inheritdoc ICourt
    function exit() external {
        (, bool active, uint32 round) = FEDERATION.seatOf(msg.sender);
        require(!active, StillActive(msg.sender));
        Purse storage p = _purses[msg.sender];
        require(p.stake != 0, NothingAtStake(msg.sender));
        p.exit = uint40(round) + 1;
        emit Exited(msg.sender, round);
    }

    /// @inheritdoc ICourt
    function withdraw(address to) external nonReentrant {
        require(to != address(0), ZeroRecipient());
        Purse storage p = _purses[msg.sender];
        require(p.exit != 0, NotExiting(msg.sender));
        require(_books.settled + 1 >= p.exit, StillLocked(_books.settled, p.exit - 1));
        uint128 amount = p.stake;
        require(amount != 0, NothingAtStake(msg.sender));
        (p.stake, p.exit) = (0, 0);
        _books.stakes -= amount;
        emit Withdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    function _pay(address to, uint256 amount) private {
        if (address(COIN) != address(0)) return COIN.safeTransfer(to, amount);
        (bool ok,) = to.call{value: amount}("");
        require(ok, PaymentFailed(to));
    }

    /// @dev Takes up to `amount` of a stake; where it goes the caller decides.
    function _slash(address member, uint256 amount, Reason reason, uint256 round) internal returns (uint128 taken) {
        Purse storage p = _purses[member];
        taken = amount < p.stake ? uint128(amount) : p.stake;
        if (taken == 0) return 0;
        p.stake -= taken;
        p.slashed += taken;
        _books.stakes -= taken;
        emit Slashed(member, taken, reason, round);
    }

    /// @dev Slashes whole stakes and takes their owners off the next rosters; who proved it and the pool share the sum.
    function _punish(uint256 members, Reason reason, uint256 round, uint256 id, address challenger) internal {
        address[] memory addresses = FEDERATION.members();
        uint256 taken;
        for (uint256 i = 0; members >> i != 0; ++i) {
            if (members.has(i)) taken += _slash(addresses[i], type(uint256).max, reason, round);
        }
        uint128 share = uint128(taken * CHALLENGER_SHARE / SHARE_UNIT);
        _books.pool += uint128(taken) - share;
        _credit(challenger, share, id);
        FEDERATION.unseatMembers(members);
    }

    function _credit(address account_, uint128 amount, uint256 id) internal {
        if (amount == 0) return;
        _purses[account_].credit += amount;
        _books.owed += amount;
        emit Credited(account_, amount, id);
    }

    // ---------------------------------------------------------------------------------------------------- rewards

    /// @inheritdoc ICourt
    function settle(uint256 most) external {
        uint256 first = uint256(_books.settled) + 1;
        uint256 round = first;
        for (; most != 0; --most) {
            IFederation.Record memory r = FEDERATION.record(uint32(round));
            if (r.status == IFederation.Status.None) break;
            if (r.status == IFederation.Status.Final) {
                if (block.timestamp <= r.openUntil + CHALLENGE_SECONDS || _isDisputed(round)) break;
                if (r.astray | r.refused != 0) _slashBy(r, round);
                _reserve(r, round);
            }
            _books.settled = uint32(round);
            emit Settled(round);
            ++round;
        }
        require(round != first, NothingToSettle(round - 1));
    }

    /// @dev Whether a case on the round is open.
    function _isDisputed(uint256 round) internal view virtual returns (bool);

    /// @dev Slashes who went astray or was refused in a final round, to the pool. Who then has too little is unseated.
    function _slashBy(IFederation.Record memory r, uint256 round) private {
        address[] memory members = FEDERATION.members();
        uint256 unseated;
        uint256 taken;
        uint256 slashable = r.astray | r.refused;
        for (uint256 i = 0; slashable >> i != 0; ++i) {
            if (r.astray.has(i)) {
                taken += _slash(members[i], type(uint256).max, Reason.Astray, round);
            } else if (r.refused.has(i)) {
                taken += _slash(members[i], STAKE * REFUSED_SHARE / SHARE_UNIT, Reason.Refused, round);
            } else {
                continue;
            }
            if (_purses[members[i]].stake < STAKE) unseated |= 1 << i;
        }
        _books.pool += uint128(taken);
        if (unseated != 0) FEDERATION.unseatMembers(unseated);
    }

    /// @dev Sets a final round's reward aside.
    function _reserve(IFederation.Record memory r, uint256 round) private {
        uint256 earners = r.included & r.attesters;
        uint256 pool = _books.pool;
        uint256 share = _share(pool, earners);
        if (share == 0) return;
        uint128 reserved = uint128(share * earners.count());
        _books.pool = uint128(pool) - reserved;
        _books.owed += reserved;
        _rewards[round] = Reward(earners, share);
        emit Rewarded(round, share, earners);
    }

    /// @dev What each of the earners gets out of the pool.
    function _share(uint256 pool, uint256 earners) private view returns (uint256) {
        return earners == 0 ? 0 : (REWARD < pool ? REWARD : pool) / earners.count();
    }

    /// @inheritdoc ICourt
    function claim(address to, uint256 most) external nonReentrant {
        require(to != address(0), ZeroRecipient());
        Purse storage p = _purses[msg.sender];
        (uint256 seat,,) = FEDERATION.seatOf(msg.sender);
        uint256 from = p.claimed;
        uint256 until = seat == 0 ? from : _books.settled;
        if (until - from > most) until = from + most;
        uint256 amount = p.credit + _earned(seat, from, until);
        require(amount != 0 || until != from, NothingToClaim(msg.sender));
        (p.credit, p.claimed) = (0, uint32(until));
        _books.owed -= uint128(amount);
        emit Claimed(msg.sender, to, amount);
        if (amount != 0) _pay(to, amount);
    }

    /// @dev What a member has earned in the settled rounds from+1..until.
    function _earned(uint256 seat, uint256 from, uint256 until) private view returns (uint256 sum) {
        for (uint256 round = from + 1; round <= until; ++round) {
            Reward storage reward = _rewards[round];
            if (reward.earners.has(seat - 1)) sum += reward.share;
        }
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ICourt
    function account(address member) external view returns (Account memory a) {
        (uint256 seat,,) = FEDERATION.seatOf(member);
        a = _account(member, seat);
        (uint256[] memory shares, uint256[] memory earners) = _pending();
        if (seat != 0) a.pending = _sum(shares, earners, seat - 1);
    }

    /// @inheritdoc ICourt
    function accounts() external view returns (Account[] memory all) {
        address[] memory members = FEDERATION.members();
        all = new Account[](members.length);
        (uint256[] memory shares, uint256[] memory earners) = _pending();
        for (uint256 i = 0; i < members.length; ++i) {
            all[i] = _account(members[i], i + 1);
            all[i].pending = _sum(shares, earners, i);
        }
    }

    /// @inheritdoc ICourt
    function books() external view returns (Books memory) {
        return _books;
    }

    function _account(address member, uint256 seat) private view returns (Account memory a) {
        Purse storage p = _purses[member];
        a.stake = p.stake;
        a.slashed = p.slashed;
        a.exiting = p.exit != 0;
        if (a.exiting) a.exitRound = uint32(p.exit - 1);
        a.claimed = p.claimed;
        a.claimable = p.credit;
        if (seat != 0) a.claimable += uint128(_earned(seat, p.claimed, _books.settled));
    }

    /// @dev What settling would reserve, from the next round to be settled on, if nobody were slashed.
    function _pending() private view returns (uint256[] memory shares, uint256[] memory earners) {
        uint256 from = uint256(_books.settled) + 1;
        uint256 until = from;
        while (FEDERATION.record(uint32(until)).status != IFederation.Status.None) ++until;
        shares = new uint256[](until - from);
        earners = new uint256[](until - from);
        uint256 pool = _books.pool;
        for (uint256 k = 0; k < shares.length; ++k) {
            IFederation.Record memory r = FEDERATION.record(uint32(from + k));
            if (r.status != IFederation.Status.Final) continue;
            earners[k] = r.included & r.attesters;
            shares[k] = _share(pool, earners[k]);
            pool -= shares[k] * earners[k].count();
        }
    }

    function _sum(uint256[] memory shares, uint256[] memory earners, uint256 index) private pure returns (uint128) {
        uint256 sum;
        for (uint256 k = 0; k < shares.length; ++k) {
            if (earners[k].has(index)) sum += shares[k];
        }
        return uint128(sum);
    }
}
