"""Waits for a chain that does not answer just now, where nothing else could be done without it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from rayfed.errors import LedgerUnreachable

log = logging.getLogger(__name__)

OUTAGE_SECONDS = 60.0
"""How long a process that starts, or that writes down what there was, waits for its chain."""

LOOK_SECONDS = 1.0

T = TypeVar("T")


def patiently(ask: Callable[[], T], seconds: float = OUTAGE_SECONDS) -> T:
    """Return what ``ask`` returns, once the chain answers; what it asks has to be safe to ask again.

    Raises:
        LedgerUnreachable: the chain has not answered for ``seconds``.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except LedgerUnreachable as error:
            if time.monotonic() >= end:
                raise
            log.warning("waiting for the chain: %s", error)
            time.sleep(LOOK_SECONDS)
