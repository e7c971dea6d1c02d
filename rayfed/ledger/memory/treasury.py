"""The money that comes in and goes out (docs/protocol.md, section 7): one half of the contract's ``Treasury``."""

from __future__ import annotations

from rayfed.encoding.primitives import Address
from rayfed.errors import Rejected
from rayfed.ledger.memory.slots import StandingPhase
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.messages import NATIVE

MOST = 2**112 - 1


def deposit(s: Storage, sender: Address, member: Address, amount: int, value: int | None) -> None:
    """Put stake down for a member; nobody asks whether the sender has the coins that it brings."""
    _collect_coin(s, sender, amount, value)
    s.account(member).stake += amount
    s.emit("Deposited", member=member, **{"from": sender}, amount=amount)


def deposit_bonds(s: Storage, sender: Address, member: Address, amount: int) -> None:
    """Put bonds down for a member."""
    _check_amount(amount)
    s.account(member).bonds += amount
    s.native_paid[sender] = s.native_paid.get(sender, 0) - amount
    s.emit("Bonded", member=member, **{"from": sender}, amount=amount)


def fund(s: Storage, sender: Address, amount: int, value: int | None) -> None:
    """Add to the pool, for shares of it."""
    if s.standing is StandingPhase.DONE:
        raise Rejected("FederationDone")
    _collect_coin(s, sender, amount, value)
    total = s.shares.get(s.epoch, 0)
    # A pool that is as good as spent would make shares without end: who funds it anew begins a new count.
    if total >> 64 >= s.pool:
        s.epoch, total = s.epoch + (total != 0), 0
    minted = amount * total // s.pool if total else amount
    s.shares[s.epoch] = total + minted
    s.shares_of[s.epoch, sender] = s.shares_of.get((s.epoch, sender), 0) + minted
    s.pool += amount
    s.emit("Funded", **{"from": sender}, amount=amount, shares=minted)


def withdraw(s: Storage, sender: Address) -> None:
    """Make the sender's stake and bonds claimable, once its seat is free."""
    if s.seat_of(sender) is not None:
        raise Rejected("Seated")
    account = s.account(sender)
    if s.now < account.locked_until:
        raise Rejected("StillLocked")
    stake, bonds = account.stake, account.bonds
    if not stake and not bonds:
        raise Rejected("NothingThere")
    account.stake, account.credit = 0, account.credit + stake
    account.bonds, account.native_credit = 0, account.native_credit + bonds
    s.emit("Withdrawn", member=sender, stake=stake, bonds=bonds)


def claim(s: Storage, sender: Address, to: Address) -> None:
    """Pay what the sender is owed in the coin."""
    account = s.account(sender)
    amount = account.credit
    _check_payment(amount, to)
    account.credit = 0
    s.paid[to] = s.paid.get(to, 0) + amount
    s.emit("Claimed", account=sender, to=to, amount=amount)


def claim_native(s: Storage, sender: Address, to: Address) -> None:
    """Pay what the sender is owed in the chain's own currency."""
    account = s.account(sender)
    amount = account.native_credit
    _check_payment(amount, to)
    account.native_credit = 0
    s.native_paid[to] = s.native_paid.get(to, 0) + amount
    s.emit("ClaimedNative", account=sender, to=to, amount=amount)


def refund(s: Storage, sender: Address, to: Address) -> None:
    """Pay the sender its share of what is left in the pool."""
    if s.standing is not StandingPhase.DONE or s.unsettled:
        raise Rejected("PoolInUse")
    mine = s.shares_of.get((s.epoch, sender), 0)
    _check_payment(mine, to)
    total = s.shares[s.epoch]
    amount = s.pool * mine // total
    s.shares_of[s.epoch, sender], s.shares[s.epoch] = 0, total - mine
    s.pool -= amount
    s.paid[to] = s.paid.get(to, 0) + amount
    s.emit("Refunded", funder=sender, amount=amount)


def _collect_coin(s: Storage, sender: Address, amount: int, value: int | None) -> None:
    """Take an amount of the coin: the chain's own currency comes along. None: what is right."""
    expected = amount if s.terms.coin == NATIVE else 0
    if value is not None and value != expected:
        raise Rejected("WrongAmount")
    _check_amount(amount)
    s.paid[sender] = s.paid.get(sender, 0) - amount


def _check_amount(amount: int) -> None:
    if not amount:
        raise Rejected("ZeroAmount")
    if amount > MOST:
        raise Rejected("TooMuch")


def _check_payment(amount: int, to: Address) -> None:
    if not amount:
        raise Rejected("NothingThere")
    if to == NATIVE:
        raise Rejected("ZeroRecipient")
