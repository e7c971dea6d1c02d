"""Runs scenarios by seed, and adds up what came of them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from rayfed.node.edge_node import EdgeNode
from rayfed.testing.chaos.checks import CHECKS, Broken
from rayfed.testing.chaos.readings import outcomes, rounds_lost, slashed
from rayfed.testing.chaos.scenarios import SCENARIOS, Scenario
from rayfed.testing.chaos.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run.

    Attributes:
        scenario, seed: what repeats it.
        broken: the checks that failed, with what they found; empty if it survived.
        extra_seconds: how much longer it took by the chain's clock than if nothing had gone wrong; of a run over real
            parts, how long it took.
        rounds, rounds_lost: how many rounds there were, and how many of them ended void.
        reorganisations, restarts: how often the chain went back, and nodes were started again; of a run over real
            parts, how often the whole run was carried on.
        wall_seconds: what it took here.
        honest_slashed: how many honest nodes lost stake; must be none.
        cheats_slashed: how many of those that cheated did.
    """

    scenario: str
    seed: int
    broken: dict[str, str]
    extra_seconds: int
    rounds: int
    rounds_lost: int
    reorganisations: int
    restarts: int
    wall_seconds: float
    honest_slashed: int
    cheats_slashed: int

    @property
    def again(self) -> str:
        """The command that repeats it."""
        real = "--real " if self.scenario.startswith("real_") else ""
        return f"python -m rayfed chaos {real}--scenario {self.scenario} --seed {self.seed}"


def run(scenario: Scenario, seed: int, build: type[EdgeNode] = EdgeNode) -> tuple[Result, World]:
    """Run one scenario once, in a folder that is gone afterwards; return what came of it, and the world as it ended."""
    folder = Path(tempfile.mkdtemp(prefix="rayfed-chaos-"))
    start = time.perf_counter()
    try:
        world = World(scenario, seed, folder, build)
        world.play()
        broken = {check.__name__: found for check in CHECKS if (found := _failure(check, world))}
        for seat in world.seats:
            if seat.journal is not None:
                seat.journal.close()
    finally:
        shutil.rmtree(folder)
    result = Result(
        scenario.name,
        seed,
        broken,
        world.over - world.began,  # undisturbed, no second passes: everybody acts at once
        len(outcomes(world)),
        rounds_lost(world),
        world.chain.reorganisations,
        sum(seat.starts - 1 for seat in world.seats),
        time.perf_counter() - start,
        slashed(world, cheats=False),
        slashed(world, cheats=True),
    )
    return result, world


def _failure(check: Callable[[World], None], world: World) -> str:
    try:
        check(world)
    except Broken as broken:
        return str(broken)
    return ""


def run_all(names: Iterable[str], seeds: Iterable[int]) -> Iterator[Result]:
    """Run each scenario with each seed."""
    seeds = list(seeds)
    for name in names:
        for seed in seeds:
            yield run(SCENARIOS[name], seed)[0]


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario's line in the table: what came of ``n`` runs."""

    scenario: str
    about: str
    n: int
    survived: int
    extra_seconds: float
    most_extra_seconds: int
    rounds: int
    rounds_lost: int
    wall_seconds: float
    broken: tuple[str, ...]
    honest_slashed: int
    cheats_slashed: int


def table(results: Iterable[Result], about: Mapping[str, str] | None = None) -> list[Row]:
    """Add results up by scenario, in the order of ``about``: what each is about, by name; by default ``SCENARIOS``."""
    by_name: dict[str, list[Result]] = {}
    for result in results:
        by_name.setdefault(result.scenario, []).append(result)
    rows = []
    for name, line in (about or {name: scenario.about for name, scenario in SCENARIOS.items()}).items():
        if name not in by_name:
            continue
        found = by_name[name]
        rows.append(
            Row(
                name,
                line,
                len(found),
                sum(not result.broken for result in found),
                mean(result.extra_seconds for result in found),
                max(result.extra_seconds for result in found),
                sum(result.rounds for result in found),
                sum(result.rounds_lost for result in found),
                sum(result.wall_seconds for result in found),
                tuple(sorted({check for result in found for check in result.broken})),
                sum(result.honest_slashed for result in found),
                sum(result.cheats_slashed for result in found),
            )
        )
    return rows
