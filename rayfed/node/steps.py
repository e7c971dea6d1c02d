"""Since when the next step of the federation is due, as far as a node has seen it."""

from __future__ import annotations

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import Phase, View
from rayfed.protocol.policy import turn


class DueStep:
    """Watches one federation."""

    def __init__(self) -> None:
        self._place: tuple[int, Phase] = (0, Phase.FORMING)
        self._since = 0

    def is_at(self, view: View) -> bool:
        """Say whether the federation stands where it stood at the last look (``due_since``)."""
        return self._place == (view.round, view.phase)

    def due_since(self, view: View) -> int:
        """Return when the step was first seen to be due, seconds since the epoch; 0: it is not."""
        if not self.is_at(view):
            self._place, self._since = (view.round, view.phase), 0
        self._since = (self._since or view.time) if view.due else 0
        return self._since

    def is_near(self, view: View, address: Address) -> bool:
        """Say whether to look again soon: a step is due, or will be and this account is the first to take it, and no
        phase changes by that."""
        return view.due or view.phase is Phase.WAITING or (view.phase is not Phase.DONE and turn(view, address) == 0)
