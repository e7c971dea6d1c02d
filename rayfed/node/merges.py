"""What a party has merged itself, by what that rests on: its yardstick for every root that others state."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from threading import Lock

from rayfed.encoding.primitives import Root

KEPT = 64
"""Merges that are remembered: those of all rounds that can be unsettled, on more than one branch of the chain."""


class OwnMerges(Mapping[bytes, Root]):
    """Roots of own merges by the ``included`` context. Safe to use from several threads."""

    def __init__(self) -> None:
        self._roots: OrderedDict[bytes, Root] = OrderedDict()
        self._lock = Lock()

    def note(self, context: bytes, root: Root) -> None:
        """Remember that the merge of what a round included has this root."""
        with self._lock:
            self._roots[context] = root
            self._roots.move_to_end(context)
            while len(self._roots) > KEPT:
                self._roots.popitem(last=False)

    def __getitem__(self, context: bytes) -> Root:
        return self._roots[context]

    def __iter__(self) -> Iterator[bytes]:
        with self._lock:
            return iter(list(self._roots))

    def __len__(self) -> int:
        return len(self._roots)
