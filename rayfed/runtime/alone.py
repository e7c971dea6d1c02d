"""One run a folder: whoever works in a run's output folder holds it, until its process ends."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rayfed.errors import ConfigError

log = logging.getLogger(__name__)

NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP)
"""What file systems say that have no locks, or none on folders (NFS)."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder while a run works in it. The lock is on the folder itself and leaves nothing behind, however the
    process ends.

    Raises:
        ConfigError: naming ``hydra.run.dir``: another run is at work there, or there is no such folder.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError("hydra.run.dir", f"cannot open the folder {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "hydra.run.dir", f"another run is at work in {folder}; wait for its end, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            log.warning("%s cannot be locked (%s): start no second run in it", folder, error.strerror)
        yield
    finally:
        os.close(handle)
