"""Honest members stay in, over many rounds: federations of the simulation under the default screens."""

from __future__ import annotations

import pytest

from benchmarks.fairness import defences, member
from benchmarks.simulation import Threat, Trace, run
from benchmarks.worlds import World
from rayfed.learning import data


def played(threat: Threat, nodes: int, liars: int, rounds: int, shards: int | None = None) -> Trace:
    world = World(data.load("digits"), nodes, None, seed=3, shards=shards)
    return run(world, defences(nodes)["default"], threat, liars, rounds)


def test_who_was_away_while_the_others_converged_comes_back() -> None:
    """Its classes are in nobody else's images and have left the model; its first updates are far from ordinary."""
    away = 25
    trace = played(Threat("away", "silent", until=away), 5, 1, 35, shards=2)
    assert not any(bitmap >> 4 & 1 for bitmap in trace.included[:away])
    assert member(trace.included[away:], 4)["longest"] <= 1
    assert trace.accuracy[-1] > trace.accuracy[away - 1] + 0.05, "and the model knows its classes again"


@pytest.mark.parametrize(
    ("options", "since"),
    [({"against": 0.0}, 1), ({"against": 1.0}, 1), ({"still": 10.0}, 1), ({"against": 3.0}, 15)],
    ids=["by votes", "taken back", "others still", "late"],
)
def test_nobody_is_left_out_because_some_want_it(options: dict[str, float], since: int) -> None:
    trace = played(Threat("shun", "shun", options, since), 7, 2, 20)
    assert member(trace.included, 0)["out"] <= 1
