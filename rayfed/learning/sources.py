"""Loads what is not images, by ``data.kind``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.errors import DataError
from rayfed.learning import arrays, table, tasks
from rayfed.learning.cache import cached, default_folder
from rayfed.learning.examples import Examples, from_loader
from rayfed.learning.targets import locate

if TYPE_CHECKING:
    from rayfed.config.groups.learning import DataSettings
    from rayfed.protocol.charter_parts import DataTerms

FORMAT = "1"
"""Part of every cache key here: to be raised when what a cache folder holds changes."""


def load(chosen: DataSettings, task: Mapping[str, Any], agreed: DataTerms | None = None) -> Examples:
    """Load a data set that is not of images.

    Args:
        chosen: the settings ``data``.
        task: the settings ``task``; they say whether a table's target is classes, numbers or labels.
        agreed: the charter's; None before there is one.

    Raises:
        DataError: it cannot be used, or it is not prepared as the charter says.
    """
    prepare = agreed.prepare if agreed else None
    if prepare is not None and prepare.get("kind") != chosen.kind:
        words = f"this federation learns from {prepare.get('kind', 'images')!r}, not from {chosen.kind!r}"
        raise DataError("data.kind", words)
    classes = agreed.classes if agreed else ()
    makers: dict[str, Callable[[], Examples]] = {
        "breast_cancer": lambda: _shipped("breast_cancer", chosen, "classes"),
        "diabetes": lambda: _shipped("diabetes", chosen, "numbers"),
        "table": lambda: table.load(_root(chosen), _choice(chosen, wanted(task)), prepare, classes),
        "arrays": lambda: arrays.load_npz(_root(chosen), classes),
        "text": lambda: arrays.load_text(_root(chosen) if chosen.root else _texts(chosen), chosen.length),
        "custom": lambda: from_loader(chosen.loader, prepare),
    }
    found = makers[chosen.kind]()
    if agreed is not None and (mine := found.terms(agreed.task)) != agreed:
        theirs = agreed.to_dict()
        other = sorted(key for key, value in mine.to_dict().items() if value != theirs.get(key))
        raise DataError("data", f"is prepared in another way than the federation's charter says: {', '.join(other)}")
    return found


def wanted(task: Mapping[str, Any]) -> str:
    """Return what a task learns from a table's target, of ``table.WANTED``."""
    kinds = {tasks.Classification: "classes", tasks.Regression: "numbers", tasks.MultiLabel: "labels"}
    found = locate(str(task.get("_target_")), "task._target_")
    return next((name for kind, name in kinds.items() if isinstance(found, type) and issubclass(found, kind)), "any")


def _root(chosen: DataSettings) -> Path:
    if not chosen.root:
        raise DataError("data.root", f"is missing; {chosen.kind} needs a file or a folder")
    return Path(chosen.root).expanduser()


def _choice(chosen: DataSettings, learned: str) -> table.Choice:
    target = (chosen.target,) if isinstance(chosen.target, str) else tuple(chosen.target or ())
    return table.Choice(target, tuple(chosen.columns), tuple(chosen.drop), chosen.missing == "mean", learned)


def _cache(chosen: DataSettings) -> Path:
    return Path(chosen.cache_dir).expanduser() if chosen.cache_dir else default_folder()


def _shipped(name: str, chosen: DataSettings, learned: str) -> Examples:
    """A table that comes with scikit-learn. Through the cache: importing scikit-learn costs a second a process."""

    def make(folder: Path) -> None:
        import numpy as np
        from sklearn import datasets

        found = {"breast_cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes}[name]()
        columns = {str(label): found.data[:, place] for place, label in enumerate(found.feature_names)}
        names = getattr(found, "target_names", None)
        columns["target"] = found.target if names is None else np.array([str(names[one]) for one in found.target])
        np.savez(folder / f"{name}.npz", **columns)

    folder = cached(_cache(chosen), f"{name}-{version('scikit-learn')}-{FORMAT}", make)
    return table.load(folder / f"{name}.npz", table.Choice(("target",), wanted=learned), name=name)


def _texts(chosen: DataSettings) -> Path:
    """The descriptions of scikit-learn's data sets in one file: 40 kB of English."""

    def make(folder: Path) -> None:
        found = find_spec("sklearn")
        places = found.submodule_search_locations if found else None
        if not places:
            raise DataError("data.root", "is missing, and scikit-learn, whose texts would be used, is not installed")
        files = sorted((Path(places[0]) / "datasets" / "descr").glob("*.rst"))
        (folder / "descriptions.txt").write_bytes(b"\n".join(path.read_bytes() for path in files))

    return cached(_cache(chosen), f"descriptions-{version('scikit-learn')}-{FORMAT}", make) / "descriptions.txt"
