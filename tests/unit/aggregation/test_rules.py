from __future__ import annotations

import itertools

import numpy as np
import pytest

from rayfed.aggregation import rules
from rayfed.aggregation.rules.network import merge_exchange, middle
from rayfed.encoding import blocks
from rayfed.errors import ConfigError


def merged(name: str, rows: list[list[int]], weights: list[int] | None = None, **settings: int) -> list[int]:
    out = np.full(len(rows[0]), 77, np.int32)
    rule = rules.make(name, **settings)
    assert rule.name == name
    rule.merge([np.array(row, np.int32) for row in rows], weights or [1] * len(rows), out)
    return [int(value) for value in out]


def test_the_mean_floors_towards_minus_infinity() -> None:
    assert merged("mean", [[-1, 1, -4, 4], [0, 0, 1, 1]]) == [-1, 0, -2, 2]


def test_weights_count_and_are_capped_on_both_sides() -> None:
    assert merged("mean", [[0], [100]], [1, 3]) == [75]
    assert merged("mean", [[0], [100]], [1, 3], max_weight=1) == [50]
    assert merged("mean", [[0], [100]], [0, 1]) == [50]
    assert merged("mean", [[0], [90]], [10**12, 10], max_weight=20) == [30]


@pytest.mark.parametrize("extreme", [-(2**31), 2**31 - 1])
def test_the_largest_sum_there_can_be_does_not_overflow(extreme: int) -> None:
    weights = [rules.MAX_WEIGHT] * 255 + [rules.MAX_WEIGHT - 1]  # no common factor that would make them small
    assert merged("mean", [[extreme]] * 256, weights, max_weight=rules.MAX_WEIGHT) == [extreme]
    assert merged("median", [[extreme]] * 256) == [extreme]
    assert merged("trimmed_mean", [[extreme]] * 256, trim=0) == [extreme]


def test_the_trimmed_mean_ignores_what_it_cuts() -> None:
    rows = [[5], [2**31 - 1], [7], [-(2**31)], [6]]
    assert merged("trimmed_mean", rows, trim=2000) == [6]
    assert merged("trimmed_mean", rows, trim=1999) == [3]  # k = 0: the mean of all, (5 + 7 + 6 - 1) // 5


@pytest.mark.parametrize(("n", "trim", "k"), [(10, 1000, 1), (9, 1111, 0), (9, 1112, 1), (30, 1000, 3), (3, 4999, 1)])
def test_how_many_are_cut(n: int, trim: int, k: int) -> None:
    rows = [[10**i if i < 10 else 10**9] for i in range(n)]
    kept = sorted(row[0] for row in rows)[k : n - k]
    assert merged("trimmed_mean", rows, trim=trim) == [sum(kept) // len(kept)]


def test_the_median_of_an_even_number_is_the_floored_mean_of_the_middle_two() -> None:
    assert merged("median", [[4], [1], [-9], [2]]) == [1]
    assert merged("median", [[4], [-1], [-9], [-2]]) == [-2]
    assert merged("median", [[4], [1], [-9]]) == [1]


@pytest.mark.parametrize("name", ["mean", "trimmed_mean", "median"])
def test_one_update_merges_to_itself(name: str) -> None:
    row = [-(2**31), -1, 0, 1, 2**31 - 1]
    assert merged(name, [row], [12345], trim=4999) == row


@pytest.mark.parametrize("name", ["mean", "trimmed_mean", "median"])
@pytest.mark.parametrize("n", [2, 5, 10, 40])
def test_blocks_and_threads_change_nothing(name: str, n: int) -> None:
    random = np.random.default_rng(n)
    size = 2 * blocks.BLOCK + 17
    values = [random.integers(-(2**31), 2**31, size).astype(np.int32) for _ in range(n)]
    weights = [int(weight) for weight in random.integers(1, 5000, n)]
    rule = rules.make(name, trim=2000)
    one, two = np.empty(size, np.int32), np.empty(size, np.int32)
    rule.merge(values, weights, one, threads=1)
    rule.merge(values, weights, two, threads=3)
    assert np.array_equal(one, two)
    for start in (0, blocks.BLOCK - 3, size - 40):
        part = slice(start, start + 40)
        alone = np.empty(40, np.int32)
        rule.merge([update[part] for update in values], weights, alone)
        assert np.array_equal(one[part], alone)


def test_inputs_are_left_as_they_are() -> None:
    values = [np.array([3, 1, 2], np.int32), np.array([1, 2, 3], np.int32), np.array([2, 3, 1], np.int32)]
    copies = [update.copy() for update in values]
    for update in values:
        update.flags.writeable = False  # a blob from the store is read-only
    for name in ("mean", "trimmed_mean", "median"):
        rules.make(name, trim=3400).merge(values, [1, 1, 1], np.empty(3, np.int32))
    assert all(np.array_equal(update, copy) for update, copy in zip(values, copies, strict=True))


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"name": "krum"}, "merge.rule"),
        ({"name": "trimmed_mean", "trim": 5000}, "merge.trim"),
        ({"name": "trimmed_mean", "trim": -1}, "merge.trim"),
        ({"name": "trimmed_mean", "trim": 0.1}, "merge.trim"),
        ({"name": "mean", "max_weight": 0}, "merge.max_weight"),
        ({"name": "mean", "max_weight": 2**24}, "merge.max_weight"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules.make(**settings)  # type: ignore[arg-type]  # the point of the test
    assert caught.value.setting == setting


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    rule = rules.make("mean")
    out = np.empty(2, np.int32)
    good = np.zeros(2, np.int32)
    with pytest.raises(ValueError, match="0 updates"):
        rule.merge([], [], out)
    with pytest.raises(ValueError, match="257 updates"):
        rule.merge([good] * 257, [1] * 257, out)
    with pytest.raises(ValueError, match="with 1 weights"):
        rule.merge([good, good], [1], out)
    with pytest.raises(ValueError, match="int32"):
        rule.merge([good, np.zeros(3, np.int32)], [1, 1], out)
    with pytest.raises(ValueError, match="int32"):
        rule.merge([good, np.zeros(2, np.int64)], [1, 1], out)  # type: ignore[list-item]  # the point of the test


@pytest.mark.parametrize("n", range(1, 11))
def test_the_whole_network_sorts(n: int) -> None:
    """The 0-1 principle (Knuth, TAOCP 3, 5.3.4, theorem Z): what sorts all zeros and ones sorts everything."""
    for zeros_and_ones in itertools.product((0, 1), repeat=n):
        wires = list(zeros_and_ones)
        for i, j in merge_exchange(n):
            wires[i], wires[j] = min(wires[i], wires[j]), max(wires[i], wires[j])
        assert wires == sorted(zeros_and_ones)


@pytest.mark.parametrize("n", range(1, 11))
def test_the_cut_network_leaves_the_middle(n: int) -> None:
    for k in range((n + 1) // 2):
        program = middle(n, k)
        for inputs in itertools.product((0, 1), repeat=n):
            register = [*inputs, *[None] * program.scratch]
            for is_max, left, right, target in program.steps:
                assert target >= n, "an input must not be overwritten"
                register[target] = (max if is_max else min)(register[left], register[right])
            assert sorted(register[index] for index in program.outputs) == sorted(inputs)[k : n - k]


def test_the_cut_network_is_smaller_than_the_whole_one() -> None:
    assert len(middle(10, 1).steps) < len(merge_exchange(10)) * 2
    with pytest.raises(ValueError, match="cannot cut 1 from each end of 2"):
        middle(2, 1)
