"""What a node writes down of each round: how long a step took, what was sent, how well the model did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import NodeRecord, Phase, View


class RoundLog:
    """The records of rounds to which something may still be added.

    Args:
        slot, address: the node's.
        hand_out: called with every round's record, once, when it is complete.

    Attributes:
        index: the node's in the federation, or -1; goes into new records.
    """

    def __init__(self, slot: int, address: Address, hand_out: Callable[[NodeRecord], None]) -> None:
        self.index = -1
        self._slot = slot
        self._address = address
        self._hand_out = hand_out
        self._open: dict[int, NodeRecord] = {}

    def of(self, round: int) -> NodeRecord:
        """Return a round's record as it is so far."""
        if round not in self._open:
            self._open[round] = NodeRecord(self._slot, self._address, self.index, round)
        return self._open[round]

    def amend(self, round: int, **changes: Any) -> None:
        """Write something down; the names are ``NodeRecord``'s."""
        self._open[round] = replace(self.of(round), **changes)

    @contextmanager
    def timed(self, round: int, step: str) -> Iterator[None]:
        """Add the seconds that the body takes to a step's; round 0 has no record."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add_seconds(round, step, time.perf_counter() - start)

    def add_seconds(self, round: int, step: str, took: float) -> None:
        """Add to the seconds of a step; round 0 has no record."""
        if round:
            seconds = self.of(round).seconds
            self.amend(round, seconds={**seconds, step: seconds.get(step, 0.0) + took})

    def close(self, view: View, waits: Callable[[int], bool]) -> None:
        """Hand out the records of closed rounds, but for those that still wait for something."""
        for round in sorted(self._open):
            closed = round < view.round or view.phase is Phase.DONE
            if closed and not waits(round):
                self._hand_out(self._open.pop(round))
