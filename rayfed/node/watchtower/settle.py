"""Settling rounds whose time is over, and having paid out what was earned."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import Address
from rayfed.ledger import Ledger
from rayfed.node.watchtower.closed import is_over
from rayfed.protocol.commands import Claim, Settle
from rayfed.protocol.judgement import Books, Case, Record
from rayfed.protocol.messages import Status, Terms

SETTLE_AT_ONCE = 16
"""Rounds settled in one transaction."""

CLAIM_AT_ONCE = 256
"""Rounds claimed in one transaction."""


def settlement(books: Books, record: Record | None, cases: Sequence[Case], terms: Terms, time: int) -> Settle | None:
    """Return what settles the next rounds; None if the next one cannot be settled yet. Pure.

    Args:
        books: say how far it is settled.
        record: of the round after that; None if it has not closed.
        cases: the open ones.
        terms: the federation's.
        time: the chain's, in seconds since the epoch.
    """
    if record is None or any(case.round == books.settled + 1 for case in cases):
        return None
    if record.status is Status.FINAL and not is_over(record, terms, time):
        return None
    return Settle(SETTLE_AT_ONCE)


def claim(ledger: Ledger, payout: Address) -> bool:
    """Have what an account has earned so far paid out; say whether there was anything.

    Raises:
        LedgerUnreachable: nothing answers.
        LedgerError: it cannot be sent.
    """
    if ledger.is_sending or not ledger.account(ledger.address).claimable:
        return False
    ledger.submit(Claim(payout, CLAIM_AT_ONCE))
    return True
