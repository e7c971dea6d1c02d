"""Having paid out what an account is owed, and at the end its stake and bonds."""

from __future__ import annotations

from rayfed.encoding.primitives import Address
from rayfed.ledger import Ledger
from rayfed.protocol.commands import Claim, ClaimNative, Command, Leave, Release, Withdraw
from rayfed.protocol.messages import Status, View


def claim(ledger: Ledger, payout: Address) -> bool:
    """Have what an account is owed paid out; say whether there was anything.

    Raises:
        LedgerUnreachable: nothing answers.
        LedgerError: it cannot be sent.
    """
    if ledger.is_sending:
        return False
    command = owed(ledger, payout)
    if command is not None:
        ledger.submit(command)
    return command is not None


def owed(ledger: Ledger, payout: Address) -> Command | None:
    """Return what has an account paid out what it is owed, in the coin or in the chain's own currency."""
    account = ledger.account(ledger.address)
    if account.claimable:
        return Claim(payout)
    return ClaimNative(payout) if account.native_claimable else None


def departure(ledger: Ledger, view: View, payout: Address) -> Command | None:
    """Return the next thing to say for an account that wants all back that it has; None while it has to wait, or if
    there is nothing left."""
    me, index = ledger.address, view.index_of(ledger.address)
    if index is not None:
        if view.active >> index & 1:
            return Leave()
        return None if _is_used(ledger, index, view) else Release(index)
    account = ledger.account(me)
    if (account.stake or account.bonds) and view.time >= account.locked_until:
        return Withdraw()
    return owed(ledger, payout)


def _is_used(ledger: Ledger, index: int, view: View) -> bool:
    """Whether a round that is open or unsettled counts on a seat."""
    rounds = [ledger.round_of(number) for number in ledger.terms().slots(view.round)]
    return any(
        round is not None and (round.status is Status.OPEN or round.status.is_unsettled) and round.roster >> index & 1
        for round in rounds
    )
