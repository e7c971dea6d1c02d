"""Hosts that are not waited for once a federation is done: whose machine is lost, and who came back when all had left.

Ray starts a lost host again as soon as another machine has room for it, which is when the others have left. It finds
the final model nowhere then, unless it lies on a disk that both machines have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rayfed.protocol.messages import NodeStatus

LACKS_SECONDS = 60.0
"""How long a host that came back when all others had left may look for the final model."""

OVER = ("finished", "failed")

HOLDS = ("finishing", "training alone", *OVER)
"""What a node does that has the final model."""

LOST = "its machine is lost"
LATE = "its host was away, and came back when nobody had the final model any more"


class LostHosts:
    """Tells which hosts to give up, look by look.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._machines: dict[str, str] = {}  # by the host's name
        self._away: set[str] = set()  # who did not answer some time
        self._lacking: dict[str, float] = {}  # since when
        self._answered: set[str] = set()

    def look(self, listed: Collection[str], answered: Mapping[str, str]) -> None:
        """Take note of a look.

        Args:
            listed: names of the hosts that Ray knows of, also of those that it is about to start again.
            answered: the machine of each host that has answered.
        """
        self._machines.update(answered)
        self._away |= set(listed) - answered.keys()
        self._answered = set(answered)

    def hopeless(
        self, carried: Mapping[str, Sequence[NodeStatus]], machines: Callable[[], Collection[str]]
    ) -> dict[str, str]:
        """Return whom to give up by the last look, and why, in a federation that is done.

        Args:
            carried: what the nodes of each host that is there, or ought to be, have said last.
            machines: says which machines there are.
        """
        busy = {name for name, said in carried.items() if any(one.doing not in OVER for one in said)}
        silent = busy - self._answered
        given_up = {}
        if silent and busy == silent:  # those that answer are over
            there = machines()
            given_up = {name: LOST for name in silent if self._machines.get(name, "") not in ("", *there)}
        lack = {name for name in busy & self._answered if any(one.doing not in HOLDS for one in carried[name])}
        late = lack & self._away if set(carried) <= self._away else set()  # the others have left
        self._lacking = {name: self._lacking.get(name, self._clock()) for name in late}
        ended = {name for name, since in self._lacking.items() if self._clock() - since > LACKS_SECONDS}
        return {**dict.fromkeys(ended, LATE), **given_up}
