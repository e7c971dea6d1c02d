"""A Ray of a run's own starts what the run uses, and no more.

By itself Ray starts processes that look after a cluster of many machines and users: a server for its pages and jobs
(also without pages), the autoscaler's monitor, and the one that gathers logs for the driver. Each of them imports half
of Ray, and Ray waits for the first. ``ray start`` has switches for two of them and ``ray.init`` has none, so they are
turned here; a Ray that names them otherwise starts what it always did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rayfed.runtime.ray_start import patient

UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")
"""Methods of Ray's ``Node`` that start those processes."""


@contextmanager
def lean() -> Iterator[None]:
    """Have a Ray that is started meanwhile do without them, and be patient with itself."""
    from ray._private.node import Node

    def nothing(*_: Any, **__: Any) -> None:
        """Start nothing."""

    kept = {name: getattr(Node, name) for name in UNUSED if hasattr(Node, name)}
    for name in kept:
        setattr(Node, name, nothing)
    try:
        with patient():
            yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)
