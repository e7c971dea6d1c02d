"""Each rule against a twin that is too simple to be wrong."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfed.aggregation import rules

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
