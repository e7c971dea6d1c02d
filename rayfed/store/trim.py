"""What a node offers is no more than what its disk has: a set of roots that is looked through now and then."""

from __future__ import annotations

from collections.abc import Collection

from rayfed.encoding.primitives import Root
from rayfed.store.files.disk import FileStore

FEW = 64
"""Roots that are never looked through."""


class Trim:
    """Finds what of the roots that were offered the disk has let go of: a node runs for months, and offers a few each
    round. All are looked at only when they are twice as many as were left the last time.

    Args:
        local: the node's own disk.
    """

    def __init__(self, local: FileStore) -> None:
        self._local = local
        self._due = FEW

    def gone(self, offered: Collection[Root]) -> list[Root]:
        """Return what need not be offered any more; mostly nothing, without a look."""
        if len(offered) < self._due:
            return []
        gone = [root for root in offered if not self._local.has(root)]
        self._due = max(FEW, 2 * (len(offered) - len(gone)))
        return gone
