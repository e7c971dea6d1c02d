"""Finds images in folders, and passes over what systems and tools leave beside them."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rayfed.errors import DataError
from rayfed.learning.pixels import shown

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})

UNREAD = frozenset(
    {".heic", ".heif", ".avif", ".jp2", ".j2k", ".jxl", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".psd"}
)
"""Images all the same: beside others that are read they would be missing in silence."""

LEFTOVERS = frozenset(
    {
        "__macosx",  # unzip, of an archive made on a Mac
        "@eadir",  # Synology: thumbnails, each in a folder that is named like its image
        "@tmp",
        "#recycle",
        "#snapshot",
        "@recycle",  # QNAP
        "@recently-snapshot",
        "$recycle.bin",  # Windows
        "system volume information",
        "lost+found",  # ext4
        "network trash folder",  # macOS, on a server
        "temporary items",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "__pycache__",
    }
)
"""Names, in lower case, of what is nobody's class and nobody's image; neither is what begins with a dot."""


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


def list_classes(root: Path, part: str, known: bool = False) -> Listing:
    """List ``root/part/<class>/*``, or ``root/part/<node>/<class>/*`` if the folders in it hold folders.

    Names of classes and nodes are composed (Unicode's NFC), however a file system spells their folders.

    Args:
        root: folder that holds the parts.
        part: train or test.
        known: the classes are known from elsewhere, so that a party may have no image of some of them.

    Raises:
        DataError: names ``data.root`` if there is no such folder, or no image in it, or no image of a class that has a
            folder, or the two layouts are mixed, or something cannot be read.
    """
    top = root / part
    if not top.is_dir():
        raise DataError("data.root", f"there is no folder {shown(top)}; images belong in {part}/<class>/*")
    folders = list_folders(top)
    nested = {folder: list_folders(top / folder) for folder in folders}
    if any(nested.values()) and not all(nested.values()):
        flat = next(folder for folder, inner in nested.items() if not inner)
        deep, (inner, *_) = next((folder, inner) for folder, inner in nested.items() if inner)
        words = f"{shown(flat)} holds no folders, and {shown(deep)} holds {shown(inner)}"
        raise DataError("data.root", f"{shown(top)} mixes <node>/<class>/* with <class>/*: {words}")
    places = (
        [(f"{node}/{label}", label, node) for node, labels in nested.items() for label in labels]
        if any(nested.values())
        else [(label, label, "") for label in folders]
    )
    for name in (*folders, *(inner for inners in nested.values() for inner in inners)):
        if any("\udc80" <= c <= "\udcff" for c in name):  # a byte that Python could not decode
            raise DataError("data.root", f"{shown(top)} has a folder {shown(name)}, a name that is not in UTF-8")
    found = [
        (f"{place}/{name}", composed(label), stamp, composed(node))
        for place, label, node in places
        for name, stamp in list_images(top / place)
    ]
    if not found:
        raise DataError("data.root", f"there is no image in {shown(top)}; they belong in {part}/<class>/*")
    paths, labels, stamps, owners = zip(*found, strict=True)
    if not known:
        for place, label, _ in places:
            if composed(label) not in labels:
                raise DataError("data.root", _nothing_in(top / place, label, part))
    return Listing(top, paths, labels, stamps, owners if any(owners) else ())


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in one folder, in order; what systems leave there is passed over.

    Raises:
        DataError: names ``data.root`` and what cannot be read.
    """
    with reading(folder), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not _is_leftover(entry.name) and _is_folder(entry))


def list_images(folder: Path) -> list[tuple[str, tuple[int, int]]]:
    """Return (name, (bytes, mtime in ns)) of the images in one folder, by name; what is not an image is passed over.

    Raises:
        DataError: names ``data.root`` and what cannot be read, or is called like an image and is no file.
    """
    with reading(folder), os.scandir(folder) as entries:
        mine = [entry for entry in entries if not _is_leftover(entry.name)]
        files = [(entry.name, _state_of(entry)) for entry in mine if _suffix(entry.name) in SUFFIXES]
    if unread := sorted(entry.name for entry in mine if _suffix(entry.name) in UNREAD and files):
        words = f"is of a kind that is not read ({len(unread)} such): save it as JPEG or PNG, or take it away"
        raise DataError("data.root", f"{shown(folder / unread[0])} {words}")
    return sorted((name, (state.st_size, state.st_mtime_ns)) for name, state in files)


def composed(name: str) -> str:
    """Return the one spelling of a name: an accent is a part of its letter (Unicode's NFC)."""
    return unicodedata.normalize("NFC", name)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line that names the path.

    Raises:
        DataError: names ``data.root``.
    """
    try:
        yield
    except OSError as error:
        place = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else path
        raise DataError("data.root", f"{shown(place)} cannot be read: {error.strerror or error}") from error


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFTOVERS


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink() and not os.path.splitext(entry.name)[1]:
        return stat.S_ISDIR(_state_of(entry).st_mode)  # a class behind a link to nothing would be missing in silence
    return entry.is_dir()


def _state_of(entry: os.DirEntry[str]) -> os.stat_result:
    """Return size, time and kind of what an entry is or links to."""
    try:
        state = entry.stat()
    except FileNotFoundError as error:
        if not entry.is_symlink():
            raise
        words = f"{shown(entry.path)} is a link to {shown(os.readlink(entry.path))}, which is not there"
        raise DataError("data.root", words) from error
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        raise DataError("data.root", f"{shown(entry.path)} is neither a file nor a folder")
    if stat.S_ISDIR(state.st_mode) and os.path.splitext(entry.name)[1].lower() in SUFFIXES:
        raise DataError("data.root", f"{shown(entry.path)} is a folder, and is called like an image")
    return state


def _nothing_in(folder: Path, label: str, part: str) -> str:
    """Say that a class has no image, and what its folder holds in their place."""
    with reading(folder), os.scandir(folder) as entries:
        others = Counter(_suffix(entry.name) for entry in entries if not _is_leftover(entry.name))
    suffix, count = next(iter(others.most_common(1)), ("", 0))
    reason = f"its folder holds {count} of {shown(suffix)}, which is not read" if suffix else "its folder is empty"
    if count and not suffix:
        reason = f"its folder holds {count} whose names do not end in .jpg, .png or the like"
    return f"class {shown(label)} has no image in {part}: {reason} ({shown(folder)}); fill it or remove it"
