"""Whether a node may become a member (again), and when; and whether there is a seat."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from rayfed.encoding.primitives import MAX_MEMBERS, Address
from rayfed.ledger import FederationState, Ledger
from rayfed.protocol.accounts import Account
from rayfed.protocol.court_policy import unsettled
from rayfed.protocol.messages import COIN, Phase, Terms, View

log = logging.getLogger(__name__)

ASK_SECONDS = 30
"""How often a node that is not active asks whether somebody has put a stake down for it, in chain time."""


@dataclass(frozen=True, slots=True)
class Access:
    """What keeps a node out.

    Attributes:
        lost: it lost its stake, or bonds, and puts no others down by itself.
        paused_until: it was dropped, and may join again from then on; 0: it may.
    """

    lost: bool = False
    paused_until: int = 0


class SpareSeats:
    """Finds a seat that can be freed where all are taken.

    Args:
        ledger: what is asked.
    """

    def __init__(self, ledger: FederationState) -> None:
        self._ledger = ledger
        self._asked: tuple[int, Phase, int] | None = None
        self._free = 0

    def look(self, view: View) -> int | None:
        """Return the lowest such seat; None: there is a free one anyway, or none that can be freed.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if len(view.members) < MAX_MEMBERS or not all(view.members):
            return None
        moment = view.round, view.phase, view.time // ASK_SECONDS
        if moment != self._asked:
            used = view.active | view.roster
            for round in unsettled(self._ledger, view):
                used |= round.roster
            self._free, self._asked = ~used & (1 << MAX_MEMBERS) - 1, moment
        free = self._free & ~(view.active | view.roster)
        return (free & -free).bit_length() - 1 if free else None


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

        Who lost its stake in court, or a bond where there is no stake, puts no other one down by itself: what it lost
        it for would cost that one too. It serves what it has and follows the federation to its end; it is back as soon
        as anybody has put down for it what is lacking. Who was dropped for its absences waits, each time longer. Who
        left joins again.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        is_active = index is not None and bool(view.active >> index & 1)
        if is_active and self._access != Access():
            self._note("")  # it is back
        if is_active or view.phase is Phase.DONE:
            self._asked, self._access = None, Access()
            return self._access
        moment = view.round, view.phase, view.time // ASK_SECONDS
        if moment != self._asked:
            self._ask(view)
            self._asked = moment
        return self._access

    def _ask(self, view: View) -> None:
        address, terms, was = self._ledger.address, self._ledger.terms(), self._access
        account = self._ledger.account(address)
        lacks_stake = account.slashed > 0 and account.stake < terms.stake
        lacks_bonds = account.forfeited > 0 and account.bonds < terms.bonds
        self._access = Access(lacks_stake or lacks_bonds, account.paused_until)
        line = ""
        if self._access.lost and not was.lost:
            line = _lost(address, terms, account, lacks_stake, lacks_bonds)
        elif view.time < account.paused_until != was.paused_until:
            line = f"out: it was dropped {account.drops} times for absences, and joins again in "
            line += f"{account.paused_until - view.time} s"
        if line:
            log.warning("node %s is %s", address, line)
            self._note(line)


def _lost(address: Address, terms: Terms, account: Account, lacks_stake: bool, lacks_bonds: bool) -> str:
    """Say what a member lost in court, and what brings it back."""
    lost, wants = [], []
    if lacks_stake:
        lost.append(f"its whole stake was slashed ({account.slashed / COIN:g} coins in all)")
        wants.append(f"{(terms.stake - account.stake) / COIN:g} are deposited (python -m rayfed deposit)")
    if lacks_bonds:
        lost.append(f"bonds of {account.forfeited / COIN:g} in all were lost")
        wants.append(f"{(terms.bonds - account.bonds) / COIN:g} in bonds (python -m rayfed bonds)")
    return f"out: {' and '.join(lost)}; it comes back once {' and '.join(wants)} for {address}"
