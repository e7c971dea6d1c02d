"""What a federation's contract can say: its events by name, and of which kind each of their values is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PLACE = {"round": "number", "stage": "number", "block": "number"}

EVENTS: dict[str, dict[str, str]] = {
    "Joined": {"member": "address", "index": "number"},
    "Left": {"index": "number"},
    "Released": {"member": "address", "index": "number"},
    "Announced": {"member": "address", "sequence": "number", "card": "bytes"},
    "Dropped": {"members": "bitmap", "round": "number"},
    "PhaseOpened": {"round": "number", "phase": "number", "deadline": "number", "context": "root"},
    "Committed": {"place": "number", "root": "root"},
    "Voted": {"place": "number", "accepts": "bitmap"},
    "VotedMissing": {"place": "number", "accepts": "bitmap", "misses": "bitmap"},
    "Attested": {"place": "number", "root": "root"},
    "Relayed": {"round": "number", "phase": "number", "members": "bitmap", "values": "roots", "misses": "bitmaps"},
    "RoundClosed": {"round": "number", "root": "root", "included": "bitmap", "attesters": "bitmap"},
    "Undone": {"round": "number", "last": "number"},
    "Deposited": {"member": "address", "from": "address", "amount": "number"},
    "Bonded": {"member": "address", "from": "address", "amount": "number"},
    "Funded": {"from": "address", "amount": "number", "shares": "number"},
    "Refunded": {"funder": "address", "amount": "number"},
    "Withdrawn": {"member": "address", "stake": "number", "bonds": "number"},
    "Claimed": {"account": "address", "to": "address", "amount": "number"},
    "ClaimedNative": {"account": "address", "to": "address", "amount": "number"},
    "Slashed": {"member": "address", "round": "number", "stake": "number", "bond": "number"},
    "BondsSpent": {"round": "number", "number": "number", "setAside": "number", "burned": "number"},
    "Reimbursed": {"round": "number", "mover": "address", "amount": "number"},
    "Settled": {
        "round": "number",
        "share": "number",
        "earners": "bitmap",
        "right": "number",
        "rightful": "bitmap",
    },
    "Entered": {"round": "number", "number": "number", "root": "root", "entrant": "address"},
    "Shown": {**_PLACE, "from": "number", "count": "number", "partsI": "roots", "partsJ": "roots"},
    "LeafShown": {**_PLACE, "leafI": "bytes", "leafJ": "bytes"},
    "Disputed": {**_PLACE, "coordinate": "number", "valueI": "signed", "valueJ": "signed"},
    "Proved": {**_PLACE, "proven": "bitmap"},
    "Decided": {**_PLACE, "winner": "number"},
}
"""What the federation says, its court and its treasury included, and of which kind each value is."""

SPOKEN = frozenset({"Committed", "Voted", "VotedMissing", "Attested"})
"""Statements that came in their members' own transactions; ``place`` is the round times 256, and the index."""

MESSAGES = SPOKEN | {"Joined", "Left", "Relayed"}
"""Those in which the federation repeats what members said."""


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """One event of the contract, with where and when the chain has it.

    ``values`` are by the contract's names and of the kinds in ``EVENTS``; ``(block, position)`` orders the entries.
    """

    name: str
    values: Mapping[str, Any]
    time: int
    block: int
    position: int
    tx_hash: str

    @property
    def round(self) -> int | None:
        """Of which round it speaks; None if of none."""
        place = self.values.get("place")
        number: int | None = self.values.get("round") if place is None else place >> 8
        return number

    @property
    def index(self) -> int | None:
        """Of which member it speaks; None if of none, or of several."""
        place = self.values.get("place")
        number: int | None = self.values.get("index") if place is None else place & 0xFF
        return number
