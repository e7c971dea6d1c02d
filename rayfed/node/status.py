"""What a node says of itself, for whoever looks on."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import Lock
from typing import Any

from rayfed.protocol.messages import NodeStatus

log = logging.getLogger(__name__)

FAILED = "failed"
"""What a node is doing that has failed for good."""


class StatusBoard:
    """A node's status, changed and read from any thread."""

    def __init__(self, status: NodeStatus) -> None:
        self._status = status
        self._lock = Lock()
        self._told = ""
        self._noted = ""

    @property
    def now(self) -> NodeStatus:
        """The status as it is."""
        return self._status

    def show(self, **changes: Any) -> None:
        """Change some of it; the names are ``NodeStatus``'s. Why a node failed stays: nothing said later hides it."""
        with self._lock:
            if self._status.doing == FAILED:
                changes = {name: value for name, value in changes.items() if name not in ("doing", "error")}
            before, self._status = self._status, replace(self._status, **changes)
        now = self._status
        if (now.doing, now.round) != (before.doing, before.round):
            log.info("node %s, round %d: %s", now.address, now.round, now.doing)

    def count(self, gas: int) -> None:
        """Add a transaction."""
        with self._lock:
            now = self._status
            self._status = replace(now, gas=now.gas + gas, transactions=now.transactions + 1)

    def note(self, line: str) -> None:
        """Have a line shown beside the node, until there is another one."""
        self._noted = line
        self.show(error=line)

    def trouble(self, line: str) -> None:
        """Have a line shown beside the node until what it tells of is over (``recovered``)."""
        self.show(error=line)

    def recovered(self) -> None:
        """Take away what troubles told of: an error that is over is not a node's last word."""
        if self._status.error not in (self._noted, self._told):
            self.show(error=self._told or self._noted)

    def hear(self, line: str) -> None:
        """Take a trouble's line, or "" once it is over."""
        if line:
            self.trouble(line)
        else:
            self.recovered()

    def tell(self, reason: str) -> None:
        """Tell the node's owner what keeps it from going on, once as long as that stays so; empty: nothing does."""
        if reason and reason != self._told:
            log.warning("node %s: %s", self._status.address, reason)
            self.trouble(reason)
        over, self._told = self._told and not reason, reason
        if over:
            self.recovered()
