"""Whether what a node has lost in court keeps it out of the federation."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rayfed.ledger import Ledger
from rayfed.protocol.messages import COIN, Phase, View

log = logging.getLogger(__name__)

ASK_SECONDS = 30
"""How often a node without a seat asks whether somebody has put a stake down for it, in chain time."""


class LostSeat:
    """One node's, as far as the court is concerned.

    Args:
        ledger: the node's door.
        note: told in a line that the node is out, and how it comes back.
    """

    def __init__(self, ledger: Ledger, note: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._note = note
        self._asked: tuple[int, Phase, int] | None = None
        self._lost = False

    def is_lost(self, view: View, index: int | None) -> bool:
        """Say whether the court took all that the node had at stake.

        Such a node puts no other stake down by itself: what it was slashed for would cost that one too. It serves what
        it has and follows the federation to its end; it is back as soon as anybody has put a stake down for it. Who
        lost a part, or was dropped, or left, is not lost: it joins again with what it has.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if index is None or view.active >> index & 1 or view.phase is Phase.DONE:
            self._asked, self._lost = None, False
            return False
        moment = view.round, view.phase, view.time // ASK_SECONDS
        if moment != self._asked:
            address, stake = self._ledger.address, self._ledger.terms().stake
            account = self._ledger.account(address)
            was, self._lost = self._lost, account.slashed > 0 and account.stake == 0 < stake
            if self._lost and not was:
                line = (
                    f"out: its whole stake was slashed ({account.slashed / COIN:g} coins in all); "
                    f"it comes back once {stake / COIN:g} are deposited for {address} (python -m rayfed deposit)"
                )
                log.warning("node %s is %s", address, line)
                self._note(line)
            self._asked = moment
        return self._lost
