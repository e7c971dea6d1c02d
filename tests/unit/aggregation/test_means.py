"""Means with some left out: what is shared between nodes, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Hashable
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


def test_they_are_the_rounded_means() -> None:
    given = evidence(5)
    means = Means(given, given.indices)
    for left_out in ((), (2,), (4,), (0, 3)):
        kept = [i for i in given.indices if i not in left_out]
        total = sum(given.updates[i].astype(np.float64) * given.weights[i] for i in kept)
        wanted = np.rint(total / sum(given.weights[i] for i in kept)).astype(np.int32)
        np.testing.assert_array_equal(means.without(left_out) if left_out else means.of_all(), wanted)


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
    assert asked == 2 * len(made) == 6, "of all, and without each of two thirds"
    Holdout().judge(replace(given.without({3}), shared=shared))
    assert len(made) == 6, "of other updates the means are others"
