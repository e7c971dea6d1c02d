"""Keeps a member's card on the ledger as its store wants it, and has the store take note of the others'."""

from __future__ import annotations

import logging

from rayfed.errors import StoreError
from rayfed.ledger import Ledger
from rayfed.protocol.commands import Announce
from rayfed.protocol.messages import Phase, View
from rayfed.store import Announces
from rayfed.store.card import Card

log = logging.getLogger(__name__)

PAUSE_SECONDS = 61
"""Between two cards, by chain time: the contract takes one a minute."""


class Herald:
    """Announces for one member. One thread at a time.

    Args:
        ledger: a handle of the member's account that nobody else uses.
        store: says what is to be on the card.
    """

    def __init__(self, ledger: Ledger, store: Announces) -> None:
        self._ledger = ledger
        self._store = store
        self._again = 0

    def step(self, view: View) -> bool:
        """Announce what has changed, if anything; say whether that was so.

        Raises:
            LedgerError: it cannot be sent.
            LedgerUnreachable: nothing answers.
        """
        self._store.tend()
        for receipt in self._ledger.receipts():
            if receipt.error:
                log.warning("the card was not announced: %s", receipt.error)
        address = self._ledger.address
        if view.index_of(address) is None or view.phase is Phase.DONE or view.time < self._again:
            return False
        try:
            card = self._store.card()
        except StoreError as error:
            log.info("no card can be made now: %s", error)
            return False
        text = card.encode()
        if card == Card() or self._ledger.cards().get(address) == text:
            return False
        self._ledger.submit(Announce(self._ledger.account(address).sequence + 1, text))
        self._again = view.time + PAUSE_SECONDS
        return True
