"""What a node does beside its rounds: it checks what has become final, and stands up for what is right.

A merge is right because a wrong one can be undone by anybody who knows the right one, so somebody has to look: every
node verifies every final root, and every unsettled void round, against its own merge of the included updates. It enters
its root where it is missing, moves for it in court, and settles rounds whose time is over.

What must not be forgotten lies on its disk: the inputs of unsettled rounds, and where it has something to get back. All
else is on the ledger, so a watchtower that was killed goes on, and anybody can go on for it.
"""

from __future__ import annotations

from rayfed.node.watchtower.claims import claim, departure
from rayfed.node.watchtower.saboteur import Saboteur
from rayfed.node.watchtower.tower import LASTING_SECONDS, LOOK_SECONDS, WatchReport, Watchtower, last_closed

__all__ = [
    "LASTING_SECONDS",
    "LOOK_SECONDS",
    "Saboteur",
    "WatchReport",
    "Watchtower",
    "claim",
    "departure",
    "last_closed",
]
