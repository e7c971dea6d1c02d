"""What the nodes of one process share: results of pure functions over content-addressed bytes.

A verified blob, the norm of an update and the merge of a set of updates depend on nothing but roots, so two nodes
that live in one process need not compute them twice. Nodes in different processes share nothing: each checks for
itself. (A process is one trust domain; whoever runs it could lie to all of its nodes anyway.)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class Memo:
    """A least-recently-used cache bounded in bytes. Safe to use from several threads."""

    def __init__(self, limit: int = 4 << 30) -> None:
        """Keep at most about ``limit`` bytes."""
        self._limit = limit
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def keep(self, key: Hashable, value: T, size: int = 64) -> T:
        """Keep what was made elsewhere, and return it, or what is kept under ``key`` already."""
        return self.get(key, lambda: value, lambda _: size)

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int] = lambda _: 64) -> T:
        """Return what is kept under ``key``, or make and keep it. What ``make`` raises is not kept."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]  # type: ignore[no-any-return]
        value = make()
        with self._lock:
            if key not in self._held:
                self._held[key] = (value, size(value))
                self._bytes += self._held[key][1]
            while self._bytes > self._limit and len(self._held) > 1:
                _, (_, freed) = self._held.popitem(last=False)
                self._bytes -= freed
        return value
