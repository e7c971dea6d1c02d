"""Lists Tiny-ImageNet as it is unpacked: ``train/<wnid>/images/*``, and ``val/val_annotations.txt``."""

from __future__ import annotations

from pathlib import Path

from rayfed.errors import DataError
from rayfed.learning.listing import Listing, composed, list_folders, list_images, reading
from rayfed.learning.pixels import shown


def list_parts(root: Path) -> tuple[Listing, Listing]:
    """List its training part, and its validation part as the test set, since the real one has no labels.

    Raises:
        DataError: names ``data.root`` if the folder is not laid out like that.
    """
    top, val = root / "train", root / "val"
    notes = val / "val_annotations.txt"
    if not top.is_dir() or not notes.is_file():
        raise DataError("data.root", f"{root} is not Tiny-ImageNet: it needs train/ and val/val_annotations.txt")
    found = [
        (f"{label}/images/{name}", composed(label), stamp)
        for label in list_folders(top)
        if (top / label / "images").is_dir()
        for name, stamp in list_images(top / label / "images")
    ]
    if not found:
        raise DataError("data.root", f"there is no image in {top}; they belong in train/<class>/images/*")
    stamps = dict(list_images(val / "images")) if (val / "images").is_dir() else {}
    rows = sorted(_row(notes, line) for line in _text(notes).splitlines() if line.strip())
    for name, _ in rows:
        if name not in stamps:
            raise DataError("data.root", f"{notes} speaks of {name}, which is not in {val / 'images'}")
    if not rows:
        raise DataError("data.root", f"{notes} is empty")
    train = Listing(top, *zip(*found, strict=True))
    names, labels = zip(*rows, strict=True)
    return train, Listing(val / "images", names, labels, tuple(stamps[name] for name in names))


def _text(notes: Path) -> str:
    try:
        with reading(notes):
            return notes.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError("data.root", f"{shown(notes)} is not text in UTF-8: {error.reason}") from error


def _row(notes: Path, line: str) -> tuple[str, str]:
    """Return image and class of one line of val_annotations.txt."""
    try:
        name, label, *_ = line.split("\t")
    except ValueError as error:
        raise DataError("data.root", f"{notes} has a line without a class: {line[:60]!r}") from error
    return name, composed(label)
