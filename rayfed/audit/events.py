"""What the contract can say: its events by name, and of which kind each of their values is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EVENTS: dict[str, dict[str, str]] = {
    "Joined": {"member": "address", "index": "number"},
    "Left": {"index": "number"},
    "Dropped": {"members": "bitmap", "round": "number"},
    "PhaseOpened": {"round": "number", "phase": "number", "deadline": "number"},
    "Committed": {"round": "number", "index": "number", "root": "root"},
    "Voted": {"round": "number", "index": "number", "ballot": "bitmap"},
    "Attested": {"round": "number", "index": "number", "root": "root"},
    "RoundClosed": {
        "round": "number",
        "status": "number",
        "root": "root",
        "included": "bitmap",
        "attesters": "bitmap",
    },
    "Relayed": {"round": "number", "phase": "number", "members": "bitmap", "values": "roots"},
    "Undone": {"round": "number", "last": "number", "baseRound": "number"},
    "Unseated": {"members": "bitmap"},
    "Deposited": {"member": "address", "from": "address", "amount": "number"},
    "Funded": {"from": "address", "amount": "number"},
    "Exited": {"member": "address", "round": "number"},
    "Withdrawn": {"member": "address", "to": "address", "amount": "number"},
    "Slashed": {"member": "address", "amount": "number", "reason": "number", "round": "number"},
    "Rewarded": {"round": "number", "share": "number", "earners": "bitmap"},
    "Settled": {"round": "number"},
    "Credited": {"account": "address", "amount": "number", "id": "number"},
    "Claimed": {"account": "address", "to": "address", "amount": "number"},
    "Challenged": {
        "id": "number",
        "round": "number",
        "challenger": "address",
        "leaf": "number",
        "coordinate": "number",
        "deadline": "number",
    },
    "Proved": {"id": "number", "proven": "bitmap", "mergedProven": "flag"},
    "Upheld": {"id": "number", "merged": "root", "expected": "root"},
    "Failed": {"id": "number", "expired": "flag"},
    "Demanded": {
        "id": "number",
        "round": "number",
        "challenger": "address",
        "which": "number",
        "leaf": "number",
        "deadline": "number",
    },
    "Answered": {"id": "number", "answerer": "address"},
    "Forfeited": {"id": "number"},
    "Closed": {"id": "number"},
    "Equivocated": {"member": "address", "round": "number", "phase": "number", "challenger": "address"},
}
"""What the federation and its court say, and of which kind each value is."""

MESSAGES = frozenset({"Joined", "Left", "Committed", "Voted", "Attested", "Relayed"})
"""Those in which the federation repeats what members said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the contract, with where and when the chain has it.

    ``values`` are by the contract's names and of the kinds in ``EVENTS``; ``(block, position)`` orders the entries.
    """

    name: str
    values: Mapping[str, Any]
    time: int
    block: int
    position: int
    tx_hash: str
