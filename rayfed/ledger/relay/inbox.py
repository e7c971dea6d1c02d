"""What others lay before a thread that owns all that it works on."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Things from any thread, in the order in which they came, for one thread to take."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[T] = []

    def post(self, item: T) -> None:
        """Lay something in; wakes who waits."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def take(self) -> list[T]:
        """Return all that is in it, and leave it empty."""
        with self._changed:
            items, self._items = self._items, []
            return items

    def wait(self, timeout: float) -> bool:
        """Block until there is something in it, at most ``timeout`` seconds; say whether there is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._items), timeout)

    def __bool__(self) -> bool:
        with self._changed:
            return bool(self._items)
