"""Benchmarks that take long: cells in a file, each written as it is done and never run again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

C = TypeVar("C", bound=tuple[Any, ...])


def read(path: Path) -> dict[str, Any]:
    """Return the file's content; with no cells where there is none."""
    content: dict[str, Any] = {"cells": {}}
    if path.exists():
        content.update(json.loads(path.read_text()))
    return content


def resume(
    path: Path, head: Mapping[str, Any], cells: Iterable[C], measure: Callable[[C], Mapping[str, Any]]
) -> dict[str, Any]:
    """Run the cells that the file does not have, in this order; return the file's content.

    Args:
        path: of the file.
        head: what it says beside the cells.
        cells: what to run; a cell's values, joined by commas, are its key.
        measure: runs one.
    """
    content = read(path)
    content.update(head)
    for cell in cells:
        key = ", ".join(map(str, cell))
        if key in content["cells"]:
            continue
        content["cells"][key] = measure(cell)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=1) + "\n")
        new.replace(path)
        accuracy = content["cells"][key].get("accuracy")
        print(f"{key}: measured" if accuracy is None else f"{key}: {accuracy:.3f}", flush=True)
    return content
