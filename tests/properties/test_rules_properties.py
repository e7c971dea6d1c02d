"""Each rule against a twin that is too simple to be wrong."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfed.aggregation import rules
from rayfed.encoding import blocks

INT32 = st.one_of(
    st.integers(-3, 3),  # ties and signs
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from([-(2**31), -(2**31) + 1, 2**31 - 2, 2**31 - 1]),
)


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    n = draw(st.one_of(st.integers(1, 12), st.integers(1, 64)))
    rows = draw(st.lists(st.lists(INT32, min_size=n, max_size=n), min_size=1, max_size=4))
    weights = draw(st.lists(st.integers(0, 2**32 - 1), min_size=n, max_size=n))
    return rows, weights


def kernel(rule: rules.Rule, rows: list[list[int]], weights: list[int]) -> list[int]:
    out = np.empty(len(rows), np.int32)
    rule.merge([np.array(column, np.int32) for column in zip(*rows, strict=True)], weights, out)
    return [int(value) for value in out]


@given(columns(), st.integers(1, rules.MAX_WEIGHT))
def test_mean(data: tuple[list[list[int]], list[int]], max_weight: int) -> None:
    rows, weights = data
    capped = [max(1, min(weight, max_weight)) for weight in weights]
    twin = [sum(w * q for w, q in zip(capped, row, strict=True)) // sum(capped) for row in rows]
    assert kernel(rules.make("mean", max_weight=max_weight), rows, weights) == twin


@given(columns(), st.integers(0, 4999))
def test_trimmed_mean(data: tuple[list[list[int]], list[int]], trim: int) -> None:
    rows, weights = data
    n = len(weights)
    k = n * trim // 10_000
    twin = [sum(sorted(row)[k : n - k]) // (n - 2 * k) for row in rows]
    assert kernel(rules.make("trimmed_mean", trim=trim), rows, weights) == twin


@given(columns())
def test_median(data: tuple[list[list[int]], list[int]]) -> None:
    rows, weights = data
    twin = []
    for row in rows:
        ordered = sorted(row)
        upper, lower = ordered[len(row) // 2], ordered[(len(row) - 1) // 2]
        twin.append((upper + lower) // 2)
    assert kernel(rules.make("median"), rows, weights) == twin


@settings(max_examples=50)
@given(columns(), st.sampled_from(["mean", "trimmed_mean", "median"]), st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_is_all_one(data: tuple[list[list[int]], list[int]], name: str, random: Random) -> None:
    rows, weights = data
    order = list(range(len(weights)))
    random.shuffle(order)
    rule = rules.make(name, trim=2000)
    shuffled = [[row[index] for index in order] for row in rows]
    assert kernel(rule, shuffled, [weights[index] for index in order]) == kernel(rule, rows, weights)


@given(columns(), st.sampled_from(["mean", "trimmed_mean", "median"]))
def test_the_merge_lies_between_the_lowest_and_the_highest(data: tuple[list[list[int]], list[int]], name: str) -> None:
    rows, weights = data
    for row, value in zip(rows, kernel(rules.make(name, trim=1000), rows, weights), strict=True):
        assert min(row) <= value <= max(row)


class Midrange(rules.Rule):
    """A toy rule: the floored middle between the lowest and the highest value; no other code knows of it."""

    name = "midrange"
    by_coordinate = True

    def write(self, updates: rules.Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        stacked = np.array(updates.values, np.int64)
        np.copyto(out, (stacked.min(axis=0) + stacked.max(axis=0)) // 2, casting="unsafe")


def every_rule(name: str) -> rules.Rule:
    return Midrange() if name == "midrange" else rules.make(name, trim=2000)


@st.composite
def cut_updates(draw: st.DrawFn) -> tuple[list[npt.NDArray[np.int32]], list[int], list[int]]:
    """Updates of a few blocks, their weights, and places at which to cut them."""
    n = draw(st.integers(1, 6))
    size = draw(st.one_of(st.integers(1, 40), st.integers(blocks.BLOCK - 2, 2 * blocks.BLOCK + 9)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = [random.integers(-(2**31), 2**31, size).astype(np.int32) for _ in range(n)]
    weights = draw(st.lists(st.integers(0, 2**32 - 1), min_size=n, max_size=n))
    cuts = draw(st.lists(st.integers(0, size), max_size=5))
    return values, weights, sorted({0, size, *cuts})


@settings(max_examples=60, deadline=None)
@given(cut_updates(), st.sampled_from(["mean", "trimmed_mean", "median", "midrange"]))
def test_ranges_one_behind_the_other_are_the_whole(
    data: tuple[list[npt.NDArray[np.int32]], list[int], list[int]], name: str
) -> None:
    values, weights, cuts = data
    rule = every_rule(name)
    whole = np.empty(values[0].size, np.int32)
    rule.merge(values, weights, whole)
    parts = []
    for start, stop in pairwise(cuts):
        part = np.empty(stop - start, np.int32)
        rule.merge(values, weights, part, start=start, stop=stop)
        parts.append(part)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
