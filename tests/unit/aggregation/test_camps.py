"""Who may be refused for being different, and who are too many for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfed.aggregation.screens import Evidence, Screen, ballot
from rayfed.aggregation.screens.camps import singled_out
from rayfed.aggregation.screens.cosine import Cosine
from rayfed.aggregation.screens.norm import Norm, distance
from rayfed.aggregation.screens.progress import Progress
from rayfed.encoding.primitives import bits

SIZE = 2000


def test_fewer_than_a_third_may_be_refused_for_being_different() -> None:
    assert singled_out({1: 0.5, 4: 0.4, 6: 0.3}, 10) == {1, 4, 6}
    assert singled_out({1: 0.5, 4: 0.4}, 7) == {1, 4}
    assert singled_out({}, 7) == singled_out({}, 0) == frozenset()


def test_more_than_that_are_a_camp() -> None:
    assert singled_out({1: 0.5, 4: 0.4, 6: 0.3}, 7) == frozenset()
    assert singled_out({0: 0.5, 2: 0.4}, 4) == frozenset()
    assert singled_out({2: 0.9}, 3) == frozenset(), "a quorum of three is all of them"


def test_who_lies_a_little_off_does_not_cover_for_who_lies_far_off() -> None:
    assert singled_out({1: 0.9, 4: 0.8, 6: 0.1, 2: 0.3}, 7) == {1, 4}
    assert singled_out({1: 0.9, 4: 0.8, 6: 0.45}, 7) == frozenset()


def test_of_equal_ones_all_nodes_name_the_same() -> None:
    assert singled_out({5: 1.0, 3: 1.0, 1: 0.1}, 7) == {3, 5}


def camps(many: int, few: int) -> Evidence:
    """Updates of two classes that pull against each other; the base lies on the way of the many."""
    rng = np.random.default_rng(0)
    way = rng.normal(0, 1000, SIZE)
    base, genesis = np.rint(way).astype(np.int32), np.zeros(SIZE, np.int32)
    signs = [1] * many + [-8] * few
    updates = {
        i: np.rint(base + sign * way + rng.normal(0, 200, SIZE)).astype(np.int32) for i, sign in enumerate(signs)
    }
    return Evidence(
        base, updates, dict.fromkeys(updates, 1), None, lambda i: distance(updates[i], base),
        loss=lambda values: 2.0 if values is genesis else 0.4 + float(np.abs(values - base).mean()) / 1e4,
        round=2, genesis=lambda: genesis, along=lambda i: 0.9 if signs[i] > 0 else -0.9,
    )  # fmt: skip


@pytest.mark.parametrize("screen", [Cosine(), Norm(), Progress()], ids=lambda screen: screen.name)
def test_a_camp_is_let_in_and_a_few_are_not(screen: Screen) -> None:
    assert list(bits(ballot([screen], camps(4, 3))[0])) == list(range(7))
    assert list(bits(ballot([screen], camps(5, 2))[0])) == [0, 1, 2, 3, 4]


def test_those_refused_before_still_count_as_members() -> None:
    given = camps(8, 2)
    left = replace(given.without({0, 1, 2, 3}), weights=given.weights)
    assert list(bits(ballot([Cosine()], left)[0])) == [4, 5, 6, 7]
