"""Arrays that are ready for the model: of an .npz file, and bytes of text as tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning.examples import Examples, held_back
from rayfed.learning.pixels import shown
from rayfed.learning.table_files import reading

VOCABULARY = 256
"""Every byte is a token, so no party has to be told another's words."""

BETWEEN = "\n\n"
"""What stands between two files of one owner."""


def load_npz(path: Path, classes: Sequence[str] = ()) -> Examples:
    """Read ``train_x``, ``train_y``, ``test_x`` and ``test_y``; several inputs are ``train_x_0``, ``train_x_1``, ...

    Without test arrays a fifth of the training examples is held back. ``folders``, if it is there, has the owner of
    each training example, from 0.

    Raises:
        DataError: names ``data.root``, the file and what is wrong.
    """
    with reading(path), np.load(path) as file:
        found = {name: np.array(file[name]) for name in file.files}
    for needed in ("train_x", "train_y"):
        if not _inputs(found, needed):
            have = ", ".join(found) or "nothing"
            raise DataError("data.root", f"{shown(path)} has no array {needed}; it has {have}")
    _check_names(path, found)
    train_x, train_y, folders = _inputs(found, "train_x"), found["train_y"], found.get("folders")
    test_x, test_y = _inputs(found, "test_x"), found.get("test_y")
    wanted = len(np.atleast_1d(train_y))
    for name, x in [*(("train_x", x) for x in train_x), ("folders", folders)]:
        if x is not None and (not x.ndim or len(x) != wanted):
            words = f"{len(np.atleast_1d(x))} examples in {name} and {wanted} in train_y"
            raise DataError("data.root", f"{shown(path)} has {words}")
    if test_y is None or not test_x:
        kept, held = held_back(len(train_y))
        test_x, test_y = tuple(x[held] for x in train_x), train_y[held]
        train_x, train_y = tuple(x[kept] for x in train_x), train_y[kept]
        folders = folders[kept] if folders is not None else None
    owners = () if folders is None else tuple(map(str, range(int(folders.max(initial=-1)) + 1)))
    return Examples(train_x, train_y, test_x, test_y, classes, folders=folders, owners=owners, name="arrays")


def _check_names(path: Path, found: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays that would be passed over in silence."""
    for part in ("train", "test"):
        taken = _inputs(found, f"{part}_x")
        for name in found:
            if re.fullmatch(rf"{part}_x(_\d+)?", name) and not any(found[name] is one for one in taken):
                words = f"has {name} beside others: inputs are {part}_x, or {part}_x_0, {part}_x_1 and so on"
                raise DataError("data.root", f"{shown(path)} {words}")
    if bool(_inputs(found, "test_x")) != ("test_y" in found):
        have, lack = ("test_y", "test_x") if "test_y" in found else ("test_x", "test_y")
        raise DataError("data.root", f"{shown(path)} has {have} and no {lack}")


def _inputs(found: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], ...]:
    several: list[NDArray[Any]] = []
    while f"{name}_{len(several)}" in found:
        several.append(found[f"{name}_{len(several)}"])
    return tuple(several) or ((found[name],) if name in found else ())


def load_text(root: Path, length: int) -> Examples:
    """Cut texts into pieces of ``length`` bytes, each with the byte after each of them.

    Args:
        root: a file, of which a fifth of the pieces is held back; or a folder with ``train`` and ``test``, each
            ``train.txt`` or a folder of files; then each file, or folder of files, in ``train`` is one owner's.
        length: tokens of an example.

    Raises:
        DataError: names ``data.root`` or ``data.length``.
    """
    if not root.exists():
        raise DataError("data.root", f"there is no {shown(root)}")
    if root.is_file():
        train, test = [_pieces([root], length)], []
    else:
        train = [_pieces(files, length) for files in _owners(root, "train")]
        test = [_pieces(files, length) for files in _owners(root, "test")]
        if not train:
            raise DataError("data.root", f"{shown(root)} holds neither train.txt nor files in train/")
    whole = np.concatenate(train)
    folders = np.repeat(np.arange(len(train)), [len(part) for part in train])
    if not len(whole):
        raise DataError("data.length", f"{shown(root)} has no {length + 1} bytes in a row")
    if test:
        held = np.concatenate(test)
    else:
        kept, out = held_back(len(whole))
        whole, held, folders = whole[kept], whole[out], folders[kept]
    several = len(train) > 1
    return Examples(
        whole[:, :-1], whole[:, 1:], held[:, :-1], held[:, 1:],
        outputs=VOCABULARY,
        prepare={"vocabulary": VOCABULARY},
        folders=folders if several else None,
        owners=[str(number) for number in range(len(train))] if several else (),
        name="text",
    )  # fmt: skip


def _owners(root: Path, part: str) -> list[list[Path]]:
    single = root / f"{part}.txt"
    if single.is_file():
        return [[single]]
    folder = root / part
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [[e] if e.is_file() else sorted(p for p in e.rglob("*") if p.is_file()) for e in entries]
    return [files for files in found if files and not files[0].name.startswith(".")]


def _pieces(files: Sequence[Path], length: int) -> NDArray[np.int64]:
    """Return (n, length + 1) bytes."""
    try:
        whole = BETWEEN.encode().join(path.read_bytes() for path in files)
    except OSError as error:
        raise DataError("data.root", f"{shown(error.filename)} cannot be read: {error.strerror}") from error
    count = len(whole) // (length + 1)
    return np.frombuffer(whole[: count * (length + 1)], np.uint8).reshape(count, length + 1).astype(np.int64)
