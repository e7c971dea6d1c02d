"""Honest members stay in, over many rounds: federations of the simulation under the default screens."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.fairness import defences, member
from benchmarks.simulation import Threat, Trace, World, run
from rayfed.learning import data

ROUNDS = 40


@cache
def played(threat: Threat, shards: int | None, nodes: int, liars: int, name: str = "default") -> Trace:
    world = World(data.load("digits"), nodes, None, seed=3, shards=shards)
    return run(world, defences(nodes)[name], threat, liars, ROUNDS)


def test_who_was_away_while_the_others_converged_comes_back() -> None:
    """Its classes are in nobody else's images and have left the model; its first updates are far from ordinary."""
    away = 25
    trace = played(Threat("away", "silent", until=away), 2, 5, 1)
    assert not any(bitmap >> 4 & 1 for bitmap in trace.included[:away])
    back = member(trace.included[away:], 4)
    assert back["longest"] <= 1
    assert trace.accuracy[-1] > trace.accuracy[away - 1] + 0.1, "and the model knows its classes again"


@pytest.mark.parametrize(
    ("options", "since"),
    [({"against": 0.0}, 1), ({"against": 1.0}, 1), ({"still": 10.0}, 1), ({"against": 3.0}, 20)],
    ids=["by votes", "taken back", "others still", "late"],
)
def test_nobody_is_left_out_because_some_want_it(options: dict[str, float], since: int) -> None:
    trace = played_once(Threat("shun", "shun", options, since))
    assert member(trace.included, 0)["out"] == 0


def played_once(threat: Threat) -> Trace:
    world = World(data.load("digits"), 7, None, seed=3)
    return run(world, defences(7)["default"], threat, 2, 25)
