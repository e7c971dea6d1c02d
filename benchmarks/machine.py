"""What every benchmark shares: the machine in words, repeated timing, a table, and a JSON file of the results."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def pool() -> ProcessPoolExecutor:
    """Return RAYFED_BENCH_PROCESSES processes for what is counted rather than timed; two if that is not set."""
    return ProcessPoolExecutor(int(os.environ.get("RAYFED_BENCH_PROCESSES", "2")))


class Unavailable(Exception):
    """A benchmark needs something that is not here; the message says what."""


@dataclass(frozen=True)
class Figure:
    """One line of a table.

    Attributes:
        name: what was measured.
        unit: of ``values``.
        values: one a repeat; at least one.
        note: what bounds the figure, or what it is to be compared with.
        target: what it should reach, in the same unit; None where there is none.
    """

    name: str
    unit: str
    values: Sequence[float]
    note: str = ""
    target: float | None = None

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)


def describe(packages: Sequence[str] = ("numpy",)) -> dict[str, Any]:
    """Return the machine in words: nothing in it says whose it is or where.

    Args:
        packages: distributions whose versions matter to the figures.
    """
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def seconds(work: Callable[[], object], repeats: int, warm_up: int = 1) -> list[float]:
    """Return the wall seconds of each of ``repeats`` calls, after ``warm_up`` calls that do not count."""
    for _ in range(warm_up):
        work()
    gc.collect()
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return taken


def report(
    benchmark: str,
    question: str,
    figures: Sequence[Figure],
    packages: Sequence[str] = ("numpy",),
    details: dict[str, Any] | None = None,
) -> Path:
    """Print a table and write ``benchmarks/results/<benchmark>.json``.

    Args:
        benchmark: name of the file.
        question: what the benchmark asks, one sentence.
        figures: the lines.
        packages: as for ``describe``.
        details: what else belongs into the file (sizes, settings).

    Returns:
        The file.
    """
    machine = describe(packages)
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    print(f"\n{benchmark}: {question}")
    print(f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, {versions}")
    width = max(len(figure.name) for figure in figures)
    print(f"\n{'':{width}}  {'median':>9}  {'(min - max)':>19}  {'n':>3}  unit")
    for figure in figures:
        spread = f"({min(figure.values):.2f} - {max(figure.values):.2f})"
        target = "" if figure.target is None else f"target {figure.target:g}"
        remarks = "; ".join(part for part in (target, figure.note) if part)
        line = f"{figure.name:{width}}  {figure.median:9.2f}  {spread:>19}  {len(figure.values):3}  {figure.unit:5}"
        print(f"{line}  {remarks}".rstrip())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{benchmark}.json"
    content = {
        "benchmark": benchmark,
        "question": question,
        "machine": machine,
        **(details or {}),
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "n": len(figure.values),
                "median": round(figure.median, 4),
                "min": round(min(figure.values), 4),
                "max": round(max(figure.values), 4),
                **({} if figure.target is None else {"target": figure.target}),
                **({"note": figure.note} if figure.note else {}),
            }
            for figure in figures
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nwritten: benchmarks/results/{path.name}")
    return path


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
