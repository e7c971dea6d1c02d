"""Looks at a federation as it stands, again and again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from rayfed.encoding.primitives import Address
from rayfed.reporting.contested import Contested
from rayfed.reporting.federation_state import LATEST, FederationStanding, MemberState, OpenRound
from rayfed.reporting.heard import NAMES, Heard
from rayfed.reporting.words import awaited

if TYPE_CHECKING:
    from rayfed.ledger.backend import Event, Federation

YOUNG = 64
"""Blocks, the newest ones, whose events are asked for again at every look: the chain may have gone back."""

LABEL = 40
"""Characters of a member's card at most that are shown as its label."""

Reasons = Mapping[tuple[int, int], str]
"""By round, and index of the update that was refused: the screen that refused it here, and why."""


@runtime_checkable
class Dates(Protocol):
    """A connection to a ledger that has a time for its blocks."""

    def times(self, blocks: Collection[int]) -> dict[int, int]:
        """Return when each of these blocks was made, in seconds since the epoch; one that is no more is left out."""


class Reader:
    """Looks at one federation again and again; what was said long ago is read once.

    Args:
        federation: a connection.
        chain_id: of its chain.
        first: the block that it was founded in.
        names: what this party calls its own nodes, by address.
    """

    def __init__(
        self, federation: Federation, chain_id: int, first: int, names: Mapping[Address, str] | None = None
    ) -> None:
        self._federation = federation
        self._chain_id = chain_id
        self._first = first
        self._names = {address.lower(): name for address, name in (names or {}).items()}
        self._events: list[Event] = []
        self._next = first
        self._coin = ""

    def look(self, reasons: Reasons | None = None) -> FederationStanding:
        """Return how it stands now.

        Args:
            reasons: why this party's nodes have refused updates.

        Raises:
            LedgerError: the chain's node does not tell what there was.
            LedgerUnreachable: nothing answers.
        """
        federation = self._federation
        heard, view, terms = Heard(self._told()), federation.view(), federation.terms()
        self._coin = self._coin or federation.coin_name()
        contested = Contested(federation, view)
        holders = [(index, address) for index, address in enumerate(view.members) if address]
        accounts = federation.accounts([address for _, address in holders])
        cards = {address.lower(): card for address, card in federation.cards().items()}
        waits, known = awaited(view), {address.lower(): address for _, address in holders}
        made = []
        for (index, address), account in zip(holders, accounts, strict=True):
            name = address.lower()
            offered, merged = heard.offered(name, LATEST)
            refused, missed = (
                {known.get(by, by): rounds for by, rounds in counts.items()}
                for counts in heard.left_out_by(name, LATEST)
            )
            made.append(
                MemberState(
                    index=index,
                    address=address,
                    label=self._names.get(name) or label(cards.get(name, b"")),
                    is_active=bool(view.active >> index & 1),
                    is_awaited=bool(waits >> index & 1),
                    account=account,
                    seen=heard.seen.get(name),
                    seen_at=0,
                    included=heard.included(name),
                    offered=offered,
                    merged=merged,
                    refused=refused,
                    missed=missed,
                    reason=_reason(name, heard, reasons or {}),
                )
            )
        return FederationStanding(
            federation=federation.address,
            chain_id=self._chain_id,
            coin=self._coin,
            terms=terms,
            view=view,
            books=federation.books(),
            members=tuple(self._dated(made)),
            unsettled=tuple(_open(contested, round) for round in contested.unsettled()),
        )

    def _told(self) -> list[Event]:
        """Return all events from the founding on; of the newest blocks they are asked for again."""
        head = self._federation.block()
        kept = max(self._first, min(self._next, head + 1) - YOUNG)
        self._events = [event for event in self._events if event.block < kept]
        self._events += self._federation.events(kept, head, NAMES)
        self._next = head + 1
        return self._events

    def _dated(self, members: Sequence[MemberState]) -> Iterable[MemberState]:
        """Say when each was heard of, where the ledger has a time for its blocks."""
        found: Mapping[int, int] = {}
        if isinstance(self._federation, Dates):
            found = self._federation.times({one.seen.block for one in members if one.seen})
        return (replace(one, seen_at=found.get(one.seen.block, 0) if one.seen else 0) for one in members)


def label(card: bytes) -> str:
    """Return what a card says to people: its first line, if it is text; cards are whatever members choose."""
    try:
        text = card.decode()
    except UnicodeDecodeError:
        return ""
    line = next(iter(text.splitlines()), "")[:LABEL]
    return line if line.isprintable() else ""


def _reason(member: Address, heard: Heard, reasons: Reasons) -> str:
    mine = [(round, why) for (round, index), why in reasons.items() if heard.member(round, index) == member]
    return max(mine)[1] if mine else ""


def _open(contested: Contested, round: int) -> OpenRound:
    found = contested.round(round)
    status = "gone" if found is None else found.status.name.lower()
    return OpenRound(round, status, contested.settles_at(round), contested.is_disputed(round), contested.is_lost(round))
