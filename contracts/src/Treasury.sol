// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bracket} from "./Bracket.sol";
import {ITournament} from "./ITournament.sol";
import {ITreasury} from "./ITreasury.sol";
import {Parts} from "./Parts.sol";
import {Terms, TermsOf} from "./Terms.sol";
import {Bitmaps} from "./libraries/Bitmaps.sol";
import {RoundHead, RoundHeads} from "./libraries/RoundHeads.sol";
import {SeatSlots} from "./libraries/SeatSlots.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title The money: it comes in, is lost by a lost match alone, and leaves to whom it belongs when that asks for it.
///
/// What is burned is kept and belongs to nobody: no coin can refuse to be burned, and make a round unsettleable by it.
contract Treasury is ITreasury, Bracket, Parts, ReentrancyGuardTransient {
    using Bitmaps for uint256;
    using SafeERC20 for IERC20;
    using SeatSlots for uint256;

    uint256 private constant SHARE_UNIT = 10_000;

    constructor(address tournament) Parts(tournament) {}

    // ------------------------------------------------------------------------------------------------- coming in

    /// @inheritdoc ITreasury
    function deposit(address member, uint256 amount) external payable nonReentrant {
        uint112 arrived = _collectCoin(amount);
        _accounts[member].stake += arrived;
        emit Deposited(member, msg.sender, arrived);
    }

    /// @inheritdoc ITreasury
    function depositBonds(address member) external payable {
        require(msg.value != 0, ZeroAmount());
        require(msg.value <= type(uint112).max, TooMuch(msg.value));
        _accounts[member].bonds += uint128(msg.value);
        emit Bonded(member, msg.sender, msg.value);
    }

    /// @inheritdoc ITreasury
    function fund(uint256 amount) external payable nonReentrant {
        require(_standing.phase != DONE, FederationDone());
        uint112 arrived = _collectCoin(amount);
        Books memory b = _books;
        uint256 total = _shares[b.epoch];
        // A pool that is as good as spent would make shares without end: who funds it anew begins a new count.
        if (total >> 64 >= b.pool) (b.epoch, total) = (b.epoch + (total == 0 ? 0 : 1), 0);
        uint256 shares = total == 0 ? arrived : uint256(arrived) * total / b.pool;
        _shares[b.epoch] = total + shares;
        _sharesOf[b.epoch][msg.sender] += shares;
        b.pool += arrived;
        _books = b;
        emit Funded(msg.sender, arrived, shares);
    }

    /// @dev Takes an amount of the coin from the caller, and says what really arrived.
    function _collectCoin(uint256 amount) private returns (uint112) {
        IERC20 coin = IERC20(TermsOf.all().coin);
        if (address(coin) == address(0)) {
            require(msg.value == amount, WrongAmount(msg.value, amount));
        } else {
            require(msg.value == 0, WrongAmount(msg.value, 0));
            uint256 before = coin.balanceOf(address(this));
            coin.safeTransferFrom(msg.sender, address(this), amount);
            amount = coin.balanceOf(address(this)) - before;
        }
        require(amount != 0, ZeroAmount());
        require(amount <= type(uint112).max, TooMuch(amount));
        return uint112(amount);
    }

    // ------------------------------------------------------------------------------------------------- settling

    /// @inheritdoc ITreasury
    function settle(uint32 round, uint256 most) external returns (bool) {
        Terms memory t = TermsOf.all();
        uint256 slot = _slotOf(round);
        RoundHead h = _heads[slot];
        require(
            round != 0 && h.round() == round && (h.phase() == RoundHeads.FINAL || h.phase() == RoundHeads.VOID),
            NotUnsettled(round)
        );
        require(_baseSettled(slot), BaseUnsettled(_meta[slot].baseRound));
        bool isFinal = h.phase() == RoundHeads.FINAL;
        uint256 winner = uint256(_meta[slot].finalEntry) + 1;
        Docket memory d = _dockets[round];
        if (t.rule == 0 || d.count < 2) {
            uint256 until = !isFinal ? 0 : t.rule == 0 ? h.deadline() : h.deadline() + t.windowSeconds;
            require(block.timestamp > until, NotOver(until));
            d.count = 0;
        } else {
            winner = _winner(round, d, t);
            require(!isFinal || winner == uint256(_meta[slot].finalEntry) + 1, UndoFirst(round));
            if (!_punishAll(round, d, t, winner, most)) return false;
        }
        _pay(round, slot, isFinal, winner, t);
        _heads[slot] = h.turned(isFinal ? RoundHeads.SETTLED : RoundHeads.OVER);
        _standing.unsettled -= 1;
        return true;
    }

    /// @dev Who won the tournament, as an entry's number + 1.
    function _winner(uint256 round, Docket memory d, Terms memory t) private view returns (uint256 winner) {
        uint256 stages = _stages(d.count);
        bool ended = _begun(d);
        if (ended) (ended, winner) = _survivor(round, d, t, stages, 0);
        require(ended, NotOver(_startOf(d, t, stages)));
    }

    /// @dev Punishes who attested a root that lost, from where the last call stopped; false if there are more.
    function _punishAll(uint256 round, Docket memory d, Terms memory t, uint256 winner, uint256 most)
        private
        returns (bool)
    {
        uint256 k = d.cursor;
        for (; k < d.count; ++k) {
            if (most == 0) break;
            --most;
            if (k + 1 == winner || _isDealtWith(round, d, k) || _attestersOf(round, k) == 0) continue;
            _punish(round, d, t, k);
        }
        _dockets[round].cursor = uint16(k);
        return k >= d.count;
    }

    function _isDealtWith(uint256 round, Docket memory d, uint256 number) private view returns (bool) {
        return number == 0 ? d.firstPunished : _entries[round][number].collected;
    }

    /// @inheritdoc ITreasury
    function collect(uint32 round, uint256 number) external {
        Terms memory t = TermsOf.all();
        Docket memory d = _dockets[round];
        require(number < d.count && !_isDealtWith(round, d, number), NothingToCollect(number));
        bool started = _begun(d);
        (ITournament.Fate fate,) = _fate(round, d, t, number);
        if (fate == ITournament.Fate.Lost && started && t.rule != 0) return _punish(round, d, t, number);
        address entrant = _entries[round][number].entrant;
        bool returns_ = fate == ITournament.Fate.Fallen || (fate == ITournament.Fate.Won && started);
        require(number != 0 && entrant != address(0) && returns_, NothingToCollect(number));
        _entries[round][number].collected = true;
        _accounts[entrant].nativeCredit += t.bond;
    }

    /// @dev An entry has lost: its attesters lose stake, seat and a bond, its entrant a bond; bonds pay who moved.
    function _punish(uint256 round, Docket memory d, Terms memory t, uint256 number) private {
        if (number == 0) _dockets[round].firstPunished = true;
        else _entries[round][number].collected = true;
        uint256 attesters = _attestersOf(round, number);
        uint256 bonds = number != 0 && _entries[round][number].entrant != address(0) ? t.bond : 0;
        uint112 pot;
        for (uint256 i = 0; attesters >> i != 0; ++i) {
            if (!attesters.has(i)) continue;
            Account storage a = _accounts[_holders[i]];
            (uint112 stake, uint128 bond) = (a.stake, a.bonds < t.bond ? a.bonds : t.bond);
            a.stake = 0;
            a.bonds -= bond;
            pot += stake;
            bonds += bond;
            emit Slashed(_holders[i], round, stake, bond);
        }
        _active &= ~attesters;
        if (pot != 0) _dockets[round].pot += pot;
        _spend(round, d, t, number, bonds);
    }

    /// @dev Sets aside what the moves against an entry cost in the match that it lost; burns what is left.
    function _spend(uint256 round, Docket memory d, Terms memory t, uint256 number, uint256 bonds) private {
        (, uint256 stage) = _fate(round, d, t, number);
        uint256 key = _key(round, stage, number >> (stage + 1));
        (, uint256 winner) = _survivor(round, d, t, stage + 1, number >> (stage + 1));
        Pot memory pot = _pots[key];
        pot.side = winner == NOBODY ? 3 : (number >> stage) % 2 == 0 ? 2 : 1;
        uint256 spent = _due(_costs[key], pot.side) - pot.amount; // where both lose, the other may have paid already
        if (spent > bonds) spent = bonds;
        pot.amount += uint96(spent);
        if (pot.amount != 0) _pots[key] = pot;
        _books.nativeBurned += uint128(bonds - spent);
        emit BondsSpent(round, number, spent, bonds - spent);
    }

    /// @inheritdoc ITreasury
    function reimburse(uint32 round, uint256 stage, uint256 block_, address mover) external {
        uint256 key = _key(round, stage, block_);
        Pot memory pot = _pots[key];
        uint256 mine = _due(_costsOf[key][mover], pot.side);
        require(pot.amount != 0 && mine != 0 && _isFull(round, key, pot), NothingThere(mover));
        delete _costsOf[key][mover];
        uint256 amount = _owed(key, pot, mine);
        _accounts[mover].nativeCredit += uint128(amount);
        emit Reimbursed(round, mover, amount);
    }

    /// @dev Whether a pot has all that will ever be in it. Where both lost, the second one may have to add to it: who asked
    /// before would get less than who asks after.
    function _isFull(uint256 round, uint256 key, Pot memory pot) private view returns (bool) {
        if (pot.side != 3 || pot.amount == _due(_costs[key], 3)) return true;
        Docket memory d = _dockets[round];
        Match memory m = _matches[key];
        return d.fallen || (_isDealtWith(round, d, m.i) && _isDealtWith(round, d, m.j));
    }

    /// @dev All in full where the bonds suffice, else in proportion.
    function _owed(uint256 key, Pot memory pot, uint256 mine) private view returns (uint256) {
        return pot.amount == 0 || mine == 0 ? 0 : mine * pot.amount / _due(_costs[key], pot.side);
    }

    /// @dev Pays a settled round's reward to who earned it, and a share of what was slashed to who attested the right root.
    function _pay(uint256 round, uint256 slot, bool isFinal, uint256 winner, Terms memory t) private {
        Books memory b = _books;
        uint256 pot = _dockets[round].pot;
        uint256 right = winner == NOBODY ? 0 : _attestersOf(round, winner - 1);
        uint256 each = right == 0 ? 0 : pot * t.rightShare / SHARE_UNIT / right.count();
        b.burned += uint112(pot - each * right.count());
        uint256 earners = isFinal ? right & _included[slot] : 0;
        uint256 share = earners == 0 ? 0 : (t.reward < b.pool ? t.reward : b.pool) / earners.count();
        b.pool -= uint112(share * earners.count());
        if (each == 0) right = share == 0 ? 0 : earners;
        for (uint256 i = 0; right >> i != 0; ++i) {
            if (!right.has(i)) continue;
            _accounts[_holders[i]].credit += uint112(each + (earners.has(i) ? share : 0));
        }
        _books = b;
        emit Settled(round, share, earners, each, each == 0 ? 0 : right);
    }

    // ------------------------------------------------------------------------------------------------ going out

    /// @inheritdoc ITreasury
    function withdraw() external {
        uint256 seat = SeatSlots.get(msg.sender).seat();
        if (seat != 0) revert Seated(seat - 1);
        Account storage a = _accounts[msg.sender];
        require(block.timestamp >= a.lockedUntil, StillLocked(a.lockedUntil));
        (uint112 stake, uint128 bonds) = (a.stake, a.bonds);
        require(stake | bonds != 0, NothingThere(msg.sender));
        (a.stake, a.credit) = (0, a.credit + stake);
        (a.bonds, a.nativeCredit) = (0, a.nativeCredit + bonds);
        emit Withdrawn(msg.sender, stake, bonds);
    }

    /// @inheritdoc ITreasury
    function claim(address to) external nonReentrant {
        Account storage a = _accounts[msg.sender];
        uint256 amount = a.credit;
        require(amount != 0, NothingThere(msg.sender));
        a.credit = 0;
        emit Claimed(msg.sender, to, amount);
        _payCoin(to, amount);
    }

    /// @inheritdoc ITreasury
    function claimNative(address to) external nonReentrant {
        Account storage a = _accounts[msg.sender];
        uint256 amount = a.nativeCredit;
        require(amount != 0, NothingThere(msg.sender));
        a.nativeCredit = 0;
        emit ClaimedNative(msg.sender, to, amount);
        _payNative(to, amount);
    }

    /// @inheritdoc ITreasury
    function refund(address to) external nonReentrant {
        require(_standing.phase == DONE && _standing.unsettled == 0, PoolInUse());
        Books memory b = _books;
        uint256 mine = _sharesOf[b.epoch][msg.sender];
        uint256 total = _shares[b.epoch];
        require(mine != 0, NothingThere(msg.sender));
        uint256 amount = uint256(b.pool) * mine / total;
        (_sharesOf[b.epoch][msg.sender], _shares[b.epoch]) = (0, total - mine);
        b.pool -= uint112(amount);
        _books = b;
        emit Refunded(msg.sender, amount);
        _payCoin(to, amount);
    }

    function _payCoin(address to, uint256 amount) private {
        IERC20 coin = IERC20(TermsOf.all().coin);
        if (address(coin) == address(0)) return _payNative(to, amount);
        require(to != address(0), ZeroRecipient());
        coin.safeTransfer(to, amount);
    }

    function _payNative(address to, uint256 amount) private {
        require(to != address(0), ZeroRecipient());
        (bool ok,) = to.call{value: amount}("");
        require(ok, PaymentFailed(to));
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc ITreasury
    function account(address owner) external view returns (AccountView memory) {
        Account storage a = _accounts[owner];
        return AccountView(a.stake, a.credit, a.bonds, a.nativeCredit, a.lockedUntil);
    }

    /// @inheritdoc ITreasury
    function owed(uint32 round, uint256 stage, uint256 block_, address mover) external view returns (uint256) {
        uint256 key = _key(round, stage, block_);
        Pot memory pot = _pots[key];
        return _isFull(round, key, pot) ? _owed(key, pot, _due(_costsOf[key][mover], pot.side)) : 0;
    }

    /// @inheritdoc ITreasury
    function books() external view returns (uint256 pool, uint256 burned, uint256 nativeBurned) {
        Books storage b = _books;
        return (b.pool, b.burned, b.nativeBurned);
    }
}
