"""Means with some left out: what is shared between nodes, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.holdout import Holdout
from rayfed.aggregation.screens.means import Means

SIZE = (1 << 17) + 100
Values = NDArray[np.int32]


def evidence(count: int) -> Evidence:
    rng = np.random.default_rng(1)
    updates = {i: rng.integers(-(2**31), 2**31, SIZE, dtype=np.int32) for i in range(count)}
    weights = {i: i + 1 for i in updates}
    return Evidence(np.zeros(SIZE, np.int32), updates, weights, None, lambda i: 1.0)


def wanted(given: Evidence, left_out: Collection[int]) -> Values:
    kept = [i for i in given.indices if i not in left_out]
    total = sum(given.updates[i].astype(np.float64) * given.weights[i] for i in kept)
    return np.rint(total / sum(given.weights[i] for i in kept)).astype(np.int32)


def test_they_are_the_rounded_means() -> None:
    given = evidence(5)
    means = Means(given, given.indices)
    np.testing.assert_array_equal(means.of_all(), wanted(given, ()))
    for left_out in ((2,), (4,), (0, 3)):
        np.testing.assert_array_equal(means.without(left_out), wanted(given, left_out))


def test_means_without_groups_differ_by_no_more_than_float32_does() -> None:
    given = evidence(5)
    means = Means(given, given.indices, [(0, 3), (1, 2)])
    for made, left_out in ((means.of_all(), ()), *((means.without(group), group) for group in means.groups)):
        apart = np.abs(made.astype(np.float64) - wanted(given, left_out))
        assert 0 < apart.max() < 2**31 / 2**21
    np.testing.assert_array_equal(means.without([3]), wanted(given, [3]), "and by none at all without one")


def test_means_without_groups_stay_what_an_int32_holds() -> None:
    for end in (2**31 - 1, -(2**31)):
        updates = {i: np.full(100, end, np.int32) for i in range(4)}
        given = Evidence(np.zeros(100, np.int32), updates, dict.fromkeys(updates, 7), None, lambda i: 1.0)
        made = Means(given, given.indices, [(0, 1)]).without((0, 1))
        assert (np.abs(made.astype(np.int64) - end) < 128).all()


def test_nodes_that_judge_the_same_updates_make_the_same_means_once() -> None:
    made: dict[Hashable, Values] = {}
    asked = 0

    def shared(key: Hashable, make: Callable[[], Values]) -> Values:
        nonlocal asked
        asked += 1
        if key not in made:
            made[key] = make()
        return made[key]

    given = replace(evidence(12), loss=lambda values: float(np.abs(values.astype(np.float64)).mean()) / 2**31)
    verdicts = [Holdout().judge(replace(given, own=own, shared=shared)) for own in (0, 1)]
    alone = [Holdout().judge(replace(given, own=own)) for own in (0, 1)]
    assert verdicts == alone
    assert (asked, len(made)) == (2, 1), "of all, and without each of two thirds, in one"
    assert next(iter(made.values())).shape == (3, SIZE)
    Holdout().judge(replace(given.without({3}), shared=shared))
    assert len(made) == 2, "of other updates the means are others"


def test_nodes_that_judge_few_updates_make_each_mean_once() -> None:
    def loss(values: Values) -> float:
        return float(np.abs(values.astype(np.float64)).mean()) / 2**31

    known: dict[Hashable, float] = {}
    made: list[Hashable] = []

    def common_loss(key: Hashable, make: Callable[[], Values]) -> float:
        if key not in known:
            made.append(key)
            known[key] = loss(make())
        return known[key]

    given = replace(evidence(5), loss=loss)
    verdicts = [Holdout().judge(replace(given, own=own, common_loss=common_loss)) for own in (0, 1)]
    assert verdicts == [Holdout().judge(replace(given, own=own)) for own in (0, 1)]
    assert len(made) == len(set(made)) == 7, "the base, the mean of all, and those without one"
