"""Waits for the chain, for all lives of a host."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from rayfed.errors import LedgerError
from rayfed.protocol.messages import Phase, View
from rayfed.runtime.host.failure import STARVED, starved
from rayfed.runtime.host.life import OUTAGE_SECONDS

log = logging.getLogger(__name__)

IDLE_SECONDS = 10.0
"""How long to wait at most for the chain to move on."""


class Moving(Protocol):
    """What can be looked at, and waited for."""

    def view(self) -> View:
        """Return the federation as of now."""

    def wait(self, seen: View, timeout: float) -> None:
        """Block until the phase, or whether a step is due, differs from ``seen``, the phase's deadline has passed, or
        ``timeout`` seconds are over."""


class Listener:
    """Wakes lives whenever the federation moves on, in a thread of its own: none of them waits where another would have
    to wait for it."""

    def __init__(self, federation: Moving, wakes: Sequence[Callable[[], None]]) -> None:
        self._federation = federation
        self._wakes = wakes
        self._place: tuple[int, Phase, bool] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rayfed-listener", daemon=True)

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def stop(self) -> None:
        """End at the next move of the chain."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except LedgerError:
                self._stopped.wait(OUTAGE_SECONDS)  # the lives find out by themselves, and say so
            except Exception as error:
                log.exception("waiting for the chain failed")
                if starved(error):
                    os._exit(STARVED)
                self._stopped.wait(OUTAGE_SECONDS)
            self._wake()

    def _listen(self) -> None:
        """Wait for the next move; one made between the last wake and this look counts."""
        view = self._federation.view()
        place = view.round, view.phase, view.due
        if place != self._place:
            self._place = place
            self._wake()
        self._federation.wait(view, IDLE_SECONDS)

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()
