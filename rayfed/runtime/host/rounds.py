"""The first life of a host: its nodes' rounds."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerUnreachable
from rayfed.node.due import Due
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.protocol.messages import View
from rayfed.runtime.host.failure import STARVED, in_one_line, starved
from rayfed.runtime.host.life import Life

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.02, 1.0)
"""First and longest pause before asking again for something that no event announces."""

FUNDS_SECONDS = (0.05, 2.0)
"""First and longest pause before looking again whether a node has been given something to pay gas with."""

IDLE_SECONDS = 10.0
"""How long to rest at most."""

IN_FLIGHT_SECONDS = 0.2
"""How long to rest at most while it is not known what became of something that was sent."""

WRITERS = 16
"""Files that are synced to the disk at a time."""

TOGETHER_SECONDS = 0.1
"""For how long what a node has to say may wait for what its neighbours work at."""

T = TypeVar("T")


class RoundsLife(Life):
    """Steps nodes in turn. A node that fails tries again in a later round, and the others go on (``node.faltering``);
    training is its worker's affair.

    Args:
        look: returns the federation as it is now.
        nodes: whose rounds they are.
        has_means: says whether an account can pay for what it sends.
    """

    def __init__(
        self, look: Callable[[], View], nodes: Sequence[EdgeNode], has_means: Callable[[Address], bool]
    ) -> None:
        super().__init__("rounds", look, self._note)
        self._nodes = nodes
        self._has_means = has_means
        self._poor = {node.address for node in nodes}  # as far as is known
        self._failed: set[Address] = set()
        self._retry, self._funds = RETRY_SECONDS[0], FUNDS_SECONDS[0]
        self._over: View | None = None
        self._disks = ThreadPoolExecutor(WRITERS, "rayfed-disk")

    @property
    def over(self) -> View | None:
        """The view by which every node has finished or failed; None while one has not, or has failed and has a seat
        while rounds are unsettled: its watchtower stands up for what it attested. A chain that goes back may change
        that. Safe to read from any thread."""
        return self._over

    def stop(self, seconds: float = 10.0) -> None:
        """See ``Life``."""
        super().stop(seconds)
        self._disks.shutdown(wait=False)

    def step(self, view: View) -> float:
        """Let each node do its next thing; see ``Life``."""
        living = [node for node in self._nodes if node.address not in self._failed]
        ready = [node for node in living if self._has_funds(node)]
        for node in ready:
            self._guarded(node, view, partial(node.serve, view))
        progress = self._stepped(ready, view)
        done = len(ready) == len(living) and progress <= {Progress.FINISHED}
        defends = view.unsettled and any(view.index_of(address) is not None for address in self._failed)
        self._over = view if done and not defends else None
        return min(self._rest(progress, ready), self._wait_for_funds(len(living) - len(ready)))

    def _stepped(self, nodes: Sequence[EdgeNode], view: View) -> set[Progress]:
        """Let nodes do their next thing; one that has failed tries again later, or never."""
        progress, ended, began = set[Progress](), list[tuple[EdgeNode, Due]](), time.monotonic()
        for node in nodes:
            due = self._guarded(node, view, partial(node.work, view))
            if due is None:
                progress.add(self._after_failure(node))
                continue
            ended.append((node, due))
            if time.monotonic() - began > TOGETHER_SECONDS:
                progress |= self._said(ended, view)
                ended, began = [], time.monotonic()
        return progress | self._said(ended, view)

    def _said(self, ended: Sequence[tuple[EdgeNode, Due]], view: View) -> set[Progress]:
        """Let nodes end their steps, once what they have noted is on their disks, which write side by side: it takes
        hardly longer to have many files written than one."""
        journals = {node: node.kit.resources.journal for node, _ in ended}
        noted = {node: journal for node, journal in journals.items() if not journal.is_synced}
        syncs = {node: journal.sync for node, journal in noted.items()}
        if len(noted) > 1:
            syncs = {node: self._disks.submit(sync).result for node, sync in syncs.items()}
        progress = set()
        for node, due in ended:
            end = partial(_end, node, due, view, syncs.get(node))
            progress.add(self._guarded(node, view, end) or self._after_failure(node))
        return progress

    def _after_failure(self, node: EdgeNode) -> Progress:
        return Progress.FINISHED if node.address in self._failed else Progress.RETRY

    def _rest(self, progress: set[Progress], nodes: Sequence[EdgeNode]) -> float:
        first, longest = RETRY_SECONDS
        if Progress.ACTED in progress:
            self._retry = first
            return 0.0
        if Progress.RETRY in progress:
            rest, self._retry = self._retry, min(2 * self._retry, longest)
            return rest
        return IN_FLIGHT_SECONDS if any(node.in_flight or node.ledger.is_sending for node in nodes) else IDLE_SECONDS

    def _has_funds(self, node: EdgeNode) -> bool:
        """Say whether a node can pay for gas; once it could, it is its own affair."""
        if node.address in self._poor and self._has_means(node.address):
            self._poor.discard(node.address)
        if node.address in self._poor:
            node.kit.board.show(doing="waiting for funds")
        return node.address not in self._poor

    def _wait_for_funds(self, poor: int) -> float:
        if not poor:
            return IDLE_SECONDS
        rest, self._funds = self._funds, min(2 * self._funds, FUNDS_SECONDS[1])
        return rest

    def _guarded(self, node: EdgeNode, view: View, work: Callable[[], T]) -> T | None:
        """Let a node work; None if it failed, which is told in its status, and may be so for good."""
        if node.address in self._failed:
            return None
        try:
            return work()
        except LedgerUnreachable:
            raise
        except Exception as error:
            # One node's trouble (a full disk, training that fails) is not its neighbours', who go on.
            log.exception("node %s failed", node.address)
            if starved(error):
                os._exit(STARVED)
            node.kit.resources.worker.stop()
            if node.falters.goes_on(error, view, in_one_line(error)):
                return None
            self._failed.add(node.address)
            node.kit.board.show(doing="failed", error=in_one_line(error))
            return None

    def _note(self, line: str) -> None:
        for node in self._nodes:
            if node.address not in self._failed:
                node.kit.board.hear(line)


def _end(node: EdgeNode, due: Due, view: View, sync: Callable[[], None] | None) -> Progress:
    """End a node's step; what is not on the disk is not said."""
    if sync is not None:
        sync()
    return node.say(due, view)
