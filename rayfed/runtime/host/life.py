"""A host's lives: loops in threads of their own that never wait for each other."""

from __future__ import annotations

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from rayfed.errors import LedgerUnreachable
from rayfed.protocol.messages import View
from rayfed.runtime.host.failure import STARVED, in_one_line, starved

log = logging.getLogger(__name__)

OUTAGE_SECONDS = 1.0
"""How long a life waits before it asks a chain again that did not answer."""

BEGIN_AGAIN_SECONDS = (2.0, 60.0)
"""First and longest pause before a life that failed begins again."""


class Life(ABC):
    """One loop: look at the federation, do what is due, rest until it is woken.

    A chain that does not answer is waited for. What else goes wrong is told, and the loop begins again after a pause:
    nothing in a life cannot be had again from the ledger and the nodes' disks.

    Args:
        name: of the thread.
        look: returns the federation as it is now.
        tell: told in a line what goes wrong; and nothing, "", once that is over.
    """

    def __init__(self, name: str, look: Callable[[], View], tell: Callable[[str], None]) -> None:
        self._name = name
        self._look = look
        self._tell = tell
        self._pause = BEGIN_AGAIN_SECONDS[0]
        self._is_troubled = False
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rayfed-{name}", daemon=True)

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Let the loop end after what it does now; wait for that for at most so long."""
        self._stopped.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def wake(self) -> None:
        """Have the loop look again at once: there is something to do. Safe to call from any thread."""
        self._woken.set()

    @abstractmethod
    def step(self, view: View) -> float:
        """Do what is due; return after how many seconds to come again if nobody wakes the loop before.

        Raises:
            LedgerUnreachable: nothing answers.
        """

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.clear()  # before it looks: who wakes it while it works has it look again
            self._woken.wait(self._once())

    def _once(self) -> float:
        try:
            rest = self.step(self._look())
        except LedgerUnreachable as error:
            # The chain may come back at any time; until then there is nothing that could be done.
            self._is_troubled = True
            self._tell(str(error))
            self._stopped.wait(OUTAGE_SECONDS)
            return 0.0
        except Exception as error:
            log.exception("%s failed", self._name)
            if starved(error):
                os._exit(STARVED)
            self._is_troubled = True
            self._tell(f"{self._name} failed and begins again: {in_one_line(error)}")
            self._stopped.wait(self._pause)
            self._pause = min(2 * self._pause, BEGIN_AGAIN_SECONDS[1])
            return 0.0
        self._pause = BEGIN_AGAIN_SECONDS[0]
        if self._is_troubled:
            self._is_troubled = False
            self._tell("")
        return rest
