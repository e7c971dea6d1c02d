"""The patience that Ray needs with itself where a machine has other work too.

``python -m rayfed.runtime.ray_start start ...`` is ``ray start ...`` with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray._private import services

from rayfed.config.variables import having

START_SECONDS = 240
"""How long Ray's processes may take to start. Ray itself gives its raylet half a minute, which is a constant in its
``node.py``, and others as much, which variables say."""

LOOK_SECONDS = 0.2

# What any start of Ray's takes, ``ray start`` too.
WAITS = {
    "RAY_gcs_server_port_wait_time_s": str(START_SECONDS),
    "RAY_agent_register_timeout_ms": str(1000 * START_SECONDS),
    "RAY_worker_register_timeout_seconds": str(START_SECONDS),
}


@contextmanager
def patient(seconds: float = START_SECONDS) -> Iterator[None]:
    """Have a ``ray.init`` that starts a Ray here wait for its raylet as long as that lives, up to so many seconds."""
    asked = services.get_node

    def get_node(gcs_address: str, node_id: str) -> Any:
        end = time.monotonic() + seconds
        while True:
            try:
                return asked(gcs_address, node_id)  # type: ignore[no-untyped-call]  # Ray ships no types for it
            except RuntimeError:  # it has not registered yet
                if time.monotonic() > end or not _lives(node_id):
                    raise
            time.sleep(LOOK_SECONDS)

    services.get_node = get_node
    try:
        with having(WAITS):
            yield
    finally:
        services.get_node = asked


def _lives(node_id: str) -> bool:
    """Say whether there is a raylet by this id; no, where no /proc says so."""
    return any(_holds(file, node_id) for file in Path("/proc").glob("[0-9]*/cmdline"))


def _holds(file: Path, node_id: str) -> bool:
    try:
        words = file.read_bytes().split(b"\0")
    except OSError:
        return False  # it has ended since
    return words[0].endswith(b"/raylet") and any(node_id.encode() in word for word in words)


def main() -> None:
    """Do what ``ray`` does with these words, with patience."""
    from ray.scripts import scripts

    with patient():
        scripts.main()  # type: ignore[no-untyped-call]  # Ray ships no types for it


if __name__ == "__main__":
    main()
