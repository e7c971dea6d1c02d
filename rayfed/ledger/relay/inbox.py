"""What others lay before a thread that owns all that it works on."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Things from any thread, in the order in which they came, for one thread to take."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: list[T] = []

    def post(self, item: T) -> None:
        """Lay something in."""
        with self._lock:
            self._items.append(item)

    def take(self) -> list[T]:
        """Return all that is in it, and leave it empty."""
        with self._lock:
            items, self._items = self._items, []
            return items

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._items)
