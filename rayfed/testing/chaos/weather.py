"""What goes wrong just now, for one node."""

from __future__ import annotations

from random import Random

from rayfed.ledger.memory.chain import ManualClock
from rayfed.testing.chaos.scenarios import Scenario


class Weather:
    """What goes wrong just now, for one node; drawn by the world, read by its doors.

    Attributes:
        calm: nothing does.
        ledger_until, store_until, disk_until: until when nothing answers there, in seconds since the epoch.
        skew: how far the node's idea of the chain's time is off.
    """

    def __init__(self, scenario: Scenario, random: Random, clock: ManualClock) -> None:
        self.scenario = scenario
        self.random = random
        self.clock = clock
        self.calm = False
        self.ledger_until = self.store_until = self.disk_until = 0
        self.skew = random.randint(-scenario.skew, scenario.skew)

    def happens(self, rate: float) -> bool:
        """Draw whether something happens now."""
        return not self.calm and rate > 0 and self.random.random() < rate

    def draw(self) -> None:
        """Let an outage begin, or none."""
        if self.happens(self.scenario.unreachable):
            self.ledger_until = self._later()
        if self.happens(self.scenario.store_down):
            self.store_until = self._later()
        if self.happens(self.scenario.disk_full):
            self.disk_until = self._later()

    def clear(self) -> None:
        """Let all be well from now on."""
        self.calm = True
        self.ledger_until = self.store_until = self.disk_until = self.skew = 0

    def disk_full(self) -> bool:
        """Whether there is no room on the node's disk."""
        return self.clock.now < self.disk_until

    def _later(self) -> int:
        return self.clock.now + self.random.randint(1, self.scenario.outage_seconds)
