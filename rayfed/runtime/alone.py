"""One run a folder, and one node a key: whoever works with what is in a folder holds it, until its process ends."""

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


BUSY = "another run is at work in {}; wait for its end, or choose another folder"


@contextmanager
def alone_in(folder: Path, setting: str = "hydra.run.dir", busy: str = BUSY) -> Iterator[None]:
    """Hold a folder while a run works in it. The lock is on the folder itself and leaves nothing behind, however the
    process ends.

    Args:
        setting: what led to the folder.
        busy: what to say, with the folder put into it, where somebody else holds it.

    Raises:
        ConfigError: naming the setting: somebody else holds it, or there is no such folder.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(setting, f"cannot open the folder {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(setting, busy.format(folder)) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            log.warning("%s cannot be locked (%s): start nothing else that works in it", folder, error.strerror)
        yield
    finally:
        os.close(handle)
