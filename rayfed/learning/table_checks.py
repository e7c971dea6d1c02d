"""What a table must not hold, since a model would learn nothing from it, or not what is meant: each by its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from rayfed.errors import DataError
from rayfed.learning import cells
from rayfed.learning.pixels import shown
from rayfed.learning.table_files import Table

MOST_CATEGORIES = 256
"""More different words are no category but a name or a text."""

ALWAYS_CATEGORIES = 16
"""So few different words are a category even where hardly a row has the same as another."""

FEWEST_ROWS = 10
"""For each class on average, where classes are numbers that are not whole: with fewer they are something measured."""

INDEX = frozenset({"index", "unnamed: 0", "rownames", "row_names", "row"})
"""What pandas and R call the number of a row, in lower case."""


def check_cells(tables: Sequence[Table], name: str) -> None:
    """Refuse what would pass for words, and is none: dates, and numbers as they are written elsewhere."""
    for table in tables:
        if table.cells[name].dtype.kind in "fiub":
            continue
        texts = table.texts(name)
        if cells.are_dates(texts):
            words = f"column {name!r} of {shown(table.path)} holds dates, neither numbers nor categories"
            raise DataError("data.drop", f"{words}: make numbers of them, or leave it out, data.drop=[{name}]")
        if (row := cells.with_comma(texts)) is not None:
            words = "takes a point before its fraction, and nothing between thousands"
            raise DataError("data.root", f"{table.place(row, name)}: a number {words}, unlike {texts[row]!r}")
        if (row := cells.with_sign(texts)) is not None:
            words = "stands alone, with - before it at most"
            raise DataError("data.root", f"{table.place(row, name)}: a number {words}, unlike {texts[row]!r}")


def check_categories(tables: Sequence[Table], name: str, values: Collection[str]) -> None:
    """Refuse names and texts: with an input for each, a model would know rows by heart."""
    said = sum(bool(text) for table in tables for text in table.texts(name))
    if not said:
        raise DataError("data.drop", f"column {name!r} of {shown(tables[0].path)} is empty: data.drop=[{name}]")
    if _are_names(values, said):
        words = f"column {name!r} of {shown(tables[0].path)} has {len(values)} different words in {said} rows"
        raise DataError("data.drop", f"{words}, which are no categories: leave it out, data.drop=[{name}]")


def check_classes(name: str, values: Collection[str], rows: int) -> None:
    """Refuse classes that are numbers to learn, or names."""
    measured = any(map(cells.is_fraction, values)) and len(values) * FEWEST_ROWS > rows
    if measured or _are_names(values, rows):
        words = f"column {name!r} has {len(values)} different values: task=regression learns numbers"
        raise DataError("data.target", f"{words}, and data.target names another column")


def check_number(tables: Sequence[Table], name: str) -> None:
    """Refuse a number to learn that is the same in every row."""
    found = np.concatenate([table.numbers(name) for table in tables])
    if len(found) > 1 and not np.ptp(found):
        words = f"column {name!r} of {shown(tables[0].path)} is {found[0]:g} in every row: there is nothing to learn"
        raise DataError("data.target", words)


def check_choice(targets: Sequence[str], columns: Sequence[str], drop: Sequence[str]) -> None:
    """Refuse columns that are named twice, or as two things.

    Raises:
        DataError: names the setting.
    """
    for setting, names in (("data.target", targets), ("data.columns", columns)):
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise DataError(setting, f"names {twice[0]!r} twice")
    for name in columns:
        if name in drop:
            raise DataError("data.columns", f"names {name!r}, and so does data.drop")
        if name in targets:
            raise DataError("data.columns", f"{name!r} is what is to be learned")


def check_index(table: Table, name: str) -> None:
    """Refuse a row's number as an input that nobody has named: in a sorted file it says what is to be learned."""
    if name.lower() in INDEX and len(table) > 1 and table.is_numeric(name):
        found = table.numbers(name) - table.places
        if not np.ptp(found):
            words = f"column {name!r} of {shown(table.path)} counts the rows: leave it out, data.drop=['{name}']"
            raise DataError("data.drop", f"{words}, or name all inputs by data.columns")


def _are_names(values: Collection[str], rows: int) -> bool:
    return len(values) > MOST_CATEGORIES or (len(values) > ALWAYS_CATEGORIES and 2 * len(values) > rows)
