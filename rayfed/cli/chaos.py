"""``python -m rayfed chaos``: runs scenarios, shows what came of them, and says how to repeat what went wrong."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rayfed.errors import ConfigError
from rayfed.testing.chaos.runner import Result, Row, run_all, table
from rayfed.testing.chaos.scenarios import SCENARIOS

SURVIVED = 0
BROKEN = 1

WIDE = 140
"""Columns of a terminal in which there is room for what a scenario is about."""


def main(words: Sequence[str]) -> int:
    """Run what the command line asks for.

    Returns:
        0 where every run survived, 1 where a check failed.

    Raises:
        ConfigError: there is no such scenario, or the report cannot be written.
    """
    if words[:1] == ["adversary"]:
        from rayfed.cli import adversary

        return adversary.main(words[1:])
    args = _parser().parse_args(words)
    known = _about(args.real)
    names = args.scenario or list(known)
    for name in names:
        if name not in known:
            raise ConfigError("--scenario", f"there is no {name!r}; there are {', '.join(known)}")
    if args.seeds < 1:
        raise ConfigError("--seeds", f"must be at least 1, is {args.seeds}")
    seeds = [args.seed] if args.seed is not None else list(range(args.seeds))
    console = Console()
    runs = _real(names, seeds, console) if args.real else run_all(names, seeds)
    results: list[Result] = []
    for result in _shown(runs, len(names) * len(seeds), console):
        results.append(result)
        if args.json is not None:  # each time: hours of runs are not to be lost with the last
            write(args.json, table(results, known), results)
    console.print(as_table(table(results, known), wide=console.width >= WIDE))
    return BROKEN if any(result.broken for result in results) else SURVIVED


def _shown(results: Iterable[Result], total: int, console: Console) -> Iterator[Result]:
    """Pass results on, with a line that tells how far it is, and one for each check that fails."""
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        for result in results:
            progress.update(task, advance=1, description=f"{result.scenario} {result.seed}")
            for check, found in result.broken.items():
                progress.console.print(f"{check}: {found}\n  again: {result.again}", soft_wrap=True, highlight=False)
            yield result


def _about(real: bool) -> dict[str, str]:
    if not real:
        return {name: scenario.about for name, scenario in SCENARIOS.items()}
    from rayfed.testing.chaos.real.faults import REAL

    return {name: scenario.about for name, scenario in REAL.items()}


def _real(names: Sequence[str], seeds: Sequence[int], console: Console) -> Iterator[Result]:
    """Run each scenario with each seed over real parts, seed by seed, and tell what is done."""
    from rayfed.testing.chaos.real.cluster import Cluster
    from rayfed.testing.chaos.real.faults import REAL
    from rayfed.testing.chaos.real.runner import run_real

    def tell(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    runs = [(name, seed) for seed in seeds for name in names]
    # To start Ray costs as much as half a run: those that do not touch it share one.
    shared = sum(not REAL[name].own_cluster for name, _ in runs) > 1
    cluster = Cluster() if shared else None
    try:
        for name, seed in runs:
            tell(f"{name} {seed}")
            result = run_real(REAL[name], seed, tell, cluster)
            yield result
            if result.broken and cluster is not None:
                # Ray starts again the actors of a run that did not end; they would be in the way of all that follow.
                cluster.stop()
                cluster = Cluster()
    finally:
        if cluster is not None:
            cluster.stop()


def as_table(rows: Sequence[Row], *, wide: bool) -> Table:
    """Return the table: a line a scenario; ``wide`` says what goes wrong in it, too."""
    shown = Table(box=SIMPLE_HEAD)
    shown.add_column("scenario", no_wrap=True)
    if wide:
        shown.add_column("what goes wrong")
    for name in ("n", "survived", "extra s, mean", "most", "rounds lost", "honest slashed", "broken"):
        shown.add_column(name, justify="left" if name == "broken" else "right")
    for row in rows:
        figures = (row.n, row.survived, f"{row.extra_seconds:.0f}", row.most_extra_seconds)
        lost = f"{row.rounds_lost}/{row.rounds}"
        last = lost, str(row.honest_slashed), ", ".join(row.broken)
        shown.add_row(row.scenario, *([row.about] if wide else []), *map(str, figures), *last)
    return shown


def write(path: Path, rows: Sequence[Row], results: Sequence[Result]) -> None:
    """Write the table, and every run that did not survive, as JSON.

    Raises:
        ConfigError: naming ``--json``.
    """
    told = {
        "rows": [asdict(row) for row in rows],
        "broken": [{**asdict(result), "again": result.again} for result in results if result.broken],
    }
    try:
        path.write_text(json.dumps(told, indent=1) + "\n")
    except OSError as error:
        raise ConfigError("--json", f"cannot write {path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed chaos",
        description="Let machines crash, peers cheat and the chain reorganise, and check that the right model results.",
        epilog="`rayfed chaos adversary` searches for attacks. "
        + "; ".join(f"{scenario.name}: {scenario.about}" for scenario in SCENARIOS.values()),
    )
    parser.add_argument(
        "--real", action="store_true", help="with real Ray, Anvil and S3 servers: minutes a run instead of seconds"
    )
    parser.add_argument("--seeds", type=int, default=10, help="runs of each scenario (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="only one run of each, with this seed")
    parser.add_argument("--scenario", action="append", help="run only this scenario; may be given several times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table and the failures to this file")
    return parser
