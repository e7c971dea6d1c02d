"""Tables: from columns of numbers and words to inputs that all parties prepare alike.

What a column's mean, deviation and categories are is found out once, by the founder, and stands in the charter as text
of six digits; whoever joins prepares its own rows by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning import cells
from rayfed.learning import table_checks as checks
from rayfed.learning.examples import Examples, held_back
from rayfed.learning.pixels import shown
from rayfed.learning.table_files import Table, find, read

WANTED = ("classes", "numbers", "labels", "any")
"""What a task learns: one class, numbers, any number of labels, or whatever the column holds."""


@dataclass(frozen=True)
class Column:
    """How one column reaches the model.

    Attributes:
        name: of the column.
        mean, std: of a column of numbers.
        values: the categories of a column of words, each of which is an input of its own; empty for numbers.
    """

    name: str
    mean: float = 0.0
    std: float = 1.0
    values: tuple[str, ...] = ()

    @classmethod
    def fit(cls, train: Sequence[Table], test: Sequence[Table], name: str, standardise: bool = True) -> Column:
        """Look at a column: at all rows for what kind it is and for its categories, at the training rows for the rest.

        Raises:
            DataError: names the file, and the line of what is wrong.
        """
        tables = (*train, *test)
        checks.check_cells(tables, name)
        if sum(len(table) if table.is_numeric(name) else -len(table) for table in tables) <= 0:
            values = sorted({text for table in tables for text in table.texts(name) if text})
            checks.check_categories(tables, name, values)
            return cls(name, values=tuple(values))
        found = np.concatenate([table.numbers(name) for table in train])
        found = found[~np.isnan(found)]
        if not len(found):
            raise DataError("data.drop", f"column {name!r} of {shown(tables[0].path)} is empty: data.drop=[{name}]")
        with np.errstate(over="ignore"):
            mean, std = (float(f"{value:.6g}") for value in (found.mean(), found.std()))
        if not np.isfinite(mean + std):
            words = f"column {name!r} of {shown(tables[0].path)} has numbers of {abs(found).max():g}, too large"
            raise DataError("data.root", words)
        return cls(name, mean, std or 1.0) if standardise else cls(name)

    def encode(self, table: Table, fill: bool) -> NDArray[np.float32]:
        """Return (rows, width): the standardised number, or 1 for the row's category.

        Args:
            fill: a missing number is the mean, a missing category none of them; else neither may be missing.

        Raises:
            DataError: names file, line and column.
        """
        if not fill and (row := table.first_missing(self.name)) is not None:
            words = f"{table.missing(row, self.name)}: fill it, or say data.missing=mean"
            raise DataError("data.missing", f"{table.place(row, self.name)} {words}")
        if not self.values:
            return ((np.nan_to_num(table.numbers(self.name), nan=self.mean) - self.mean) / self.std)[:, None].astype(
                np.float32
            )
        place = {value: i for i, value in enumerate(self.values)}
        out = np.zeros((len(table), len(self.values)), np.float32)
        for row, text in enumerate(table.texts(self.name)):
            if text in place:
                out[row, place[text]] = 1
            elif text:
                raise DataError("data.root", f"{table.place(row, self.name)}: {text!r} is no category of this column")
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a charter has it."""
        if self.values:
            return {"name": self.name, "values": list(self.values)}
        return {"name": self.name, "mean": repr(self.mean), "std": repr(self.std)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Column:
        """Return the column of ``to_dict``'s value."""
        if "values" in value:
            return cls(value["name"], values=tuple(value["values"]))
        return cls(value["name"], float(value["mean"]), float(value["std"]))


@dataclass(frozen=True)
class Choice:
    """What is chosen of a table, as the group ``data`` says.

    Attributes:
        target: columns to learn; empty: the last one.
        columns: inputs; empty: all others.
        drop: columns that are neither.
        fill: whether what is missing is filled in.
        wanted: of ``WANTED``.
    """

    target: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    fill: bool = False
    wanted: str = "classes"


def load(
    root: Path,
    choice: Choice,
    agreed: Mapping[str, Any] | None = None,
    classes: Sequence[str] = (),
    name: str = "table",
) -> Examples:
    """Read a party's rows.

    Args:
        root: a file, of which a fifth is held back as test rows; or a folder with ``train`` and ``test``, each a file
            or a folder of files, one an owner.
        choice: what is input and what is target.
        agreed: the charter's ``data.prepare``; None before there is a charter.
        classes: the charter's classes.
        name: the kind of data, for the charter.

    Raises:
        DataError: names the setting, the file, the line and the column.
    """
    train, test = _tables(root)
    if agreed is None:
        prepare = _fit(train, test, choice)
    else:
        prepare = {key: agreed[key] for key in ("columns", "target", "fill", "wanted")}
    columns = [Column.from_dict(entry) for entry in prepare["columns"]]
    targets = [Column.from_dict(entry) for entry in prepare["target"]]
    fill, wanted = bool(prepare["fill"]), prepare["wanted"]
    if wanted == "classes":
        named = tuple(classes) or _class_names((*train, *test), targets[0].name)
        ys = [_classes(table, targets[0].name, named) for table in (*train, *test)]
    else:
        named = tuple(column.name for column in targets)
        ys = [np.concatenate([_numbers(table, one, wanted) for one in targets], 1) for table in (*train, *test)]
    xs = [np.concatenate([column.encode(table, fill) for column in columns], 1) for table in (*train, *test)]
    cut = len(train)
    return Examples(
        np.concatenate(xs[:cut]), np.concatenate(ys[:cut]), np.concatenate(xs[cut:]), np.concatenate(ys[cut:]),
        classes=named,
        prepare=prepare,
        scale=targets[0].std if len(targets) == 1 else 1.0,
        folders=np.repeat(np.arange(cut), [len(table) for table in train]) if cut > 1 else None,
        owners=[table.path.stem for table in train] if cut > 1 else (),
        name=name,
    )  # fmt: skip


def inputs(path: Path, prepare: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return a file's rows as a federation's model takes them, (rows, width); no target is needed.

    Args:
        path: of a file with the input columns.
        prepare: the charter's ``data.prepare``.

    Raises:
        DataError: names file, line and column.
    """
    rows = read(path)
    columns = [Column.from_dict(entry) for entry in prepare["columns"]]
    return np.concatenate([column.encode(rows, bool(prepare["fill"])) for column in columns], 1)


def _tables(root: Path) -> tuple[list[Table], list[Table]]:
    """Return the tables to train on and those to test on; where there are none of these, a fifth of each of those."""
    if not root.exists():
        raise DataError("data.root", f"there is no {shown(root)}")
    files = [[root], []] if root.is_file() else [find(root, part) for part in ("train", "test")]
    if not files[0]:
        raise DataError(
            "data.root", f"{shown(root)} holds neither train.csv (.tsv, .parquet, .npz) nor files in train/"
        )
    train, test = ([read(path) for path in part] for part in files)
    if not test:
        parts = [held_back(len(table)) for table in train]
        test = [table.rows(held) for table, (_, held) in zip(train, parts, strict=True) if len(held)]
        train = [table.rows(kept) for table, (kept, _) in zip(train, parts, strict=True)]
    if not test:
        raise DataError("data.root", f"{shown(root)} has too few rows to hold some back for testing")
    return train, test


def _fit(train: Sequence[Table], test: Sequence[Table], choice: Choice) -> dict[str, Any]:
    """Find out how the columns reach the model."""
    first = train[0]
    targets = choice.target or (list(first.cells)[-1],)
    for one in (*targets, *choice.columns, *choice.drop):
        first.column(one)
    left = [one for one in first.cells if one not in targets and one not in choice.drop]
    checks.check_choice(targets, choice.columns, choice.drop)
    inputs = list(choice.columns) or left
    if left and not choice.columns:
        checks.check_index(first, left[0])
    if not inputs:
        raise DataError("data.columns", f"{shown(first.path)} has no column beside the target")
    wanted = choice.wanted
    if wanted == "any":
        wanted = "numbers" if all(first.is_numeric(one) for one in targets) else "classes"
    if wanted == "classes":
        if len(targets) > 1:
            raise DataError(
                "data.target", "one column has the classes; task=multilabel or task=regression take several"
            )
        learned = [Column(targets[0])]
    else:
        learned = [Column.fit(train, test, one, standardise=wanted == "numbers") for one in targets]
        for column in learned:
            if column.values:
                raise DataError("data.target", f"column {column.name!r} holds words: task=classification learns those")
            if wanted == "numbers":
                checks.check_number(train, column.name)
    return {
        "columns": [Column.fit(train, test, one).to_dict() for one in inputs],
        "target": [one.to_dict() for one in learned],
        "fill": int(choice.fill),
        "wanted": wanted,
    }


def _class_names(tables: Sequence[Table], name: str) -> tuple[str, ...]:
    found = {cells.whole(text) for table in tables for text in table.texts(name) if text}
    checks.check_classes(name, found, sum(map(len, tables)))
    whole = all(text.lstrip("-").isdecimal() for text in found)
    return tuple(sorted(found, key=int) if whole else sorted(found))


def _classes(table: Table, name: str, known: Sequence[str]) -> NDArray[np.int64]:
    place = {value: i for i, value in enumerate(known)}
    out = np.zeros(len(table), np.int64)
    for row, text in enumerate(table.texts(name)):
        mine = text if text in place else cells.whole(text)
        if mine not in place:
            nothing = f"{table.missing(row, name)}, and is what is to be learned"
            words = f"{text!r} is no class of the federation" if text else nothing
            raise DataError("data.root", f"{table.place(row, name)}: {words}")
        out[row] = place[mine]
    return out


def _numbers(table: Table, column: Column, wanted: str) -> NDArray[np.float32]:
    found = table.numbers(column.name)
    if np.isnan(found).any():
        row = int(np.flatnonzero(np.isnan(found))[0])
        words = f"{table.missing(row, column.name)}, and is what is to be learned"
        raise DataError("data.root", f"{table.place(row, column.name)}: {words}")
    if wanted == "labels" and (strange := np.flatnonzero((found != 0) & (found != 1))).size:
        row = int(strange[0])
        raise DataError("data.root", f"{table.place(row, column.name)}: a label is 0 or 1, not {found[row]:g}")
    return ((found - column.mean) / column.std)[:, None].astype(np.float32)
