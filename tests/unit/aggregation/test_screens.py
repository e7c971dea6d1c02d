from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from rayfed.aggregation import screens
from rayfed.aggregation.screens import Evidence, ballot
from rayfed.aggregation.screens.norm import Norm, distance
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import bitmap
from rayfed.errors import ConfigError

BASE = np.zeros(1000, np.int32)


def evidence(*steps: int, own: int | None = None) -> Evidence:
    """Each update is ``step`` away from the base in every coordinate."""
    updates = {i: np.full(1000, step, np.int32) for i, step in enumerate(steps)}
    return Evidence(BASE, updates, dict.fromkeys(updates, 1), own, lambda i: distance(updates[i], BASE))


def test_norm_accepts_what_is_alike() -> None:
    accepted, verdicts = ballot([Norm()], evidence(10, 12, 9, 30))
    assert accepted == bitmap([0, 1, 2, 3])
    assert all(v.accepted and v.screen == "norm" for v in verdicts)


def test_norm_refuses_what_is_far_off_and_says_how_far() -> None:
    accepted, verdicts = ballot([Norm(factor=5)], evidence(10, 10, 10, 1000))
    assert accepted == bitmap([0, 1, 2])
    assert verdicts[3].reason == "100.0 times as far from the base as the median"
    assert verdicts[3].score == pytest.approx(100)


def test_a_node_never_refuses_its_own_update() -> None:
    accepted, verdicts = ballot([Norm()], evidence(10, 10, 10, 1000, own=3))
    assert accepted == bitmap([0, 1, 2, 3])
    assert verdicts[3].accepted
    assert not verdicts[3].reason
    assert verdicts[3].score == pytest.approx(100), "the figure stays"


def test_norm_lets_pass_what_the_median_update_once_did() -> None:
    screen = Norm()
    early = evidence(100, 110, 90, 100)
    late = evidence(1, 1, 1, 100)
    assert ballot([Norm()], late)[0] == bitmap([0, 1, 2]), "a node that has not seen the first rounds"
    assert ballot([screen], early)[0] == bitmap([0, 1, 2, 3])
    assert ballot([screen], late)[0] == bitmap([0, 1, 2, 3])
    assert ballot([screen], evidence(1, 1, 1, 101))[0] == bitmap([0, 1, 2])
    assert ballot([screen], late)[0] == bitmap([0, 1, 2, 3])
    strict = Norm(usual=0)
    ballot([strict], early)
    assert ballot([strict], late)[0] == bitmap([0, 1, 2])


def test_few_who_move_little_do_not_lower_what_is_usual() -> None:
    screen = Norm()
    ballot([screen], evidence(100, 100, 100, 100, 100))
    # Three of five send next to nothing, to make the median small and have the two who work refused.
    assert ballot([screen], evidence(1, 1, 1, 100, 95))[0] == bitmap(range(5))


def test_norm_remembers_in_a_folder(tmp_path: Path) -> None:
    ballot([screens.make("norm", {}, tmp_path)], evidence(100, 100, 100))
    late = evidence(1, 1, 1, 90)
    assert ballot([screens.make("norm", {}, tmp_path)], late)[0] == bitmap([0, 1, 2, 3])
    (tmp_path / "norm.json").write_text('{"larg')
    assert ballot([screens.make("norm", {}, tmp_path)], late)[0] == bitmap([0, 1, 2]), "cut off: begun anew"


def test_nobody_moved() -> None:
    assert ballot([Norm()], evidence(0, 0))[0] == bitmap([0, 1])
    _, verdicts = ballot([Norm()], evidence(0, 0, 0, 5))
    assert verdicts[3].score == math.inf


def test_no_updates_no_ballot() -> None:
    assert ballot([Norm()], evidence()) == (0, ())


def test_a_later_screen_sees_only_what_is_left() -> None:
    seen: list[list[int]] = []

    class Spy:
        name = "spy"

        def judge(self, given: Evidence) -> list[screens.Verdict]:
            seen.append(sorted(given.updates))
            return []

    ballot([Norm(), Spy()], evidence(10, 10, 10, 1000))
    assert seen == [[0, 1, 2]]


def test_distance_is_euclidean_and_blocked() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(-(2**20), 2**20, 200_001, dtype=np.int32)
    b = rng.integers(-(2**20), 2**20, 200_001, dtype=np.int32)
    assert distance(a, b) == pytest.approx(float(np.linalg.norm(a.astype(np.float64) - b)), rel=1e-4)


def test_distance_does_not_wrap_around() -> None:
    high, low = np.array([2**31 - 1], np.int32), np.array([-(2**31)], np.int32)
    assert distance(high, low) == pytest.approx(2.0**32, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "setting"),
    [
        ("nrom", {}, "screens"),
        ("norm", {"facter": 2}, "screens.norm"),
        ("norm", {"factor": 1}, "screens.norm.factor"),
        ("norm", {"usual": -1}, "screens.norm.usual"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, float], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        screens.make(name, settings)
    assert caught.value.setting == setting


def test_a_verdict_travels_between_processes() -> None:
    verdict = Verdict("norm", 3, False, 7.5, "7.5 times as far from the base as the median")
    assert pickle.loads(pickle.dumps(verdict)) == verdict
