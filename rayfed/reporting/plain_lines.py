"""A running federation where the output goes to a file, a pipe or a log: one line for each thing that happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import NodeStatus, Phase, View
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.pace import Pace
from rayfed.reporting.words import awaited_names, closing, duration, node_name, opening, short

LATEST = 3
"""Rounds that may close before a round's accuracy is told without the nodes that have not measured it."""


class PlainLines:
    """Turns what is seen again and again into one line for each thing that happened.

    Attributes:
        metric: by which the model is measured; what is called accuracy here.
        pace: how long it will still take.
    """

    def __init__(self, rounds: int, line: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing told.

        Args:
            rounds: how many final ones there are to be.
            line: told each thing that happened.
            clock: seconds, of a clock that does not go back.
        """
        self._rounds = rounds
        self._line = line
        self._clock = clock
        self.metric: Metric = ACCURACY
        self.pace = Pace(rounds)
        self._phase: tuple[int, Phase] | None = None
        self._half = 0  # when half of the phase's time is over, in chain time; 0: that has been told of
        self._joined = 0
        self._closed = 0
        self._scores: dict[int, dict[Address | int, float]] = {}  # by node, of rounds whose accuracy is yet to be told
        self._told = 0  # the newest round whose accuracy has been told, or never will be
        self._ended: set[int] = set()
        self._errors: dict[int, str] = {}

    def update(self, view: View | None, statuses: Sequence[NodeStatus]) -> None:
        """Tell what has happened since the last time."""
        if view is not None:
            self._ledger(view, statuses)
        for status in statuses:
            who = f"node {status.slot} ({short(status.address)})"
            if status.error and self._errors.get(status.slot) != status.error:
                self._line(f"{who}: {status.error}")
            self._errors[status.slot] = status.error
            if status.doing in ("finished", "failed") and status.slot not in self._ended:
                self._ended.add(status.slot)
                shown, name = self.metric.shown, self.metric.words
                alone = "" if status.alone_accuracy is None else f"; alone {shown(status.alone_accuracy)}"
                self._line(f"{who} {status.doing}: {name} {shown(status.accuracy) or 'not measured'}{alone}")
        self._accuracy(statuses)

    def _ledger(self, view: View, statuses: Sequence[NodeStatus]) -> None:
        self.pace.observe(view, self._clock())
        joined = view.active.bit_count()
        if view.phase is Phase.FORMING and joined != self._joined:
            self._line(f"{joined} joined")
        self._joined = joined
        previous = view.previous
        if previous is not None and previous.round > self._closed:
            left = None if view.finals >= self._rounds else self.pace.left(self._clock())
            self._line(closing(previous) + ("" if left is None else f"; about {duration(left)} left"))
            self._closed = previous.round
        if (view.round, view.phase) != self._phase and view.phase is not Phase.FORMING:
            self._phase = view.round, view.phase
            self._half = (view.time + view.deadline) // 2 if view.deadline else 0
            self._line(opening(view, self._rounds))
        if self._half and view.time >= self._half:
            self._half = 0
            if names := awaited_names(view, {status.address: node_name(status) for status in statuses}):
                self._line(f"round {view.round}: {view.phase.name.lower()} waits for {names}")

    def _accuracy(self, statuses: Sequence[NodeStatus]) -> None:
        """Tell the accuracy of each round, in order, once all nodes have measured it or have gone on to later ones, or
        at the latest when so many more rounds have closed.

        A node measures when it has nothing better to do, so a round's figure may come after the next one has closed.
        """
        for status in statuses:
            if status.accuracy is not None and status.scored > self._told:
                self._scores.setdefault(status.scored, {})[status.address or status.slot] = status.accuracy
        over = all(status.doing in ("finished", "failed") for status in statuses)
        at_work = [status.scored for status in statuses if status.doing != "failed"]
        done = max(self._scores, default=0) if over else max(min(at_work, default=0), self._closed - LATEST)
        for round in sorted(round for round in self._scores if round <= done):
            told = self.metric.pooled((value, 1) for value in self._scores.pop(round).values())
            self._line(f"round {round}: {self.metric.words} {self.metric.shown(told)}")
            self._told = round
