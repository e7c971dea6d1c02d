"""A running federation where the output goes to a file, a pipe or a log: one line for each thing that happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rayfed.protocol.messages import NodeStatus, Phase, Status, View
from rayfed.reporting.words import closing, mean_accuracy, opening, percent, short


class PlainLines:
    """Turns what is seen again and again into one line for each thing that happened."""

    def __init__(self, rounds: int, line: Callable[[str], None]) -> None:
        self._rounds = rounds
        self._line = line
        self._phase: tuple[int, Phase] | None = None
        self._joined = 0
        self._closed = 0
        self._seen: dict[int, float | None] = {}  # accuracy by slot at the last look
        self._before: dict[int, float | None] | None = None  # the same before the last round closed, while it matters
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
                alone = "" if status.alone_accuracy is None else f"; alone {percent(status.alone_accuracy)}"
                self._line(f"{who} {status.doing}: accuracy {percent(status.accuracy) or 'not measured'}{alone}")
        self._scores(statuses, patient=True)
        self._seen = {status.slot: status.accuracy for status in statuses}

    def _ledger(self, view: View, statuses: Sequence[NodeStatus]) -> None:
        joined = view.active.bit_count()
        if view.phase is Phase.FORMING and joined != self._joined:
            self._line(f"{joined} joined")
        self._joined = joined
        previous = view.previous
        if previous is not None and previous.round > self._closed:
            self._scores(statuses, patient=False)
            self._line(closing(previous, self._rounds, view.members))
            self._closed = previous.round
            if previous.status is Status.FINAL:
                self._before = self._seen
        if (view.round, view.phase) != self._phase and view.phase is not Phase.FORMING:
            self._phase = view.round, view.phase
            self._line(opening(view, self._rounds))

    def _scores(self, statuses: Sequence[NodeStatus], patient: bool) -> None:
        """Tell the accuracy of the round closed last, once all nodes have measured it, or at the latest now."""
        if self._before is None:
            return
        new = [s for s in statuses if s.accuracy is not None and s.accuracy != self._before.get(s.slot)]
        over = all(status.doing in ("finished", "failed") for status in statuses)
        if len(new) == len(statuses) or over or not patient:
            self._before = None
            if new:
                self._line(f"round {self._closed}/{self._rounds}: accuracy {percent(mean_accuracy(statuses))}")
