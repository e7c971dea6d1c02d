"""What takes long to import is imported before it is needed, by a thread that lets training go first."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module

log = logging.getLogger(__name__)

NICE = 5
"""How much such a thread gives way: it gets a third of what a thread that trains gets of the same processor."""


class Ahead:
    """Something that is done before it is needed.

    Whoever needs it waits: of two threads that import packages with circles among them one may find half of one.

    Args:
        work: what is done, at once and in a thread of its own. If it fails, so will the one that needs it, and say why.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run, name="rayfed-ahead", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return once it is done, or has failed."""
        self._thread.join()

    def _run(self) -> None:
        if sys.platform.startswith("linux"):  # elsewhere it would be the whole process that gives way
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, own + NICE))
        try:
            self._work()
        except Exception:
            log.warning("what was to be done ahead failed", exc_info=True)


def import_mlflow() -> None:
    """Import what tells MLflow of a run."""
    import_module("rayfed.reporting.mlflow.runs")


def import_tracing() -> None:
    """Import what figures and a final model are logged with. Of the four seconds that a first model takes, three are
    torch's own imports when it traces."""
    for name in ("matplotlib.pyplot", "mlflow.pytorch"):
        import_module(name)
    import torch

    torch.export.export(torch.nn.Identity(), (torch.zeros(1),))
