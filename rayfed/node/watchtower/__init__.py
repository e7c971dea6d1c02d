"""What a node does beside its rounds: it checks what has become final, and answers those who ask.

A merge is right because whoever finds it wrong can have it rolled back, so somebody has to look: every node verifies
every final root against its own merge of the included updates, and goes to court where they differ. It shows leaves
that others ask for, ends cases that anybody can end, settles rounds whose time is over, and in the end claims what it
has earned.

Nothing here is remembered that could not be found out again: which cases are open and what they still lack is on the
ledger, so a challenger that was killed goes on, and anybody can go on for it.
"""

from __future__ import annotations

from rayfed.node.watchtower.settle import claim
from rayfed.node.watchtower.tower import LOOK_SECONDS, WatchReport, Watchtower
from rayfed.node.watchtower.turns import TURN_SECONDS

__all__ = ["LOOK_SECONDS", "TURN_SECONDS", "WatchReport", "Watchtower", "claim"]
