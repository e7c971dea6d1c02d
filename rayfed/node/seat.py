"""Whether a node may become a member (again), and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from rayfed.ledger import Ledger
from rayfed.protocol.messages import COIN, Phase, View

log = logging.getLogger(__name__)

ASK_SECONDS = 30
"""How often a node that is not active asks whether somebody has put a stake down for it, in chain time."""


@dataclass(frozen=True, slots=True)
class Access:
    """What keeps a node out.

    Attributes:
        lost: it lost its stake, and puts no other one down by itself.
        paused_until: it was dropped, and may join again from then on; 0: it may.
    """

    lost: bool = False
    paused_until: int = 0


class Admission:
    """One node's, as far as the ledger keeps it out.

    Args:
        ledger: the node's door.
        note: told in a line that the node is out, and how it comes back.
    """

    def __init__(self, ledger: Ledger, note: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._note = note
        self._asked: tuple[int, Phase, int] | None = None
        self._access = Access()

    def access(self, view: View, index: int | None) -> Access:
        """Return what keeps the node out of the federation, if anything.

        Who lost its stake in court puts no other one down by itself: what it was slashed for would cost that one too.
        It serves what it has and follows the federation to its end; it is back as soon as anybody has put a stake down
        for it. Who was dropped for its absences waits, each time longer. Who left joins again.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if (index is not None and view.active >> index & 1) or view.phase is Phase.DONE:
            self._asked, self._access = None, Access()
            return self._access
        moment = view.round, view.phase, view.time // ASK_SECONDS
        if moment != self._asked:
            self._ask(view)
            self._asked = moment
        return self._access

    def _ask(self, view: View) -> None:
        address, stake, was = self._ledger.address, self._ledger.terms().stake, self._access
        account = self._ledger.account(address)
        self._access = Access(account.slashed > 0 and account.stake < stake, account.paused_until)
        line = ""
        if self._access.lost and not was.lost:
            line = (
                f"out: its whole stake was slashed ({account.slashed / COIN:g} coins in all); "
                f"it comes back once {stake / COIN:g} are deposited for {address} (python -m rayfed deposit)"
            )
        elif view.time < account.paused_until != was.paused_until:
            line = f"out: it was dropped {account.drops} times for absences, and joins again in "
            line += f"{account.paused_until - view.time} s"
        if line:
            log.warning("node %s is %s", address, line)
            self._note(line)
