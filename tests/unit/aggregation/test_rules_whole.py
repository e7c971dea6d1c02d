"""Rules that look at whole updates, and mixing: against floating-point twins, and exact in what matters."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from rayfed.aggregation import rules
from rayfed.aggregation.gram import gram
from rayfed.aggregation.rules.mixing import Buckets, NearestNeighbours
from rayfed.errors import ConfigError

SIZE = 3000
Values = NDArray[np.int32]

CHOICES = {
    "norm_clipping": {},
    "centred_clipping": {"iterations": 3},
    "geometric_median": {},
    "nnm mean": {"mixing": "nnm", "f": 2},
    "nnm trimmed_mean": {"mixing": "nnm", "f": 2, "trim": 2500},
    "nnm geometric_median": {"mixing": "nnm", "f": 2},
    "nnm centred_clipping": {"mixing": "nnm", "f": 2},
    "bucketing median": {"mixing": "bucketing"},
    "bucketing norm_clipping": {"mixing": "bucketing", "bucket": 3},
}


def make(choice: str) -> rules.Rule:
    return rules.make(choice.split()[-1], **CHOICES[choice])  # type: ignore[arg-type]


def updates(n: int = 7, seed: int = 0, spread: int = 5000) -> tuple[list[Values], Values]:
    rng = np.random.default_rng(seed)
    base = rng.integers(-(2**24), 2**24, SIZE, dtype=np.int32)
    shared = rng.normal(0, spread / 2, SIZE)
    return [(base + shared + rng.normal(0, spread * (1 + i % 3), SIZE)).astype(np.int32) for i in range(n)], base


def merge(rule: rules.Rule, values: list[Values], base: Values, weights: list[int] | None = None) -> Values:
    out = np.empty(len(base), np.int32)
    rule.merge(values, weights or [1] * len(values), out, base=base)
    return out


def geometric_median(x: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    z = x.mean(0)
    for _ in range(steps):
        pull = 1 / np.maximum(np.linalg.norm(x - z, axis=1), 1e-9)
        z = pull @ x / pull.sum()
    return z


def centred_clipping(x: NDArray[np.float64], base: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    radius = sorted(np.linalg.norm(x - base, axis=1))[(len(x) - 1) // 2]
    v = base
    for _ in range(steps):
        apart = np.linalg.norm(x - v, axis=1)
        v = v + (np.minimum(1, radius / np.maximum(apart, 1e-9))[:, None] * (x - v)).mean(0)
    return v


@pytest.mark.parametrize("n", [1, 2, 7])
def test_geometric_median_is_weiszfelds(n: int) -> None:
    values, base = updates(n)
    twin = geometric_median(np.array(values, np.float64), 100)
    assert np.abs(merge(rules.make("geometric_median", iterations=40), values, base) - twin).max() <= 2
    assert np.abs(merge(rules.make("geometric_median"), values, base) - twin).max() <= 50, "nearly there by default"


@pytest.mark.parametrize("steps", [1, 5])
def test_centred_clipping_is_the_papers(steps: int) -> None:
    values, base = updates()
    twin = centred_clipping(np.array(values, np.float64), base.astype(np.float64), steps)
    assert np.abs(merge(rules.make("centred_clipping", iterations=steps), values, base) - twin).max() <= 2


def test_norm_clipping_weighs_and_clips() -> None:
    values, base = updates()
    x = np.array(values, np.float64) - base
    norms = np.linalg.norm(x, axis=1)
    radius = 1.5 * sorted(norms)[3]
    weights = [1, 2, 3, 4, 5, 6, 70]
    share = np.minimum(weights, 50) / np.minimum(weights, 50).sum() * np.minimum(1, radius / norms)
    rule = rules.make("norm_clipping", clip=15_000, max_weight=50)
    assert np.abs(merge(rule, values, base, weights) - (base + share @ x)).max() <= 2


def test_nearest_neighbour_mixing_is_the_papers() -> None:
    values, base = updates()
    x = np.array(values, np.float64)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    mixed = np.array([np.floor(x[np.argsort(apart[i])[:5]].mean(0)) for i in range(7)])
    np.testing.assert_array_equal(merge(make("nnm mean"), values, base), np.floor(mixed.mean(0)))
    middle = np.floor(np.sort(mixed, axis=0)[1:6].mean(0))
    np.testing.assert_array_equal(merge(make("nnm trimmed_mean"), values, base), middle)
    twin = geometric_median(np.array([x[np.argsort(apart[i])[:5]].mean(0) for i in range(7)]), 100)
    rule = rules.make("geometric_median", mixing="nnm", f=2, iterations=40)
    assert np.abs(merge(rule, values, base) - twin).max() <= 2


def test_every_update_is_in_one_bucket() -> None:
    products = gram(updates(7)[0])
    rows, divisor = Buckets(3).rows(products)
    assert sorted(sum(1 for weight in row if weight) for row in rows) == [1, 3, 3]
    assert all(sum(row) == divisor for row in rows)
    assert all(sum(1 for row in rows if row[i]) == 1 for i in range(7))
    other = Buckets(3).rows(gram(updates(7, seed=1)[0]))[0]
    assert other != rows, "by chance, not by index"


def test_neighbours_of_few_updates() -> None:
    assert NearestNeighbours(3).rows(gram(updates(1)[0])) == ([[1]], 1)
    assert NearestNeighbours(3).rows(gram(updates(4)[0]))[1] == 3


@pytest.mark.parametrize("choice", CHOICES)
def test_the_order_of_the_nodes_is_all_one(choice: str) -> None:
    values, base = updates(4)
    merged = {merge(make(choice), [values[i] for i in order], base).tobytes() for order in permutations(range(4))}
    assert len(merged) == 1


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_any_number_of_threads_gives_the_same_bits(choice: str, n: int) -> None:
    rng = np.random.default_rng(n)
    size = 300_000
    base, *values = (rng.integers(-(2**31), 2**31 - 1, size, dtype=np.int32, endpoint=True) for _ in range(n + 1))
    one, three = np.empty(size, np.int32), np.empty(size, np.int32)
    make(choice).merge(values, [1] * n, one, threads=1, base=base)
    make(choice).merge(values, [1] * n, three, threads=3, base=base)
    np.testing.assert_array_equal(one, three)
    low, high = np.min([base, *values], axis=0), np.max([base, *values], axis=0)
    assert ((low <= one) & (one <= high)).all(), "convex, at the ends of int32 too"


@pytest.mark.parametrize("choice", CHOICES)
def test_equal_updates_merge_to_themselves(choice: str) -> None:
    values, base = updates(1)
    merged = merge(make(choice), values * 5, base)
    # A clipping rule moves by the median distance, which is everybody's: all the way, but for the last floor.
    assert np.abs(merged.astype(np.int64) - values[0]).max() <= 1


@pytest.mark.parametrize(
    "choice", [c for c in CHOICES if c not in ("norm_clipping", "nnm mean", "bucketing norm_clipping")]
)
def test_a_few_wild_ones_do_no_harm(choice: str) -> None:
    values, base = updates(9)
    honest = np.mean(values[:7], axis=0)
    reach = max(np.linalg.norm(v - honest) for v in values[:7])
    for wild in (2**31 - 1, -(2**31)):
        values[7:] = [np.full(SIZE, wild, np.int32)] * 2
        assert np.linalg.norm(merge(make(choice), values, base) - honest) < 2 * reach


def test_what_the_contract_can_recompute() -> None:
    names = ("mean", "trimmed_mean", "median", "norm_clipping", "centred_clipping", "geometric_median")
    assert [rules.make(name).code for name in names] == [1, 2, 3, 0, 0, 0]
    assert {make(choice).code for choice in CHOICES} == {0}


def test_a_rule_that_needs_the_base_says_so() -> None:
    values, _ = updates(3)
    for choice in CHOICES:
        rule = make(choice)
        assert rule.needs_base == ("clipping" in choice)
        if rule.needs_base:
            with pytest.raises(ValueError, match="needs the round's base"):
                rule.merge(values, [1] * 3, np.empty(SIZE, np.int32))


@pytest.mark.parametrize(
    ("name", "options", "setting"),
    [
        ("mean", {"mixing": "blend"}, "merge.mixing"),
        ("mean", {"mixing": "nnm"}, "merge.f"),
        ("mean", {"mixing": "bucketing", "bucket": 1}, "merge.bucket"),
        ("geometric_median", {"iterations": 0}, "merge.iterations"),
        ("centred_clipping", {"clip": 0}, "merge.clip"),
        ("norm_clipping", {"max_weight": 0}, "merge.max_weight"),
    ],
)
def test_settings_that_make_no_sense_are_named(name: str, options: dict[str, int], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules.make(name, **options)  # type: ignore[arg-type]
    assert caught.value.setting == setting
