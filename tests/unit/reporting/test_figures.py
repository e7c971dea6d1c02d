"""The figures show what the summary holds, also when it holds little."""

from __future__ import annotations

import io

import pytest

from rayfed.reporting import figures
from rayfed.reporting.summarise import build
from rayfed.reporting.summary import Summary
from tests.fake_run import FEDERATION, address, fake_run

EMPTY = build({}, federation=FEDERATION, chain_id=1, charter_hash="", outcomes=[], records=[])
RUNS = {
    "nothing": EMPTY,
    "one round": fake_run(rounds=1).summary(),
    "all void": fake_run(rounds=2, void=(1, 2)).summary(),
    "usual": fake_run().summary(),
    "many": fake_run(nodes=32, rounds=20, void=()).summary(),
}


@pytest.mark.parametrize("summary", RUNS.values(), ids=RUNS)
def test_every_picture_draws_and_names_its_axes(summary: Summary) -> None:
    drawn = figures.figures(summary)
    assert list(drawn) == ["accuracy", "ballots", "seconds", "gas"]
    for name, figure in drawn.items():
        png = io.BytesIO()
        figure.savefig(png, format="png")
        assert png.getvalue().startswith(b"\x89PNG")
        if name != "ballots":
            (axes,) = figure.axes
            assert axes.get_title()
            assert axes.get_xlabel() == "round"
            assert "[" in axes.get_ylabel(), "a unit"


def test_accuracy_shows_merged_and_alone() -> None:
    summary = RUNS["usual"]
    (axes,) = figures.accuracy(summary).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["merged model"].get_xdata()) == [1, 2, 4, 5], "round 3 is void"
    assert lines["merged model"].get_ydata()[-1] == pytest.approx(100 * (summary.final_accuracy or 0))
    assert len(axes.lines) == 1 + len(summary.nodes)


def test_stacked_bars_add_up() -> None:
    summary = RUNS["usual"]
    (axes,) = figures.gas(summary).axes
    tops = [patch.get_y() + patch.get_height() for patch in axes.patches if patch.get_x() < 1 < patch.get_x() + 1]
    assert max(tops) == pytest.approx(sum(summary.rounds[0].gas.values()) / 4 / 1000)


def test_matrix_tells_the_four_cases_apart() -> None:
    summary = RUNS["usual"]
    second, void = summary.rounds[1], summary.rounds[2]
    assert figures.matrix(second, summary.nodes)[0] == [0, 0, 0, 1]
    assert figures.matrix(void, summary.nodes)[3] == [3, 3, 3, 3]
    del second.roots[address(3)]
    assert figures.matrix(second, summary.nodes)[0] == [0, 0, 0, 2]
