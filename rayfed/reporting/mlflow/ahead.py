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


def ahead(work: Callable[[], None]) -> None:
    """Do something before it is needed, in a thread that gives way, and return once it is done, or has failed.

    The caller waits: of two threads that import packages with circles among them one may find half of one.

    Args:
        work: if it fails, so will whoever needs it, and say why.
    """
    thread = threading.Thread(target=_give_way, args=(work,), name="rayfed-ahead", daemon=True)
    thread.start()
    thread.join()


def _give_way(work: Callable[[], None]) -> None:
    if sys.platform.startswith("linux"):  # elsewhere it would be the whole process that gives way
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, own + NICE))
    try:
        work()
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
