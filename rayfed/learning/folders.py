"""Finds images in folders and decodes them, many at a time, straight into a memory-mapped array."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})


BLOCK = 256
"""Images that a thread decodes at a time."""

A_PROCESS = 2048
"""Images that are worth a process: starting one takes as long as decoding some hundred small ones."""

BROKEN = 3
"""What a decoding process returns when an image is broken; it says which on its standard output."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Images of one part (train or test), in the order of their paths.

    Attributes:
        root: folder that ``paths`` are relative to.
        paths: one an image.
        labels: class name of each.
        stamps: size in bytes and modification time in ns of each.
        owners: name of the node folder of each; empty if there are none.
    """

    root: Path
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...]
    owners: tuple[str, ...] = ()


def list_classes(root: Path, part: str) -> Listing:
    """List ``root/part/<class>/*``, or ``root/part/<node>/<class>/*`` if the folders in it hold folders.

    Raises:
        DataError: names ``data.root`` if there is no such folder, or no image in it, or the two layouts are mixed.
    """
    top = root / part
    if not top.is_dir():
        raise DataError("data.root", f"there is no folder {top}; images belong in {part}/<class>/*")
    folders = _folders(top)
    nested = {folder: _folders(top / folder) for folder in folders}
    if any(nested.values()) and not all(nested.values()):
        flat = next(folder for folder, inner in nested.items() if not inner)
        raise DataError("data.root", f"{top} mixes <node>/<class>/* with <class>/*: {flat} holds no folders")
    places = (
        [(f"{node}/{label}", label, node) for node, labels in nested.items() for label in labels]
        if any(nested.values())
        else [(label, label, "") for label in folders]
    )
    found = [
        (f"{place}/{name}", label, stamp, node)
        for place, label, node in places
        for name, stamp in list_images(top / place)
    ]
    if not found:
        raise DataError("data.root", f"there is no image in {top}; they belong in {part}/<class>/*")
    paths, labels, stamps, owners = zip(*found, strict=True)
    return Listing(top, paths, labels, stamps, owners if any(owners) else ())


def list_images(folder: Path) -> list[tuple[str, tuple[int, int]]]:
    """Return (name, (bytes, mtime in ns)) of the images in one folder, by name; what is not an image is passed over."""
    with os.scandir(folder) as entries:
        files = [
            (entry.name, entry.stat())
            for entry in entries
            if os.path.splitext(entry.name)[1].lower() in SUFFIXES and not entry.name.startswith(".")
        ]
    return sorted((name, (stat.st_size, stat.st_mtime_ns)) for name, stat in files)


def fingerprint(*parts: object) -> str:
    """Return 32 hex digits that stand for these values (their ``repr``)."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()[:32]


def size_of(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image as it will be seen."""
    with _opened(path) as image:
        return image.height, image.width


def decode(listing: Listing, size: tuple[int, int], target: Path) -> None:
    """Decode all images into ``target``, a .npy of shape (n, 3, height, width), uint8.

    Args:
        listing: what to decode, in this order.
        size: (height, width) that images of another size are resized to.
        target: file to write; grows on disk, not in memory.

    Raises:
        DataError: names ``data.root`` and the first image that is broken.
    """
    shape = (len(listing.paths), 3, *size)
    array: NDArray[np.uint8] = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = min(cores, shape[0] // A_PROCESS)
    if processes > 1:
        del array  # the file is there
        _decode_beside(listing, size, target, processes)
        return

    def block(start: int) -> None:
        for i in range(start, min(start + BLOCK, shape[0])):
            array[i] = _decode(listing.root / listing.paths[i], size)

    workers = ThreadPoolExecutor(cores)
    try:
        for _ in workers.map(block, range(0, shape[0], BLOCK)):
            pass
    finally:
        workers.shutdown(cancel_futures=True)
    array.flush()  # type: ignore[attr-defined]  # a memmap has it


def _decode_beside(listing: Listing, size: tuple[int, int], target: Path, processes: int) -> None:
    """Decode by processes: opening a small image is Python's work, which threads of one process do in turn.

    They are programs of their own, not forks of this process, whose threads and GPU a fork would break.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "rayfed.learning.decoding", str(target), str(listing.root), *map(str, size)]
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


def fill(target: Path, root: Path, size: tuple[int, int], start: int, paths: Sequence[str]) -> None:
    """Decode images into their places in a .npy that is there: ``paths`` are those from ``start`` on.

    Raises:
        DataError: names the first that is broken.
    """
    array: NDArray[np.uint8] = np.lib.format.open_memmap(target, mode="r+")
    for i, path in enumerate(paths, start):
        array[i] = _decode(root / path, size)
    array.flush()  # type: ignore[attr-defined]  # a memmap has it


def _last(complaint: bytes) -> str:
    return next(iter(complaint.decode(errors="replace").strip().splitlines()[-1:]), "it said nothing")


def _decode(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return (3, height, width)."""
    height, width = size
    with _opened(path, size) as image:
        try:
            seen = image if image.mode == "RGB" else image.convert("RGB")
            if seen.size != (width, height):
                from PIL import Image

                seen = seen.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
            return np.asarray(seen).transpose(2, 0, 1)
        except (OSError, ValueError, SyntaxError) as error:
            raise _broken(path, error) from error


def _opened(path: Path, size: tuple[int, int] | None = None) -> Image.Image:
    """Open an image, the right way up if a camera noted which way that is."""
    from PIL import Image, ImageOps

    try:
        image: Image.Image = Image.open(path)
        if size is not None:
            image.draft("RGB", (size[1], size[0]))  # lets the JPEG decoder skip detail that resizing would throw away
        if "exif" in image.info:
            return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _broken(path, error) from error
    return image


def _broken(path: Path, error: BaseException) -> DataError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError("data.root", f"{path} is not a readable image: {reason}")


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def index_of(names: Sequence[str], order: Sequence[str]) -> NDArray[np.int64]:
    """Return each name's position in ``order``."""
    position = {name: i for i, name in enumerate(order)}
    return np.array([position[name] for name in names], dtype=np.int64)
