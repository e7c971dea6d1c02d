"""Decodes listed images, many at a time, straight into a memory-mapped array."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning.listing import Listing
from rayfed.learning.pixels import read

BLOCK = 256
"""Images that a thread decodes at a time."""

A_PROCESS = 2048
"""Images that are worth a process: starting one takes as long as decoding some hundred small ones."""

BROKEN = 3
"""What a decoding process returns when an image is broken; it says which on its standard output."""


def fingerprint(*parts: object) -> str:
    """Return 32 hex digits that stand for these values (their ``repr``)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()[:32]


def decode(listing: Listing, size: tuple[int, int], target: Path, bits: int | None = None) -> None:
    """Decode all images into ``target``, a .npy of shape (n, 3, height, width), uint8.

    Args:
        listing: what to decode, in this order.
        size: (height, width) that images of another size are resized to.
        target: file to write; grows on disk, not in memory.
        bits: as in ``pixels.read``.

    Raises:
        DataError: names ``data.root`` and the first image that is broken.
    """
    shape = (len(listing.paths), 3, *size)
    array: NDArray[np.uint8] = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = min(cores, shape[0] // A_PROCESS)
    if processes > 1:
        del array  # the file is there
        _decode_beside(listing, size, target, processes, bits)
        return

    def block(start: int) -> None:
        for i in range(start, min(start + BLOCK, shape[0])):
            array[i] = read(listing.root / listing.paths[i], size, bits)

    workers = ThreadPoolExecutor(cores)
    try:
        for _ in workers.map(block, range(0, shape[0], BLOCK)):
            pass
    finally:
        workers.shutdown(cancel_futures=True)
    array.flush()  # type: ignore[attr-defined]  # a memmap has it


def _decode_beside(listing: Listing, size: tuple[int, int], target: Path, processes: int, bits: int | None) -> None:
    """Decode by processes: opening a small image is Python's work, which threads of one process do in turn.

    They are programs of their own, not forks of this process, whose threads and GPU a fork would break.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    arguments = [str(target), str(listing.root), *map(str, size), str(bits or 0)]
    command = [sys.executable, "-m", "rayfed.learning.decoding", *arguments]
    bounds = [len(listing.paths) * k // processes for k in range(processes + 1)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for start in bounds[:-1]:
            running.append(
                subprocess.Popen([*command, str(start)], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment)
            )
        for process, (start, stop) in zip(running, pairwise(bounds), strict=True):
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # it ended early; what it returned says why
                    process.stdin.write(os.fsencode("\0".join(listing.paths[start:stop])))
                    process.stdin.close()
                process.stdin = None
        for process in running:
            said, complaint = process.communicate()
            if process.returncode == BROKEN:
                raise DataError("data.root", said.decode())
            if process.returncode:
                raise OSError(f"a process that decodes images ended with {process.returncode}: {_last(complaint)}")
    finally:
        for process in running:
            process.kill()
            process.wait()


def fill(
    target: Path, root: Path, size: tuple[int, int], start: int, paths: Sequence[str], bits: int | None = None
) -> None:
    """Decode images into their places in a .npy that is there: ``paths`` are those from ``start`` on.

    Raises:
        DataError: names the first that is broken.
    """
    array: NDArray[np.uint8] = np.lib.format.open_memmap(target, mode="r+")
    for i, path in enumerate(paths, start):
        array[i] = read(root / path, size, bits)
    array.flush()  # type: ignore[attr-defined]  # a memmap has it


def _last(complaint: bytes) -> str:
    return next(iter(complaint.decode(errors="replace").strip().splitlines()[-1:]), "it said nothing")


def index_of(names: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    """Return each name's position in ``order``."""
    position = {name: i for i, name in enumerate(order)}
    return np.array([position[name] for name in names], dtype=np.int64)
