"""Exact inner products against Python's own whole numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfed.aggregation.gram import gram, root
from rayfed.encoding import blocks

INT32 = st.one_of(st.integers(-5, 5), st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1]))


@settings(max_examples=60)
@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(INT32, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_as_exact_as_whole_numbers_are(rows: list[list[int]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    centre = [row[0] for row in rows]
    made = gram([np.array(c, np.int32) for c in columns], np.array(centre, np.int32))
    moved = [[a - b for a, b in zip(c, centre, strict=True)] for c in columns]
    n = range(len(columns))
    assert made.table == tuple(tuple(sum(a * b for a, b in zip(moved[i], moved[j], strict=True)) for j in n) for i in n)
    for i in n:
        for j in n:
            apart = sum((a - b) ** 2 for a, b in zip(columns[i], columns[j], strict=True))
            assert made.squared_distance(i, j) == apart


@pytest.mark.parametrize("reach", [40, 2**17, 2**18, 2**19, 2**31 - 1])
@pytest.mark.parametrize("threads", [1, 3])
def test_exact_over_many_blocks_whatever_the_size_of_the_values(reach: int, threads: int) -> None:
    rng = np.random.default_rng(reach)
    size = 2 * blocks.BLOCK + 77
    values = [rng.integers(-reach, reach, size, dtype=np.int32, endpoint=True) for _ in range(3)]
    made = gram(values, threads=threads)
    wide = [value.astype(object) for value in values]
    assert made.table == tuple(tuple(int(one @ other) for other in wide) for one in wide)


def test_mixing_the_table_is_mixing_the_updates() -> None:
    rng = np.random.default_rng(0)
    values = [rng.integers(-(2**20), 2**20, 50, dtype=np.int32) for _ in range(4)]
    rows = [(1, 2, 0, 0), (0, 0, 1, 1), (1, 1, 1, 1)]
    mixed = [np.sum([w * v for w, v in zip(row, values, strict=True)], axis=0).astype(np.int32) for row in rows]
    assert gram(values).mixed(rows) == gram(mixed)
    assert gram(values).chosen([2, 0]) == gram([values[2], values[0]])


def test_roots_are_cut_not_rounded() -> None:
    assert [root(value) for value in (0, 1, 3, 4, 2**200 - 1)] == [0, 1, 1, 2, 2**100 - 1]
    assert root(2, 10) == 1448


def test_what_is_made_of_it_in_floats() -> None:
    rng = np.random.default_rng(4)
    values = [rng.integers(-(2**31), 2**31, 3000, dtype=np.int32) for _ in range(5)]
    values[3] = values[1].copy()
    centre = values[4]
    table = gram(values, centre)
    wide = np.array(values, np.float64) - centre
    lengths = np.linalg.norm(wide, axis=1)
    assert table.lengths == pytest.approx(lengths)
    cosines = wide[:4] @ wide[:4].T / np.outer(lengths[:4], lengths[:4])
    assert table.cosines[:4, :4] == pytest.approx(cosines)
    assert not table.cosines[4].any(), "where the centre is there is no angle"
    assert table.distances == pytest.approx(np.linalg.norm(wide[:, None] - wide, axis=2))
    assert table.distances[1, 3] == 0
    assert gram([]).cosines.shape == gram([]).distances.shape == (0, 0)


def test_a_part_of_it_is_made_once() -> None:
    table = gram([np.arange(i, 9 + i, dtype=np.int32) for i in range(4)])
    assert table.chosen([0, 1, 2, 3]) is table
    assert table.chosen([2, 0]) is table.chosen((2, 0))
    assert table.chosen([2, 0]).table == (
        (table.table[2][2], table.table[2][0]),
        (table.table[0][2], table.table[0][0]),
    )
