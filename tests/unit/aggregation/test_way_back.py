"""Who has been left out for some rounds is let in for a small harm, and for no large one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fairness import defences, member, world
from benchmarks.simulation import Defence, Threat, run
from rayfed.aggregation import screens
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.cosine import Cosine
from rayfed.aggregation.screens.holdout import Holdout
from rayfed.errors import ConfigError
from tests.unit.aggregation.test_screens_kinds import ZERO, accepted, evidence, learnt, loss_of


def refused_before(given: Evidence, member: int, rounds: int) -> Evidence:
    """Return it with a member that has been left out of so many rounds in a row."""
    return replace(given, left_out=lambda row: {member} if row <= rounds else set())


OTHERS = [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_holdout_forgives_a_small_harm() -> None:
    updates = learnt(10)
    updates[3] = (-updates[3] / 4).astype(np.int32)
    given = evidence(updates, ZERO, loss_of)
    nats = Holdout().judge(given)[3].score * loss_of(np.mean(updates, axis=0).astype(np.int32))
    screen = Holdout(least_alike=nats / 2, least=nats / 2, patience=3, forgiven=2.5)
    assert accepted(screen, refused_before(given, 3, 2)) == OTHERS
    assert accepted(screen, refused_before(given, 3, 3)) == list(range(10))
    assert accepted(screen, refused_before(given, 4, 3)) == OTHERS, "another's row"
    assert accepted(replace(screen, forgiven=1.5), refused_before(given, 3, 3)) == OTHERS
    assert accepted(replace(screen, patience=0), refused_before(given, 3, 3)) == OTHERS


def test_cosine_forgives_a_small_harm() -> None:
    updates = learnt(10)
    updates[3] = -updates[3]
    given = evidence(updates, ZERO, loss_of)
    nats = loss_of(np.mean(updates, axis=0)) - loss_of(np.mean([updates[i] for i in OTHERS], axis=0))
    screen = Cosine(least=nats / 2, patience=3, forgiven=2.5)
    assert accepted(screen, refused_before(given, 3, 2)) == OTHERS
    assert accepted(screen, refused_before(given, 3, 3)) == list(range(10))
    assert accepted(replace(screen, forgiven=1.5), refused_before(given, 3, 3)) == OTHERS
    assert accepted(replace(screen, patience=0), refused_before(given, 3, 3)) == OTHERS
    blind = replace(refused_before(given, 3, 3), loss=None)
    assert accepted(screen, blind) == OTHERS, "who has no data cannot tell how small it is"


@pytest.mark.parametrize("screen", [Holdout(), Cosine()], ids=lambda screen: screen.name)
def test_nobody_looks_at_past_rounds_without_need(screen: Holdout | Cosine) -> None:
    asked: list[int] = []

    def left_out(rounds: int) -> Collection[int]:
        asked.append(rounds)
        return ()

    for worst in (1.0, -1.0):  # nobody does harm, one does too much to be forgiven
        updates = learnt(10)
        updates[3] = (worst * updates[3]).astype(np.int32)
        screen.judge(replace(evidence(updates, ZERO, loss_of), left_out=left_out))
    assert asked == []


@pytest.mark.parametrize("name", ["holdout", "cosine"])
@pytest.mark.parametrize(("setting", "value"), [("patience", -1), ("patience", 1.5), ("forgiven", 0.5)])
def test_settings_that_make_no_sense_are_named(name: str, setting: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        screens.make(name, {setting: value})
    assert caught.value.setting == f"screens.{name}.{setting}"


@pytest.mark.parametrize(("patience", "longest"), [(0, 5), (3, 3)])
def test_an_honest_member_is_in_again_after_three_rounds(patience: int, longest: int) -> None:
    """Ten nodes with data alike, the seed of the longest row that was found."""
    chosen = {name: dict(settings) for name, settings in defences(10)["default"].screens.items()}
    for name in ("holdout", "cosine"):
        chosen[name]["patience"] = patience
    trace = run(world("iid", 10, 1007), Defence("default", chosen), Threat("none"), 0, 8)
    assert max(member(trace.included, index)["longest"] for index in range(10)) == longest
