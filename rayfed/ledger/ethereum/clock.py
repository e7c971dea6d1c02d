"""What time it is on the chain, between its blocks."""

from __future__ import annotations

import threading
import time

DRIFT = 1e-4
"""How much slower than this machine's clock a chain's may run, in seconds a second; quartz is ten times better."""


class ChainClock:
    """Carries the time of the blocks seen on by this machine's steady clock.

    A chain's own idea of the time is as old as its last block, and a chain on which nothing is mined (Anvil) seems to
    stand still. This machine's idea of the date is never asked: it may be wrong.

    Blocks are seen late, never early, so of all blocks the one that puts the clock furthest ahead is believed; what
    it said fades by ``DRIFT``, or a machine whose clock runs fast would believe it for ever. Safe to use from several
    threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark = (float("-inf"), 0.0)  # chain time, and this machine's clock when it was at least that

    def saw(self, timestamp: float) -> None:
        """Take note that the chain has been at ``timestamp``, in seconds since the epoch."""
        with self._lock:
            if timestamp > self.now():
                self._mark = timestamp, time.monotonic()

    @property
    def is_set(self) -> bool:
        """Whether the time of any block has been seen."""
        return self._mark[0] != float("-inf")

    def now(self) -> float:
        """Return chain time in seconds since the epoch, fractions included; minus infinity before any ``saw``."""
        then, noted = self._mark
        return then + (time.monotonic() - noted) * (1 - DRIFT)

    def until(self, timestamp: float) -> float:
        """Return for how many seconds of this machine to wait so that ``now`` is then past ``timestamp``."""
        return (timestamp - self.now()) / (1 - DRIFT) + 0.001
