"""What a final round has merged, as far as it is to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rayfed.encoding.primitives import Root
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower.closed import Closed
from rayfed.protocol.messages import View


@dataclass(frozen=True, slots=True)
class Missing:
    """A blob that nobody gives: of which round, which one (``Proof.which``), and its root."""

    round: int
    which: int
    root: Root


@dataclass(frozen=True, slots=True)
class Inputs:
    """The included updates by root; None while not all can be had, and then what ``missing`` can be demanded."""

    updates: Mapping[Root, memoryview] | None
    missing: Missing | None = None


class InputFinder:
    """Finds inputs.

    Args:
        tools: the watchtower's own.
        keep: whether to keep others' updates on the own disk while they can be asked for. Where all nodes are one
            party's, nothing is gained by it.
        reveal: called with the updates that a final round has merged: whoever holds one gives it to all who ask.
    """

    def __init__(self, tools: BlobTools, keep: bool, reveal: Callable[[Iterable[Root]], None]) -> None:
        self._tools = tools
        self._keep = keep
        self._reveal = reveal

    def find(self, closed: Closed, view: View) -> Inputs:
        """Return the inputs of a round.

        They are lacking, too, while a base that the rule asks for is not to be had: that is for its own round to
        demand.

        Raises:
            StoreError: the disk is full.
        """
        if self._tools.merger.lacks(closed.base, view.members):
            return Inputs(None)
        self._reveal(closed.included)  # before it asks others: they may wait for each other
        updates: dict[Root, memoryview] = {}
        for which, root in enumerate(closed.included):
            blob = self._tools.blobs.find(root, view.members).blob
            if blob is None:
                return Inputs(None, Missing(closed.round, which, root))
            updates[root] = blob
        if self._keep:
            self._tools.disk.hold(closed.round, updates)
            self._reveal(updates)  # now those of others lie here too
        return Inputs(updates)
