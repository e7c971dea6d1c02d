"""What came of a step, for whoever drives the node."""

from __future__ import annotations

from enum import Enum


class Progress(Enum):
    """When to step the node again."""

    ACTED = "acted"  # at once
    WAITING = "waiting"  # when the ledger has moved on
    WORKING = "working"  # when its worker has finished (``ThreadWorker.wake``), or the ledger has moved on
    RETRY = "retry"  # after a pause: it waits for what no event announces, a peer's blob or the store
    FINISHED = "finished"  # never
