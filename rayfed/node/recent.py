"""A set that remembers the newest of what was put into it: a node runs for months, and its past does not matter."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Recent(Generic[T]):
    """The last ``limit`` things that were added.

    Args:
        limit: how many are remembered; to forget one is never wrong, it costs what it saved.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[T, None] = OrderedDict()

    def add(self, one: T) -> None:
        """Remember something, as the newest."""
        self._held[one] = None
        self._held.move_to_end(one)
        while len(self._held) > self.limit:
            self._held.popitem(last=False)

    def __contains__(self, one: T) -> bool:
        return one in self._held

    def __len__(self) -> int:
        return len(self._held)
