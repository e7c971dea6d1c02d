"""What was seen of a run while it ran: which phase when, what each node was doing, and the last view of each round.

The starter polls the ledger and its nodes a few times a second for the live display; a ``History`` that is shown the
same answers keeps what the summary and the page need of them. It is as exact as the polling is often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rayfed.protocol.messages import NodeStatus, Phase, View

IDLE = frozenset({"", "waiting", "finished", "failed"})


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted from ``start`` to ``end`` (seconds since the history began).

    ``slot`` is a node's, or None for the federation's phases; ``what`` is a step's or a phase's name.
    """

    slot: int | None
    round: int
    what: str
    start: float
    end: float


@dataclass(slots=True)
class History:
    """Collects spans and views. Not safe to use from several threads.

    Attributes:
        spans: what was seen, in the order in which it began; a node that is idle leaves no span.
        views: the last view seen of each round that had a ballot or a commit to show.
    """

    spans: list[Span] = field(default_factory=list)
    views: dict[int, View] = field(default_factory=dict)
    _began: float | None = None
    _open: dict[int | None, int] = field(default_factory=dict)  # slot -> index into spans

    def observe(self, view: View | None, statuses: Sequence[NodeStatus], now: float) -> None:
        """Take in one poll.

        Args:
            view: the federation, or None while there is none yet.
            statuses: what the nodes say of themselves.
            now: seconds of any clock that does not go back.
        """
        if self._began is None:
            self._began = now
        at = now - self._began
        if view is not None:
            if view.round > 0 and view.committed:
                self.views[view.round] = view
            self._see(None, view.round, "" if view.phase is Phase.DONE else view.phase.name.lower(), at)
        for status in statuses:
            self._see(status.slot, status.round, "" if status.doing in IDLE else status.doing, at)

    def _see(self, slot: int | None, round: int, what: str, at: float) -> None:
        place = self._open.get(slot)
        if place is not None:
            span = replace(self.spans[place], end=at)
            self.spans[place] = span
            if (span.round, span.what) == (round, what):
                return
            del self._open[slot]
        if what:
            self._open[slot] = len(self.spans)
            self.spans.append(Span(slot, round, what, at, at))
