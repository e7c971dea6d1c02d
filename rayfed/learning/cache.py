"""Decoded images on disk, made once, then memory-mapped, so that all processes of a machine share the same pages."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rayfed.errors import DataError


def default_folder() -> Path:
    """Return ``$XDG_CACHE_HOME/rayfed``, or ``~/.cache/rayfed``.

    Raises:
        DataError: names ``data.cache_dir`` if this user has no home.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rayfed"
    except RuntimeError as error:
        raise DataError("data.cache_dir", "is missing, and this user has no home folder to put a cache in") from error


def cached(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """Return ``folder/key``, a folder that ``make`` has filled, now or in an earlier process.

    ``make`` fills a temporary folder that is renamed when it is whole, so nobody ever sees a half. Of several
    processes that come at once, one works and the others wait for it.

    Raises:
        DataError: names ``data.cache_dir`` if nothing can be written there.
    """
    place = folder / key
    if place.is_dir():
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{key}.lock"):
            for stale in folder.glob(f"{key}.tmp-*"):  # left by a process that was killed while it held the lock
                shutil.rmtree(stale, ignore_errors=True)
            if not place.is_dir():
                work = Path(tempfile.mkdtemp(prefix=f"{key}.tmp-", dir=folder))
                try:
                    make(work)
                    work.rename(place)
                finally:
                    shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise DataError("data.cache_dir", f"decoded images cannot be kept in {folder}: {error}") from error
    return place


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel lets go of it when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
