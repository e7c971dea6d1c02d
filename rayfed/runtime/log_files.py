"""Log files: of a run in its folder, of each host and of the recorder in the folder of the nodes' disks.

On the command line Hydra opens the run's; here is what scripts, hosts and the recorder do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rayfed.encoding.primitives import Address

RUN = "rayfed.log"
"""The run's log in its folder; Hydra's configuration names it as well."""

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""As in ``conf/hydra/job_logging/quiet.yaml``."""

log = logging.getLogger(__name__)


def of_process(state_dir: Path, federation: Address, name: str) -> Path:
    """Return the log file of a host or of the recorder, beside the folders of the federation's nodes."""
    return state_dir / federation.lower() / f"{name}.log"


def begin(file: Path) -> list[logging.Handler]:
    """Have this process's log written to the end of a file from now on; warnings go to standard error as before.

    Returns:
        the handlers that do so. Where the file cannot be written there is none for it: a full disk is no reason not to
        start, and whatever needs the disk says so itself.
    """
    root = logging.getLogger()
    handlers: list[logging.Handler] = []
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
    except OSError as error:
        log.warning("there is no log file %s: %s", file, error.strerror)
    if not root.handlers:  # what Python does by itself for warnings it does only where there is no handler at all
        handlers.append(logging.StreamHandler())
        handlers[-1].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
        root.addHandler(handler)
    logging.getLogger("rayfed").setLevel(logging.INFO)
    return handlers


@contextmanager
def kept(file: Path) -> Iterator[None]:
    """Have this process's log written to the end of a file for a while; then all is as before."""
    rayfed = logging.getLogger("rayfed")
    level = rayfed.level
    handlers = begin(file)
    try:
        yield
    finally:
        rayfed.setLevel(level)
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
