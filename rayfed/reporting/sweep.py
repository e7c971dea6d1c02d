"""What a sweep ends in: a table of its runs, with the settings in which they differ, in the terminal and as a file.

It is made from the runs' folders, so it does not matter which of Hydra's launchers ran them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.words import duration, near

FILE = "sweep.csv"
"""The table as a file, in the sweep's folder."""


@dataclass(frozen=True, slots=True)
class SweptRun:
    """One run of a sweep.

    Attributes:
        folder: its own, below the sweep's.
        said: the words of its command line, by the setting.
        told: the content of its ``summary.json``; empty where the run has not come to its end.
        error: why it has not, in one line, as far as is known.
    """

    folder: Path
    said: Mapping[str, str]
    told: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def metric(self) -> Metric:
        """By what its model is measured."""
        return Metric(**self.told["metric"]) if "metric" in self.told else ACCURACY

    @property
    def final(self) -> float | None:
        """The metric of the merged model at the end."""
        value: float | None = self._of("final")
        return value

    @property
    def alone(self) -> float | None:
        """The metric of the nodes' own models, mean over the nodes."""
        values = [value for value in (self._of("alone") or {}).values() if value is not None]
        return sum(values) / len(values) if values else None

    @property
    def rounds(self) -> tuple[int, int]:
        """How many rounds stand, of how many."""
        closed = self.told.get("rounds", ())
        return sum(one["status"] in ("final", "settled") for one in closed), len(closed)

    def _of(self, which: str) -> Any:
        return self.told.get(f"{which}_{self.metric.name}")


def read(folder: Path, errors: Mapping[Path, str]) -> list[SweptRun]:
    """Return the runs below a sweep's folder, in the order in which they were run.

    Args:
        errors: why runs have failed, by their folder.
    """
    numbered = (path for path in folder.iterdir() if (path / ".hydra" / "overrides.yaml").is_file())
    return [_run(path, errors.get(path, "")) for path in sorted(numbered, key=_place)]


def differing(runs: Sequence[SweptRun]) -> list[str]:
    """Return the settings that do not have the same value in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.said)
    return [name for name in names if len({run.said.get(name) for run in runs}) > 1]


def write(runs: Sequence[SweptRun], file: Path) -> None:
    """Write the table as CSV: a line a run, figures as they are in ``summary.json``."""
    names = differing(runs)
    heads = ("metric", "final", "alone_mean", "rounds_final", "rounds", "wall_seconds", "final_root", "folder", "error")
    with file.open("w", newline="", encoding="utf-8") as to:
        lines = csv.writer(to)
        lines.writerow(["run", *names, *heads])
        for run in runs:
            final, closed = run.rounds
            told = run.told.get
            values = (run.final, run.alone, final, closed, told("wall_seconds"), told("final_root"))
            settings = [run.said.get(name, "") for name in names]
            lines.writerow([run.folder.name, *settings, run.metric.name, *values, run.folder, run.error])


def show(runs: Sequence[SweptRun], folder: Path, console: Console) -> None:
    """Print the table, and where it is kept. What nodes reach alone is the mean over them."""
    names = differing(runs)
    metrics = {run.metric.name: run.metric for run in runs if run.told} or {ACCURACY.name: ACCURACY}
    one = next(iter(metrics.values())) if len(metrics) == 1 else None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("folder", justify="right")
    for name in names:
        table.add_column(name, overflow="fold")
    for head in (one.words if one else "metric", "alone", "rounds", "time"):
        table.add_column(head, justify="right", no_wrap=True)
    for run in runs:
        cells: list[str | Text] = [run.folder.name, *(run.said.get(name, "") for name in names)]
        if run.told:
            final, closed = run.rounds
            shown = run.metric.shown(run.final) or "none"
            cells += [shown if one else f"{run.metric.words} {shown}", run.metric.shown(run.alone)]
            cells += [f"{final} of {closed}", duration(run.told["wall_seconds"])]
        else:
            cells.append(Text("failed" if run.error else "not over", "red"))
        table.add_row(*cells)
    console.print(f"sweep of {len(runs)} runs, in {near(folder)}", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"as a file: {near(folder / FILE)}", highlight=False, soft_wrap=True)


def _run(path: Path, error: str) -> SweptRun:
    words = yaml.safe_load((path / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")) or []
    said = {name.lstrip("+"): value for name, _, value in (str(word).partition("=") for word in words)}
    summary = path / "summary.json"
    told = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
    return SweptRun(path, said, told, error)


def _place(path: Path) -> tuple[int, str]:
    return int(path.name) if path.name.isdecimal() else 1 << 60, path.name
