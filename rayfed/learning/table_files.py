"""Reads rows from files: CSV, Parquet, and .npz with an array a column. What cannot be read is told by its place."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning.cells import MISSING, is_fraction, number
from rayfed.learning.pixels import shown
from rayfed.learning.raised import first_line

DELIMITERS = ",;\t|"

_SEPARATOR = re.compile(r"sep=([,;\t|])", re.IGNORECASE)
"""A first line by which Excel is told what stands between two cells."""


@dataclass(frozen=True)
class Table:
    """Rows of one file.

    Attributes:
        path: the file.
        cells: (rows,) texts or numbers, by the name of the column, in the file's order.
        places: (rows,) number of each row's line, or of the row, in the file, from 1.
        unit: ``line`` or ``row``.
    """

    path: Path
    cells: Mapping[str, NDArray[Any]]
    places: NDArray[np.int64]
    unit: str = "row"

    def __len__(self) -> int:
        return len(next(iter(self.cells.values()))) if self.cells else 0

    def place(self, row: int, name: str) -> str:
        """Return where a cell stands, for people."""
        return f"{shown(self.path)}, {self.unit} {self.places[row]}, column {name!r}"

    def rows(self, chosen: NDArray[np.int64]) -> Table:
        """Return some of the rows."""
        cells = {name: column[chosen] for name, column in self.cells.items()}
        return Table(self.path, cells, self.places[chosen], self.unit)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column's cells.

        Raises:
            DataError: there is none of this name.
        """
        if name not in self.cells:
            have = ", ".join(map(repr, list(self.cells)[:8])) + (", ..." if len(self.cells) > 8 else "")
            raise DataError("data.root", f"{shown(self.path)} has no column {name!r}; it has {have}")
        return self.cells[name]

    def texts(self, name: str) -> list[str]:
        """Return a column's cells as texts; what is missing is an empty one."""
        cells = self.column(name)
        if cells.dtype.kind in "fiub":
            whole = cells.dtype.kind != "f" or bool(np.all(np.isnan(cells) | (cells == np.round(cells))))
            as_text: Callable[[Any], str] = (lambda c: str(int(c))) if whole else repr
            return ["" if cell != cell else as_text(cell.item()) for cell in cells]
        return ["" if text.lower() in MISSING else text for text in map(str.strip, map(str, cells))]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column's cells as numbers; what is missing is not a number (NaN).

        Raises:
            DataError: names the place of the first cell that is no finite number.
        """
        cells = self.column(name)
        if cells.dtype.kind in "fiub":
            found = cells.astype(np.float64)
        else:
            texts = self.texts(name)
            try:
                found = np.array([text or "nan" for text in texts], dtype=np.float64)
            except ValueError:
                row = next(row for row, text in enumerate(texts) if text and number(text) is None)
                raise DataError("data.root", f"{self.place(row, name)}: {texts[row]!r} is not a number") from None
        if np.isinf(found).any():
            row = int(np.flatnonzero(np.isinf(found))[0])
            raise DataError("data.root", f"{self.place(row, name)}: {found[row]} is not a finite number")
        return found

    def is_numeric(self, name: str) -> bool:
        """Whether more than half of the cells that say something are numbers: then those that are not are mistakes."""
        cells = self.column(name)
        if cells.dtype.kind in "fiub":
            return cells.dtype.kind != "b"
        said = [text for text in self.texts(name) if text]
        return 2 * sum(number(text) is not None for text in said) > len(said)

    def missing(self, row: int, name: str) -> str:
        """Return what is wrong with a cell that says nothing, for people: some words are taken for gaps."""
        cell = self.cells[name][row]
        text = cell.strip() if isinstance(cell, str) else ""
        return f"says {text!r}, which counts as nothing" if text else "is empty"

    def first_missing(self, name: str) -> int | None:
        """Return the first row without a value in this column; None if there is none."""
        return next((row for row, text in enumerate(self.texts(name)) if not text), None)


def read(path: Path) -> Table:
    """Read a file by what its name ends in.

    Raises:
        DataError: names ``data.root``, the file and, where there is one, the line.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".pq": _parquet, ".npz": _npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError("data.root", f"{shown(path)} is none of {', '.join(readers)}")
    table = reader(path)
    if not len(table):
        raise DataError("data.root", f"{shown(path)} has no rows")
    return table


def find(place: Path, part: str) -> list[Path]:
    """Return the files of one part (train or test) below a folder: ``part.csv``, or all in ``part/``, by name."""
    single = [path for suffix in SUFFIXES if (path := place / f"{part}{suffix}").is_file()]
    if len(single) > 1:
        raise DataError("data.root", f"{shown(place)} holds both {single[0].name} and {single[1].name}")
    if single:
        return single
    folder = place / part
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]


SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".npz")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a file system or a library raises into one line."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise DataError("data.root", f"{shown(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # pyarrow and numpy raise a dozen types for files that are not theirs
        raise DataError("data.root", f"{shown(path)} cannot be read: {first_line(error)}") from error


def _csv(path: Path) -> Table:
    rows: list[list[str]] = []
    lines: list[int] = []
    with reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        try:
            first = file.readline()
            said = _SEPARATOR.fullmatch(first.rstrip("\r\n"))
            if said:
                delimiter, above = said[1], 1
            else:
                delimiter, above = "\t" if path.suffix.lower() == ".tsv" else max(DELIMITERS, key=first.count), 0
                file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(reader, [])]
            if any(map(is_fraction, names)) and all(number(name) is not None for name in names):
                raise DataError("data.root", f"{shown(path)} has numbers in its first line, not columns' names")
            _check_names(path, names)
            for row in reader:
                if not row:
                    continue
                if len(row) != len(names):
                    words = f"line {above + reader.line_num} has {len(row)} fields, the header {len(names)}"
                    raise DataError("data.root", f"{shown(path)}, {words}")
                rows.append(row)
                lines.append(above + reader.line_num)
        except UnicodeDecodeError as error:
            words = f"is not in UTF-8 near its line {len(lines) + 2}"
            raise DataError("data.root", f"{shown(path)} {words}: save it as UTF-8") from error
        except csv.Error as error:
            raise DataError("data.root", f"{shown(path)}, line {above + reader.line_num}: {error}") from error
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    cells = {name: np.array(column, dtype=object) for name, column in zip(names, columns, strict=True)}
    return Table(path, cells, np.array(lines, dtype=np.int64), "line")


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DataError("data.root", f"{shown(path)} needs the package pyarrow: pip install pyarrow") from error
    with reading(path):
        found = parquet.read_table(path)
        names = list(found.column_names)
        cells = {name: _plain(found.column(name).to_pylist(), path, name) for name in names}
    _check_names(path, names)
    return Table(path, cells, _counted(cells))


def _plain(cells: list[Any], path: Path, name: str) -> NDArray[Any]:
    """Return cells as numbers where all are, and else as texts."""
    said = [cell for cell in cells if cell is not None]
    if odd := next((cell for cell in said if isinstance(cell, dict | list | tuple | bytes)), None):
        words = f"column {name!r} holds {type(odd).__name__} values, neither numbers nor words: a column for each part"
        raise DataError("data.root", f"{shown(path)}: {words}")
    if said and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in said):
        if len(said) == len(cells) and all(isinstance(cell, int) for cell in said):
            return np.array(cells, dtype=np.int64)
        return np.array([math.nan if cell is None else float(cell) for cell in cells])
    return np.array(["" if cell is None else str(cell) for cell in cells], dtype=object)


def _npz(path: Path) -> Table:
    with reading(path), np.load(path) as found:
        cells = {name: np.array(found[name]) for name in found.files}
    if odd := next((name for name, cell in cells.items() if cell.dtype.kind not in "fiubUM"), None):
        words = f"column {odd!r} holds {cells[odd].dtype}, neither numbers nor words"
        raise DataError("data.root", f"{shown(path)}: {words}")
    _check_names(path, list(cells))
    lengths = {name: cell.shape for name, cell in cells.items()}
    for name, shape in lengths.items():
        if len(shape) != 1 or shape != next(iter(lengths.values())):
            raise DataError("data.root", f"{shown(path)}: {name!r} has the shape {shape}; all columns need one length")
    return Table(path, cells, _counted(cells))


def _counted(cells: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    return np.arange(1, 1 + len(next(iter(cells.values()))))


def _check_names(path: Path, names: Sequence[str]) -> None:
    if not any(names):
        raise DataError("data.root", f"{shown(path)} has no names of columns in its first line")
    for place, name in enumerate(names):
        if not name or name in names[:place]:
            words = "has no name" if not name else f"is called {name!r}, as another one is"
            words += " (pandas: to_csv(index=False))" if not name and not place else ""
            raise DataError("data.root", f"{shown(path)}: column {place + 1} {words}")
