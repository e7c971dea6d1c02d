"""What each screen refuses, and what it lets pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rayfed.aggregation import screens
from rayfed.aggregation.screens import Evidence, Screen, ballot
from rayfed.aggregation.screens.cosine import Cosine
from rayfed.aggregation.screens.duplicate import Duplicate
from rayfed.aggregation.screens.few import width
from rayfed.aggregation.screens.holdout import Holdout, _thirds
from rayfed.aggregation.screens.idle import Idle
from rayfed.aggregation.screens.krum import Krum, MultiKrum, scores
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import Progress, alignment
from rayfed.aggregation.screens.weight import Weight
from rayfed.encoding.primitives import bitmap
from rayfed.errors import ConfigError

SIZE = 4000
TEN = dict.fromkeys(range(10), 1)
"""Weights of ten members, three of whom may be refused for being different."""

Values = NDArray[np.int32]


def evidence(
    updates: Sequence[Values], base: Values | None = None, loss: Callable[[Values], float] | None = None
) -> Evidence:
    start = np.full(SIZE, 7, np.int32) if base is None else base
    given = dict(enumerate(updates))
    return Evidence(start, given, dict.fromkeys(given, 1), None, lambda i: distance(given[i], start), loss=loss)


def honest(count: int, seed: int = 0) -> list[Values]:
    """Updates that share a direction, and are mostly their own: as with skewed data."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 1500, SIZE)
    return [(7 + shared + rng.normal(0, 2500, SIZE)).astype(np.int32) for _ in range(count)]


def accepted(screen: Screen, given: Evidence) -> list[int]:
    return [v.index for v in screen.judge(given) if v.accepted]


@pytest.mark.parametrize("screen", [Cosine(), Duplicate(), Idle(), MultiKrum(f=0)], ids=lambda screen: screen.name)
def test_honest_updates_pass(screen: Screen) -> None:
    for seed in range(5):
        assert accepted(screen, evidence(honest(8, seed))) == list(range(8))


def test_weight_refuses_who_claims_too_much() -> None:
    given = replace(evidence(honest(5)), weights={0: 100, 1: 140, 2: 80, 3: 100, 4: 1_000_000})
    verdicts = Weight().judge(given)
    assert [v.index for v in verdicts if not v.accepted] == [4]
    assert verdicts[4].reason == "claims 10000.0 times as many examples as the median"
    assert Weight().judge(evidence([])) == []


def test_cosine_refuses_what_points_backwards() -> None:
    updates = honest(10)
    updates[3] = (14 - 2 * updates[3]).astype(np.int32)
    verdicts = Cosine().judge(evidence(updates))
    assert [v.index for v in verdicts if not v.accepted] == [3]
    assert verdicts[3].score < -0.25 < 0.2 < verdicts[0].score
    assert "unlike the others" in verdicts[3].reason


def test_cosine_is_milder_among_few() -> None:
    updates = honest(10)
    updates[3] = (14 - 2 * updates[3]).astype(np.int32)
    few = evidence([*updates[:3], updates[3]])
    score = Cosine().judge(few)[3].score
    assert -0.6 < score < -0.25
    assert accepted(Cosine(), few) == [0, 1, 2, 3]
    assert accepted(Cosine(), replace(few, weights=dict.fromkeys(range(10), 1))) == [0, 1, 2]


def test_cosine_goes_with_the_others_where_all_cancel_out() -> None:
    rng = np.random.default_rng(0)
    steps = [rng.normal(0, 1000, SIZE) for _ in range(4)]
    middle = sum(steps) / 4
    updates = [(7 + step - 1.2 * middle).astype(np.int32) for step in steps]
    scores = [v.score for v in Cosine().judge(evidence(updates))]
    assert max(scores) < -0.3, "all against all, as in the last rounds of a model that has converged"
    ten = replace(evidence(updates), weights=dict.fromkeys(range(10), 1))
    assert accepted(Cosine(), ten) == [0, 1, 2, 3]


def test_holdout_is_milder_among_few() -> None:
    updates = learnt(8)
    updates[3] = (-updates[3] / 4).astype(np.int32)
    few = evidence(updates, ZERO, loss_of)
    crowd = replace(few, weights=dict.fromkeys(range(10), 1))
    score = Holdout().judge(few)[3].score
    screen = Holdout(harm=score / 1.1, factor=1e9)  # the width among eight is 1.2
    assert accepted(screen, crowd) == [0, 1, 2, 4, 5, 6, 7]
    assert accepted(screen, few) == list(range(8))
    worse = evidence(updates, ZERO, lambda values: loss_of(values) if values is not ZERO else 0.0)
    assert accepted(screen, worse) == [0, 1, 2, 4, 5, 6, 7], "but not where the merge itself does harm"


def test_cosine_holds_a_direction_against_nobody_who_does_no_harm() -> None:
    updates = learnt(10)
    updates[3] = -updates[3]
    given = evidence(updates, ZERO, loss_of)
    assert accepted(Cosine(), given) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    harm = loss_of(np.mean(updates, axis=0)) - loss_of(np.mean(updates[:3] + updates[4:], axis=0))
    assert accepted(Cosine(least=0.99 * harm), given) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert accepted(Cosine(least=1.01 * harm), given) == list(range(10))
    converged = replace(given, loss=lambda values: loss_of(values) / 100)
    assert accepted(Cosine(), converged) == list(range(10)), "a hundredth of it is next to nothing"
    assert accepted(Cosine(), replace(given, loss=None)) == [0, 1, 2, 4, 5, 6, 7, 8, 9], "who has no data can only look"
    four = replace(evidence([*updates[:3], updates[3]], ZERO, loss_of), weights=dict.fromkeys(range(4), 1))
    whole, left = (loss_of(np.mean(some, axis=0)) for some in (updates[:4], updates[:3]))
    limit = (whole - left) / width(4)
    assert accepted(Cosine(gap=0.1, least=0.99 * limit), four) == [0, 1, 2]
    assert accepted(Cosine(gap=0.1, least=1.01 * limit), four) == [0, 1, 2, 3]
    nonsense = replace(given, loss=lambda values: float("nan"))
    assert accepted(Cosine(), nonsense) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_those_who_point_away_together_are_judged_together() -> None:
    updates = learnt(10)
    updates[3], updates[7] = -updates[3], (-updates[7] / 1000).astype(np.int32)  # all harm is done by one of them
    given = evidence(updates, ZERO, loss_of)
    assert accepted(Cosine(), given) == [0, 1, 2, 4, 5, 6, 8, 9]


def test_cosine_of_two_says_nothing() -> None:
    one = honest(1)[0]
    assert accepted(Cosine(), evidence([one, (14 - one).astype(np.int32)])) == [0, 1]


@pytest.mark.parametrize(("noise", "refused"), [(0, True), (30, True), (2500, False)])
def test_duplicate_refuses_both_author_and_copyist(noise: int, refused: bool) -> None:
    updates = honest(6)
    near = np.random.default_rng(9).normal(0, noise, SIZE)
    updates[5] = (updates[0] + near).astype(np.int32)
    verdicts = Duplicate().judge(evidence(updates))
    assert [v.index for v in verdicts if not v.accepted] == ([0, 5] if refused else [])
    if refused:
        assert verdicts[5].reason == "a copy or near copy of the update of member 0"


def test_duplicate_takes_nobody_for_a_copyist_where_all_are_near_each_other() -> None:
    rng = np.random.default_rng(3)
    step = rng.normal(0, 3000, SIZE)
    small = [(7 + step + rng.normal(0, 300, SIZE)).astype(np.int32) for _ in range(4)]  # rows that say the same
    others = [(7 - step + rng.normal(0, 900, SIZE)).astype(np.int32) for _ in range(3)]  # of another class
    for updates in (small, small + others):
        assert accepted(Duplicate(), evidence(updates)) == list(range(len(updates)))
    assert accepted(Duplicate(usual=1.0), evidence(small + others)) == [4, 5, 6], "as it was, but for the ratio"
    copied = [*small, (small[0] + rng.normal(0, 10, SIZE)).astype(np.int32)]
    assert accepted(Duplicate(), evidence(copied)) == [1, 2, 3]


def test_idle_refuses_the_base_and_noise_on_it() -> None:
    updates = honest(8)
    updates[1] = np.full(SIZE, 7, np.int32)
    updates[4] = (7 + np.random.default_rng(1).normal(0, 2700, SIZE)).astype(np.int32)
    verdicts = Idle().judge(evidence(updates))
    reasons = {v.index: v.reason for v in verdicts if not v.accepted}
    assert reasons == {1: "does not differ from the base", 4: "differs from the base only as random noise would"}


def test_idle_takes_nothing_for_noise_where_there_are_few_values() -> None:
    base = np.zeros(3, np.int32)
    updates = [np.array(u, np.int32) for u in ([9, 0, 0], [0, 9, 0], [0, 0, 9])]
    assert accepted(Idle(), evidence(updates, base)) == [0, 1, 2]


@pytest.mark.parametrize("screen", [Cosine(), Duplicate(), Idle()], ids=lambda screen: screen.name)
def test_where_nobody_moved_nobody_is_blamed(screen: Screen) -> None:
    assert accepted(screen, evidence([np.full(SIZE, 7, np.int32)] * 3)) == [0, 1, 2]


def test_krum_scores_are_the_papers() -> None:
    updates = honest(7)
    updates[6] = (updates[6] + 20_000).astype(np.int32)
    given = evidence(updates)
    wide = [u.astype(object) for u in updates]
    expected = [
        sum(sorted(int(((one - other) ** 2).sum()) for k, other in enumerate(wide) if k != i)[: 7 - 2 - 2])
        for i, one in enumerate(wide)
    ]
    assert scores(given.gram, 2) == expected
    assert accepted(MultiKrum(f=1), given) == [0, 1, 2, 3, 4, 5]
    assert accepted(Krum(f=1), given) == [expected.index(min(expected))]


def test_krum_with_few_updates_judges_as_well_as_it_can() -> None:
    assert accepted(MultiKrum(f=3), evidence(honest(2))) == [0, 1]
    assert len(accepted(MultiKrum(f=3), evidence(honest(5)))) == 4
    assert accepted(MultiKrum(f=3), evidence([])) == []


@pytest.mark.parametrize(("nodes", "f"), [(4, 1), (6, 2), (10, 4)])
def test_krum_with_too_many_liars_is_refused_at_the_start(nodes: int, f: int) -> None:
    for name in ("krum", "multi_krum"):
        with pytest.raises(ConfigError, match="needs more than 2f") as caught:
            screens.check(name, {"f": f}, nodes)
        assert caught.value.setting == f"screens.{name}.f"
        screens.check(name, {"f": f}, nodes + 1)
        screens.check(name, {"f": f}, None)


WANTED = np.random.default_rng(5).normal(0, 1000, SIZE)


def loss_of(values: Values) -> float:
    """A bowl: the nearer to what is wanted, the better."""
    return float(np.mean((values - WANTED) ** 2)) / 1e6


def learnt(n: int, seed: int = 0) -> list[Values]:
    """Updates that go half of the way, each with its own errors, which a mean takes out."""
    rng = np.random.default_rng(seed)
    return [(WANTED / 2 + rng.normal(0, 600, SIZE)).astype(np.int32) for _ in range(n)]


ZERO = np.zeros(SIZE, np.int32)


def test_holdout_refuses_what_the_others_are_better_without() -> None:
    updates = learnt(8)
    updates[3] = (-updates[3] / 4).astype(np.int32)
    verdicts = Holdout().judge(evidence(updates, ZERO, loss_of))
    assert [v.index for v in verdicts if not v.accepted] == [3]
    assert verdicts[3].score > 0.05 > verdicts[0].score
    assert "without it the others' mean has" in verdicts[3].reason
    assert ballot([Holdout()], evidence(updates, ZERO, loss_of))[0] == bitmap([0, 1, 2, 4, 5, 6, 7])


def test_holdout_lets_pass_what_is_bad_alone_and_good_in_the_mean() -> None:
    updates = learnt(8)
    rng = np.random.default_rng(9)
    updates[0] = (1.5 * WANTED + rng.normal(0, 1000, SIZE)).astype(np.int32)
    given = evidence(updates, ZERO, loss_of)
    assert loss_of(updates[0]) > loss_of(ZERO) > loss_of(updates[1])
    assert accepted(Holdout(), given) == list(range(8))


def test_holdout_refuses_what_is_ruinous_and_judges_the_others_without_it() -> None:
    updates = learnt(6)
    updates[2] = np.full(SIZE, 2**31 - 1, np.int32)
    verdicts = Holdout().judge(evidence(updates, ZERO, loss_of))
    assert [v.index for v in verdicts if not v.accepted] == [2]
    assert verdicts[2].reason.startswith("ruins the model: loss")


def test_holdout_weighs_as_the_merge_does() -> None:
    updates = learnt(8)
    updates[3] = np.zeros(SIZE, np.int32)
    light = evidence(updates, ZERO, loss_of)
    heavy = replace(light, weights={index: 100 if index == 3 else 1 for index in range(8)})
    score = [Holdout().judge(given)[3].score for given in (light, heavy)]
    assert score[0] < 0.2 < score[1]


def test_holdout_refuses_a_loss_that_is_no_number() -> None:
    updates = learnt(4)

    def loss(values: Values) -> float:
        is_mean = not any(values is known for known in (ZERO, *updates))
        return float("nan") if values is updates[1] or is_mean else loss_of(values)

    assert accepted(Holdout(), evidence(updates, ZERO, loss)) == [0, 2, 3]


def test_the_loss_of_the_base_is_computed_once_however_many_ask() -> None:
    asked: list[Values] = []

    def loss(values: Values) -> float:
        asked.append(values)
        return loss_of(values)

    given = evidence(learnt(4), ZERO, loss)
    assert given.base_loss == given.without({1}).base_loss == loss_of(ZERO)
    assert len(asked) == 1


def test_holdout_of_two_blames_nobody() -> None:
    one, other = learnt(2)
    assert accepted(Holdout(), evidence([one, (-other).astype(np.int32)], ZERO, loss_of)) == [0, 1]
    assert Holdout().judge(evidence([], ZERO, loss_of)) == []


def test_holdout_lets_pass_harm_that_does_not_stand_out() -> None:
    """With skewed data most updates harm a node whose classes they do not know, and each about as much."""
    updates = learnt(10)
    for index in range(6):
        updates[index] = (-(0.2 + 0.01 * index) * WANTED).astype(np.int32)
    given = evidence(updates, ZERO, loss_of)
    harms = [v.score for v in Holdout().judge(given)]
    assert min(harms[:6]) > 0.03 > max(harms[6:])
    screen = Holdout(harm=0.03, factor=1e9)
    assert accepted(screen, given) == list(range(10)), "next to the median none does much harm"
    alone = [*learnt(9, 1), (-0.2 * WANTED).astype(np.int32)]
    assert accepted(screen, evidence(alone, ZERO, loss_of)) == list(range(9))
    assert accepted(replace(screen, apart=1e9), evidence(alone, ZERO, loss_of)) == list(range(10))


def test_holdout_does_not_mind_harm_too_small_to_matter() -> None:
    updates = learnt(8)
    updates[3] = (-updates[3] / 4).astype(np.int32)
    skewed = Holdout(least=10.0, alike=0.0)
    assert accepted(skewed, evidence(updates, ZERO, loss_of)) == list(range(8))


def test_holdout_among_updates_that_are_alike_asks_for_no_least_harm() -> None:
    updates = learnt(8)
    updates[3] = (updates[3] / 4).astype(np.int32)  # it helps, but less than the others
    given = evidence(updates, ZERO, loss_of)
    harm = Holdout().judge(given)[3].score
    assert 0 < harm < 0.2
    refused = [0, 1, 2, 4, 5, 6, 7]
    assert accepted(Holdout(harm=2 * harm, least=10.0), given) == refused
    assert accepted(Holdout(harm=2 * harm, least=10.0, alike=0.0), given) == list(range(8))
    assert accepted(Holdout(harm=2 * harm, least=10.0, factor=1e9), given) == list(range(8))


def test_holdout_lets_back_in_who_has_been_away() -> None:
    """The others have converged; what comes back costs them many times their loss, which is next to nothing."""
    updates = [(0.999 * WANTED).astype(np.int32) for _ in range(10)]
    updates[4] = (0.9 * WANTED + np.random.default_rng(1).normal(0, 300, SIZE)).astype(np.int32)
    base = (0.999 * WANTED).astype(np.int32)
    verdicts = Holdout().judge(evidence(updates, base, loss_of))
    assert verdicts[4].accepted
    harmful = [(0.999 * WANTED).astype(np.int32) for _ in range(10)]
    harmful[4] = (-3 * WANTED).astype(np.int32)
    assert accepted(Holdout(), evidence(harmful, base, loss_of)) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_holdout_looks_for_the_ruinous_where_the_mean_is_ruined() -> None:
    """Alone an honest update of few classes is ruinous on others' pictures; in the mean it is not."""
    updates = learnt(8)
    updates[2] = (6 * WANTED).astype(np.int32)
    base = (0.99 * WANTED).astype(np.int32)
    given = evidence(updates, base, loss_of)
    assert loss_of(updates[2]) > loss_of(base) + 5
    reason = {worse: Holdout(worse=worse, harm=9.0).judge(given)[2].reason for worse in (0.0, 5.0)}
    assert reason[0.0].startswith("ruins the model")
    assert reason[5.0] == ""


def test_holdout_of_many_costs_four_passes_where_nobody_does_harm() -> None:
    asked: list[Values] = []

    def loss(values: Values) -> float:
        asked.append(values.copy())
        return loss_of(values)

    assert accepted(Holdout(), evidence(learnt(32), ZERO, loss)) == list(range(32))
    assert len(asked) == 4, "the base, all, and two thirds left out"


@pytest.mark.parametrize("round", [2, 3])
def test_holdout_of_many_finds_who_points_backwards(round: int) -> None:
    updates = learnt(32)
    bad = [3, 4, 11, 30]
    for index in bad:
        updates[index] = (-updates[index]).astype(np.int32)
    given = replace(evidence(updates, ZERO, loss_of), round=round)
    assert [v.index for v in Holdout().judge(given) if not v.accepted] == bad


def test_holdout_of_many_looks_at_every_third_in_two_rounds() -> None:
    given = evidence(learnt(31), ZERO, loss_of)
    seen: set[int] = set()
    for round in (2, 3):
        lowest, other = _thirds(replace(given, round=round), given.indices)
        assert len(set(lowest)) + len(set(other)) == len({*lowest, *other})
        seen |= {*lowest, *other}
    assert seen == set(range(31))


def test_holdout_without_data_judges_nobody() -> None:
    assert Holdout().judge(evidence(honest(3))) == []


@pytest.mark.parametrize(
    ("name", "settings", "setting"),
    [
        ("duplicate", {"ratio": 1}, "screens.duplicate.ratio"),
        ("weight", {"factor": 1}, "screens.weight.factor"),
        ("idle", {"min": 1}, "screens.idle.min"),
        ("idle", {"sigmas": float("nan")}, "screens.idle.sigmas"),
        ("holdout", {"factor": 0}, "screens.holdout.factor"),
        ("holdout", {"harm": 0}, "screens.holdout.harm"),
        ("holdout", {"least": -1}, "screens.holdout.least"),
        ("holdout", {"alike": -1}, "screens.holdout.alike"),
        ("holdout", {"slack": -1}, "screens.holdout.slack"),
        ("holdout", {"worse": -1}, "screens.holdout.worse"),
        ("holdout", {"least_alike": -1}, "screens.holdout.least_alike"),
        ("holdout", {"singly": 2}, "screens.holdout.singly"),
        ("cosine", {"gap": 0}, "screens.cosine.gap"),
        ("cosine", {"least": -1}, "screens.cosine.least"),
        ("krum", {"f": -1}, "screens.krum.f"),
        ("multi_krum", {"f": 1, "keep": 0}, "screens.multi_krum.keep"),
    ],
)
def test_settings_that_make_no_sense_are_named(name: str, settings: dict[str, float], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        screens.make(name, settings)
    assert caught.value.setting == setting


def rounds(shown: Sequence[Sequence[float]], gained: float = 1.0) -> list[Evidence]:
    """Evidence of one round after the other, in which members' cosines with the way are as given.

    Args:
        gained: part of genesis's loss that the base is rid of.
    """
    given = evidence(honest(len(shown[0])))
    genesis = np.zeros(SIZE, np.int32)

    def loss(values: Values) -> float:
        return 2.0 * (1 - gained) if values is given.base else 2.0

    return [
        replace(given, round=number, loss=loss, genesis=lambda: genesis, along=cosines.__getitem__)
        for number, cosines in enumerate(shown, 2)
    ]


def test_progress_adds_up_what_each_member_has_shown() -> None:
    screen = Progress(min=-0.1, rest=0.0)
    # 0 is honest, 1 odd now and then, 2 a little against the way in every round, 3 clearly.
    shown = [replace(one, weights=TEN) for one in rounds([[0.2, -0.06, -0.06, -0.3], [0.1, 0.1, -0.06, -0.1]])]
    seen = [accepted(screen, one) for one in shown]
    assert seen == [[0, 1, 2], [0, 1]]
    assert [v.score for v in screen.judge(rounds([[0.2, -0.06, -0.06, -0.3], [0.1, 0.1, -0.06, -0.1]])[1])] == [
        pytest.approx(sum_) for sum_ in (0.28, 0.046, -0.114, -0.37)
    ], "a round that is judged again counts once"


def test_progress_is_forgotten_slowly_in_good_and_bad() -> None:
    screen = Progress(decay=0.5, rest=0.0)
    shown = [replace(one, weights=TEN) for one in rounds([[0.4]] * 3 + [[-0.2]] * 3 + [[0.4]])]
    assert [accepted(screen, one) for one in shown] == [[0]] * 4 + [[], [], [0]]


def test_progress_counts_a_round_for_what_the_way_is_worth() -> None:
    (little,) = rounds([[0.1, -0.4]], gained=0.1)
    assert accepted(Progress(), little) == [0, 1], "honest updates lie either way where nothing is learned yet"
    assert [v.score for v in Progress().judge(little)] == [pytest.approx(0.01), pytest.approx(-0.04)]
    (worse,) = rounds([[0.1, -0.4]], gained=-0.5)
    assert [v.score for v in Progress().judge(worse)] == [0, 0]
    for nothing in ({"loss": None}, {"genesis": None, "along": None}, {"genesis": lambda: None}):
        assert accepted(Progress(), replace(rounds([[-1.0]])[0], **nothing)) == [0]


def test_progress_counts_a_round_for_less_where_hardly_any_loss_is_left() -> None:
    """Who comes back with what the model has forgotten goes against a way that has nowhere left to go."""
    learning, learnt_all = (replace(rounds([[0.1, -0.06]], gained=gained)[0], weights=TEN) for gained in (0.9, 0.99))
    assert accepted(Progress(), learning) == [0]
    assert accepted(Progress(), learnt_all) == [0, 1]
    assert Progress().judge(learnt_all)[1].score == pytest.approx(-0.06 * 0.99 * 0.01 / 0.05)
    assert accepted(Progress(rest=0.0), learnt_all) == [0]


def test_progress_is_remembered_in_a_folder(tmp_path: Path) -> None:
    shown = rounds([[-0.04, 0.1], [-0.04, 0.1], [0.0, 0.0]])
    first, second, third = (replace(one, weights=TEN) for one in shown)
    before = screens.make("progress", {"rest": 0.0}, tmp_path)
    assert accepted(before, first) == [0, 1]
    again = screens.make("progress", {"rest": 0.0}, tmp_path)
    assert accepted(again, first) == [0, 1], "the round in which it was killed counts once"
    assert accepted(again, second) == [1]
    assert accepted(screens.make("progress", {"rest": 0.0}, tmp_path), third) == [1]
    assert accepted(screens.make("progress", {"rest": 0.0}), third) == [0, 1], "begun anew"
    (tmp_path / "progress.json").write_text('{"round": 3, "bef')
    assert accepted(screens.make("progress", {"rest": 0.0}, tmp_path), third) == [0, 1], "cut off: begun anew"


def test_the_way_is_from_genesis_to_the_base() -> None:
    rng = np.random.default_rng(0)
    genesis, base, update = (rng.integers(-(2**31), 2**31, 300_000, dtype=np.int32) for _ in range(3))
    way, step = base.astype(float) - genesis, update.astype(float) - base
    assert alignment(update, base, genesis) == pytest.approx(way @ step / np.linalg.norm(way) / np.linalg.norm(step))
    assert alignment(update, base, base) == alignment(base, base, genesis) == 0


@pytest.mark.parametrize(
    ("settings", "setting"), [({"min": 0}, "min"), ({"decay": 1.5}, "decay"), ({"rest": 2}, "rest")]
)
def test_progress_names_a_setting_that_makes_no_sense(settings: dict[str, float], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        screens.make("progress", settings)
    assert caught.value.setting == f"screens.progress.{setting}"


def test_a_setting_that_was_renamed_says_so() -> None:
    with pytest.raises(ConfigError, match=r"screens\.cosine\.min: is called gap, and says how far"):
        screens.make("cosine", {"min": -0.3})


def test_holdout_takes_data_for_alike_only_where_the_own_update_is_nothing_special() -> None:
    updates = [(WANTED / 2).astype(np.int32)] * 10
    updates[3] = (updates[3] / 4).astype(np.int32)  # it helps, but less than the others
    updates[0] = (4 * WANTED).astype(np.int32)  # the only one that knows what this node's images show
    given = replace(evidence(updates, ZERO, loss_of), own=0)
    harms = [v.score for v in Holdout().judge(given)]
    assert harms[0] < -0.25 < 0 < harms[3]
    screen = Holdout(least_alike=0.0, least=10.0, alike=9.0, harm=2 * harms[3])
    assert accepted(replace(screen, own=9.0), given) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert accepted(screen, given) == list(range(10))
    assert accepted(screen, replace(given, own=None)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
