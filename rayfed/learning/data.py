"""Loads the images that nodes learn from: uint8 arrays, decoded once, memory-mapped ever after."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning import contrast, pixels, tiny_imagenet
from rayfed.learning import folders as image_folders
from rayfed.learning.cache import cached, default_folder, locked
from rayfed.learning.listing import Listing, composed, list_classes, reading

KINDS = ("digits", "cifar10", "cifar100", "image_folder", "tiny_imagenet")

FORMAT = "1"
"""Part of every cache key: to be raised when what a cache folder holds changes."""

DECODING = "3"
"""Part of the key of every cache of a folder: to be raised when an image is read in another way."""


@dataclass(frozen=True)
class Dataset:
    """Images and their classes.

    Attributes:
        name: the kind it was loaded as.
        train_x: (n, c, h, w) uint8; a read-only memory map.
        train_y: (n,) int64, class of each, from 0.
        test_x, test_y: likewise.
        classes: names; a label is a position in them.
        mean, std: by channel, in millionths of the 0..1 range, to three decimals of it.
        folders: (n,) int64, owner of each training image, from 0, or None where the layout names none.
        owners: names of those owners.
    """

    name: str
    train_x: NDArray[np.uint8]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[int, ...]
    std: tuple[int, ...]
    folders: NDArray[np.int64] | None = None
    owners: tuple[str, ...] = ()

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) class of each training image."""
        return self.train_y

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width of an image."""
        c, h, w = self.train_x.shape[1:]
        return c, h, w


def load(
    kind: str,
    root: str | Path | None = None,
    download: bool = False,
    image_size: int | None = None,
    cache_dir: str | Path | None = None,
    classes: Sequence[str] | None = None,
    bits: int | None = None,
) -> Dataset:
    """Load a data set.

    Args:
        kind: ``digits`` (scikit-learn's, 1x8x8, a fixed fifth is the test set), ``cifar10``, ``cifar100``,
            ``image_folder`` (``train/<class>/*`` or ``train/<node>/<class>/*``, and ``test/<class>/*``) or
            ``tiny_imagenet`` (``train/<wnid>/images/*`` and ``val/val_annotations.txt``).
        root: folder of the images; for CIFAR, where torchvision keeps or finds it (default: the cache folder).
        download: CIFAR may be fetched.
        image_size: side that images in folders are resized to; default: the size of the first training image.
        cache_dir: where decoded images are kept; default ``~/.cache/rayfed``.
        classes: for folders, the class names in order, if a party's own images may lack some; default: those that
            are found in train.
        bits: for folders, how many bits of a grey value are meant where a file has more than 8; default: what the
            file says.

    Raises:
        DataError: names ``data.kind``, ``data.root``, ``data.download``, ``data.image_size``, ``data.bits`` or
            ``data.cache_dir``.
    """
    cache = _at_home(cache_dir, "data.cache_dir") if cache_dir is not None else default_folder()
    if kind == "digits":
        return _digits(cache)
    if kind in ("cifar10", "cifar100"):
        return _cifar(kind, _at_home(root, "data.root") if root is not None else cache, download, cache)
    if kind not in KINDS:
        raise DataError("data.kind", f"{kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if root is None:
        raise DataError("data.root", f"is missing; {kind} needs the folder of the images")
    place = _at_home(root, "data.root")
    with reading(place):
        if not place.is_dir():
            raise DataError("data.root", f"there is no folder {pixels.shown(place)}")
    if image_size is not None and image_size < 4:
        raise DataError("data.image_size", f"must be at least 4 pixels, is {image_size}")
    if kind == "tiny_imagenet":
        train, test = tiny_imagenet.list_parts(place)
    else:
        train, test = (list_classes(place, part, known=classes is not None) for part in ("train", "test"))
    return _from_folders(kind, train, test, image_size, bits, cache, classes)


def _at_home(path: str | Path, setting: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(setting, f"{pixels.shown(path)} is in the home of nobody who is known here") from error


def _digits(cache: Path) -> Dataset:
    """scikit-learn's handwritten digits. Through the cache as well: importing scikit-learn costs a second a process."""

    def make(folder: Path) -> None:
        from sklearn.datasets import load_digits

        found = load_digits()
        x = np.rint(found.images * (255 / 16)).astype(np.uint8)[:, None]  # (1797, 1, 8, 8)
        y = found.target.astype(np.int64)
        # RandomState is frozen for ever (NEP 19): all parties must hold back the same fifth, whatever their numpy.
        order = np.random.RandomState(0).permutation(len(x))
        held_back = len(x) // 5
        test, train = np.sort(order[:held_back]), np.sort(order[held_back:])
        _write(folder, x[train], y[train], x[test], y[test], [str(digit) for digit in range(10)])

    return _read("digits", cached(cache, f"digits-{version('scikit-learn')}-{FORMAT}", make))


def _cifar(kind: str, root: Path, download: bool, cache: Path) -> Dataset:
    """CIFAR-10 or -100 from torchvision's files."""
    base = root / {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[kind]
    names = {"cifar10": ("data_batch_1", "test_batch"), "cifar100": ("train", "test")}[kind]

    def make(folder: Path) -> None:
        from torchvision import datasets

        source = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[kind]
        train, test = source(str(root), train=True), source(str(root), train=False)
        x = [np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)) for part in (train, test)]  # (n, 3, 32, 32)
        y = [np.array(part.targets, np.int64) for part in (train, test)]
        _write(folder, x[0], y[0], x[1], y[1], train.classes)

    def missing() -> bool:
        return not all((base / name).is_file() for name in names)

    if missing():
        if not download:
            raise DataError("data.download", f"{kind} is not in {root}; set it to true, or data.root to where it lies")
        try:
            root.mkdir(parents=True, exist_ok=True)
            with locked(root / f"{kind}.lock"):
                if missing():  # it may have come while another process held the lock
                    _download(kind, root)
        except OSError as error:
            raise DataError("data.root", f"{kind} cannot be kept in {root}: {error}") from error
    stamp = [(name, (base / name).stat().st_size) for name in names]
    try:
        return _read(kind, cached(cache, f"{kind}-{image_folders.fingerprint(FORMAT, stamp)}", make))
    except (RuntimeError, EOFError, ValueError, KeyError) as error:  # torchvision's checksum, or pickle
        raise DataError("data.root", f"the files of {kind} in {root} are damaged: {error}") from error


def _download(kind: str, root: Path) -> None:
    from torchvision import datasets

    try:
        {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[kind](str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError("data.download", f"{kind} is not in {root} and cannot be downloaded: {error}") from error


def _from_folders(
    kind: str,
    train: Listing,
    test: Listing,
    image_size: int | None,
    bits: int | None,
    cache: Path,
    classes: Sequence[str] | None,
) -> Dataset:
    """Decode what was listed, once, and put labels to it."""
    names = list(classes) if classes is not None else sorted(set(train.labels))
    spelled = [composed(name) for name in names]
    for listing, what in ((train, "the federation's classes"), (test, "train")):
        if strange := sorted(set(listing.labels) - set(spelled)):
            raise DataError(
                "data.root", f"{pixels.shown(listing.root)} has a class {strange[0]!r} that is not in {what}"
            )
    owners = sorted(set(train.owners))

    def make(folder: Path) -> None:
        first = train.root / train.paths[0]
        size = (image_size, image_size) if image_size is not None else pixels.size_of(first)
        parts: dict[str, Listing] = {"train": train, "test": test}
        for part, listing in parts.items():
            image_folders.decode(listing, size, folder / f"{part}_x.npy", bits)
            x, y = np.load(folder / f"{part}_x.npy", mmap_mode="r"), image_folders.index_of(listing.labels, spelled)
            np.save(folder / f"{part}_y.npy", y)
            lowest, highest = contrast.extremes(x)
            if part == "train" and bits is None and pixels.is_deep(first):
                contrast.check_bits(highest)
            contrast.check_variance(lowest, highest, y, names, part)
        if owners:
            np.save(folder / "folders.npy", image_folders.index_of(train.owners, owners))
        _describe(folder, names, owners)

    key = image_folders.fingerprint(FORMAT, DECODING, image_size, bits, names, train, test)
    return _read(kind, cached(cache, f"{kind}-{key}", make))


def _write(
    folder: Path,
    train_x: NDArray[np.uint8],
    train_y: NDArray[np.int64],
    test_x: NDArray[np.uint8],
    test_y: NDArray[np.int64],
    classes: Sequence[str],
) -> None:
    """Write a cache folder from arrays."""
    arrays: dict[str, NDArray[Any]] = {"train_x": train_x, "train_y": train_y, "test_x": test_x, "test_y": test_y}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    _describe(folder, classes, [])


def _describe(folder: Path, classes: Sequence[str], owners: Sequence[str]) -> None:
    """Add what is known of the arrays in a cache folder."""
    mean, std = moments(np.load(folder / "train_x.npy", mmap_mode="r"))
    meta = {"classes": list(classes), "mean": mean, "std": std, "owners": list(owners)}
    (folder / "meta.json").write_text(json.dumps(meta))


def _read(name: str, folder: Path) -> Dataset:
    """Open a cache folder; nothing is read until it is used."""
    meta = json.loads((folder / "meta.json").read_text())
    open_array: Callable[[str], NDArray[Any]] = lambda part: np.load(folder / f"{part}.npy", mmap_mode="r")  # noqa: E731
    return Dataset(
        name=name,
        train_x=open_array("train_x"),
        train_y=open_array("train_y"),
        test_x=open_array("test_x"),
        test_y=open_array("test_y"),
        classes=tuple(meta["classes"]),
        mean=tuple(meta["mean"]),
        std=tuple(meta["std"]),
        folders=open_array("folders") if meta["owners"] else None,
        owners=tuple(meta["owners"]),
    )


def moments(x: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """Return mean and standard deviation by channel, in millionths of the 0..1 range.

    Counted in whole numbers and rounded to thousandths of the range, so that another JPEG decoder, whose pixels may
    differ by one, comes to the same figures. A deviation is at least one thousandth.
    """
    mean, std = [], []
    values = np.arange(256, dtype=np.int64)
    for channel in range(x.shape[1]):
        counts = np.zeros(256, dtype=np.int64)
        for start in range(0, len(x), 4096):
            counts += np.bincount(x[start : start + 4096, channel].reshape(-1), minlength=256)
        n, total, squares = (int((counts * values**power).sum()) for power in range(3))
        centre = total / n
        mean.append(1000 * round(1000 * centre / 255))
        std.append(1000 * max(1, round(1000 * (squares / n - centre**2) ** 0.5 / 255)))
    return mean, std
