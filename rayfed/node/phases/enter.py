"""Becoming a member."""

from __future__ import annotations

from rayfed.node.kit import Kit
from rayfed.node.phases.ready import Ready
from rayfed.protocol.commands import Join
from rayfed.protocol.messages import View
from rayfed.protocol.policy import Enter


class EnterHandler:
    """Joins, by the charter that the node agrees to."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: Enter, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        return Ready(True, command=Join(self.kit.membership.charter.hash))
