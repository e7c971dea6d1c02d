"""What the nodes of one process share: results of pure functions over content-addressed bytes.

A verified blob, the norm of an update and the merge of a set of updates depend on nothing but roots, so two nodes
that live in one process need not compute them twice. Nodes in different processes share nothing: each checks for
itself. (A process is one trust domain; whoever runs it could lie to all of its nodes anyway.)
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, TypeVar

T = TypeVar("T")

AT_ONCE = 256
"""Things that are made beside their askers at a time: more than a third of the largest roster, or those who drip their
bytes would keep away everybody else's."""

ABANDONED_SECONDS = 600.0
"""What has not come for so long is asked for anew, perhaps elsewhere."""


@dataclass(eq=False)
class _Making:
    """What is made in a thread of its own, which writes ``made`` or ``error`` before it sets ``over``."""

    began: float
    over: Event = field(default_factory=Event)
    made: Any = None
    error: BaseException | None = None


class Memo:
    """A least-recently-used cache bounded in bytes. Safe to use from several threads.

    Args:
        limit: about how many bytes are kept at most.
        has_neighbours: whether several nodes use it: what one alone asks for once need not be kept.
    """

    def __init__(self, limit: int = 4 << 30, has_neighbours: bool = True) -> None:
        self.has_neighbours = has_neighbours
        self._limit = limit
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._makings: dict[Hashable, _Making] = {}
        self._lock = Lock()

    def keep(self, key: Hashable, value: T, size: int = 64) -> T:
        """Keep what was made elsewhere, and return it, or what is kept under ``key`` already."""
        return self.get(key, lambda: value, lambda _: size)

    def at_hand(self, key: Hashable) -> Any | None:
        """Return what is kept under ``key``, or None."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

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

    def within(
        self, seconds: float | None, key: Hashable, make: Callable[[], T], size: Callable[[T], int] = lambda _: 64
    ) -> T | None:
        """Do the same, but wait no longer than ``seconds`` for ``make`` (None: until it is done): it goes on in a
        thread of its own, and whoever asks again has what came of it.

        Returns:
            None while it is not there; what ``make`` raised is raised by who asks next.
        """
        if seconds is None:
            return self.get(key, make, size)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key][0]  # type: ignore[no-any-return]
            making = self._begun(key, make, size)
        if making is None or not making.over.wait(seconds):
            return None
        with self._lock:
            if self._makings.get(key) is making:
                del self._makings[key]
        if making.error is not None:
            raise making.error
        return making.made  # type: ignore[no-any-return]

    def _begun(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> _Making | None:
        """Return what is on its way under ``key``, perhaps from now on; None: too much else is."""
        now = time.monotonic()
        making = self._makings.get(key)
        if making is not None and (making.over.is_set() or now < making.began + ABANDONED_SECONDS):
            return making
        if sum(not other.over.is_set() for other in self._makings.values()) >= AT_ONCE:
            return None
        for other in [one for one, made in self._makings.items() if now > made.began + ABANDONED_SECONDS]:
            if self._makings[other].over.is_set():
                del self._makings[other]  # nobody has come back to hear why it failed
        making = self._makings[key] = _Making(now)
        Thread(target=self._make, args=(making, key, make, size), name="rayfed-fetch", daemon=True).start()
        return making

    def _make(self, making: _Making, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> None:
        try:
            making.made = self.get(key, make, size)
        except BaseException as error:  # told to who asks next, in its thread
            making.error = error.with_traceback(None)  # what its frames hold may be large
        else:
            with self._lock:
                if self._makings.get(key) is making:
                    del self._makings[key]  # from now on it is kept like all else
        making.over.set()
