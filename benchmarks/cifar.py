"""The pictures of ``train`` and ``peer``: a part of CIFAR-10, from files that somebody has already."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks import bare_loop
from benchmarks.machine import Unavailable
from rayfed.learning import data

VARIABLE = "RAYFED_PICTURES"
A_NODE, TEST = 2000, 2000
_BESIDE = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "cifar10-images.zip"


class NoPictures(Unavailable):
    """There are none; the message says what to do about it."""


@cache
def folder(nodes: int = bare_loop.NODES, a_node: int = A_NODE, test: int = TEST) -> Path:
    """Return a folder ``train/<class>/*``, ``test/<class>/*`` with ``a_node`` training pictures a node, of each class
    as many, and ``test`` to test on. It is gone when the process ends.

    Raises:
        NoPictures: neither the variable nor the place beside this repository leads to any.
    """
    place = Path(os.environ.get(VARIABLE, _BESIDE)).expanduser()
    if not place.exists():
        raise NoPictures(f"no pictures: set {VARIABLE} to a zip or a folder of train/CLASS/*, test/CLASS/*")
    made = Path(tempfile.mkdtemp(prefix="rayfed-pictures-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    if place.is_dir():
        names = sorted(str(file.relative_to(place)) for file in place.glob("t*/*/*") if file.is_file())
        for name in _chosen(names, nodes * a_node, test):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place / name, made / name)
    else:
        with zipfile.ZipFile(place) as archive:
            names = sorted(name for name in archive.namelist() if not name.endswith("/"))
            archive.extractall(made, _chosen(names, nodes * a_node, test))
    return made


def _chosen(names: list[str], train: int, test: int) -> list[str]:
    by_class: dict[tuple[str, str], list[str]] = {}
    for name in names:
        part, label, _ = name.split("/")
        by_class.setdefault((part, label), []).append(name)
    classes = sum(part == "train" for part, _ in by_class)
    wanted = {"train": train // classes, "test": test // classes}
    return [name for (part, _), found in sorted(by_class.items()) for name in found[: wanted.get(part, 0)]]


@cache
def load(nodes: int = bare_loop.NODES) -> data.Dataset:
    """Return the pictures as arrays; they are decoded once, into ``folder(nodes) / "cache"``."""
    place = folder(nodes)
    return data.load("image_folder", place, cache_dir=place / "cache")


@cache
def work(nodes: int = bare_loop.NODES) -> bare_loop.Work:
    """Return the pictures as the bare loop and Flower take them: dealt to the nodes at random, as many to each."""
    pictures = load(nodes)
    order = np.random.default_rng(0).permutation(len(pictures.train_x))
    x, y = np.array(pictures.train_x)[order], np.array(pictures.train_y)[order]
    parts = list(zip(np.split(x, nodes), np.split(y, nodes), strict=True))
    test = np.array(pictures.test_x), np.array(pictures.test_y)
    return bare_loop.Work(parts, test, [m / 1e6 for m in pictures.mean], [s / 1e6 for s in pictures.std])
