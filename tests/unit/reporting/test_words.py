"""One way of writing a duration and a size, and one colour a step, wherever they are shown."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from rayfed.node.phases import ACTIONS
from rayfed.reporting import figures, steps
from rayfed.reporting.closing_panel import took
from rayfed.reporting.html_report import page
from rayfed.reporting.words import duration, near, size
from tests.fake_run import fake_run


def test_a_path_is_told_the_shorter_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert near(tmp_path / "outputs" / "x") == "outputs/x"
    assert near(Path("/x")) == "/x", "not by way of all folders above"
    monkeypatch.setenv("PWD", "/")
    assert near(tmp_path / "outputs") == str(tmp_path / "outputs"), "the shell is elsewhere"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.04, "0 s"),
        (0.34, "0.3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (600, "10 min"),
        (3599.7, "1 h"),
        (11_220, "3 h 7 min"),
        (3605, "1 h"),
        (86_399.9, "1 d"),
        (100_000, "1 d 3 h"),
        (40 * 86_400, "40 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (19_968, "20 kB"),
        (10_752, "10.8 kB"),
        (44_700_000, "44.7 MB"),
        (999_600, "1 MB"),
        (2.5e9, "2.5 GB"),
        (1.2345e12, "1,234 GB"),
    ],
)
def test_a_size_is_told_with_its_unit(count: float, words: str) -> None:
    assert size(count) == words


def test_terminal_and_page_tell_the_same_time() -> None:
    summary = fake_run().summary()
    assert took(summary) == "5 rounds (1 void) in 1 min 1 s"
    assert "<b>1 min 1 s</b>" in page(summary)


def test_the_page_has_the_colours_that_terminal_and_figures_have() -> None:
    css = files("rayfed.reporting").joinpath("page.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css.partition("@media")[0]))
    for name, colour in steps.COLOURS.items():
        rule = re.search(rf"\.{name}\b[^{{]*{{ fill: (?:var\(--(\w+)\)|(#\w+)); background:", css)
        assert rule is not None, name
        assert (rule[2] or light[rule[1]]) == colour


def test_a_step_has_one_colour_whatever_else_is_drawn_with_it() -> None:
    summary = fake_run().summary()
    drawn = {bars.get_label(): bars.patches[0].get_facecolor() for bars in figures.seconds(summary).axes[0].containers}
    assert len(drawn) == len(set(drawn.values())), "told apart"
    from matplotlib.colors import to_rgba

    for name, facecolor in drawn.items():
        assert facecolor == to_rgba(steps.colour(name))
        assert f'<i class="{steps.css_class(name)}"></i>{name}' in page(summary)


def test_what_a_node_does_has_the_colour_of_the_steps_record() -> None:
    doing = {row.doing for row in ACTIONS.values()}
    alike = {"training": "train", "checking": "screen", "merging": "merge", "fetching base": "adopt"}
    for name, step in alike.items():
        assert name in doing
        assert steps.css_class(name) == steps.css_class(step) != steps.OTHER
    assert steps.is_still("waiting")
    assert not steps.is_still("training alone")
