"""In a real browser: the pages of runs on rows and on texts, a page that says who is left out, and the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfed.reporting.html_report import page as page_of
from tests.fake_run import fake_run
from tests.integration.browsing import SCREENS, Watched, contrast, scrolls_sideways
from tests.integration.federations import SMALL, run, summary
from tests.site import build

WORDS = [*(word for word in SMALL if not word.startswith("model.")), "federation.rounds=2", "federation.alone=true"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that learns a number from rows."""
    folder = tmp_path_factory.mktemp("rows")
    words = ["+experiment=tabular", "data=diabetes", "task=regression", "partition=iid", "name=diabetes"]
    ended = run(*words, *WORDS, folder=folder)
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that learns to write."""
    folder = tmp_path_factory.mktemp("texts")
    words = ["+experiment=text", "model.width=16", "model.depth=1", "data.length=16", "name=text"]
    ended = run(*words, *WORDS, folder=folder)
    assert ended.code == 0, ended.err
    return folder


def tiles(page: Any) -> dict[str, str]:
    """Return what the tiles say, by what they are about."""
    found = page.locator(".tile").all()
    return {tile.locator("span").inner_text(): tile.locator("b").inner_text() for tile in found}


def opened(browser: Any, file: Path, screen: str, scheme: str = "light") -> Watched:
    """Open a page; nothing in it may fail, be fetched, or be wider than the screen."""
    watched = Watched(browser, *SCREENS[screen], scheme)
    watched.page.goto(file.as_uri())
    assert watched.errors == []
    assert watched.asked == [file.as_uri()]
    assert not scrolls_sideways(watched.page)
    return watched


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_of_a_run_on_rows(rows: Path, browser: Any, screen: str, rewrite: bool) -> None:
    watched, told = opened(browser, rows / "run" / "report.html", screen), summary(rows)
    page = watched.page
    assert page.locator("h2").first.inner_text() == "RMSE and cost"
    said = tiles(page)
    assert said["merged model, rmse"] == f"{told['final_rmse']:.4g}"
    alone = [value for value in told["alone_rmse"].values() if value is not None]
    assert said["best node alone"] == f"{min(alone):.4g}", "less is better"
    assert said["parameters learned"] == f"{told['parameters']:,}"
    assert "accuracy" not in page.inner_text("body").lower()
    heads = page.locator("table").first.locator("th").all_inner_texts()
    assert heads[:4] == ["round", "status", "rmse", "loss"]
    assert page.locator("table").first.locator("tbody tr").count() == 2
    if screen == "phone":
        watched.shot("report-rows-phone", rewrite)


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_of_a_run_on_texts(texts: Path, browser: Any, screen: str) -> None:
    watched, told = opened(browser, texts / "run" / "report.html", screen, "dark"), summary(texts)
    page = watched.page
    assert page.locator("h2").first.inner_text() == "Bits per token and cost"
    assert tiles(page)["merged model, bits per token"] == f"{told['final_bits_per_token']:.4g}"
    curve = page.locator("svg[aria-label*='Bits per token']")
    assert curve.locator("circle.merged").count() == 2
    assert curve.locator("polyline.alone").count() == len(told["nodes"])
    assert curve.bounding_box()["width"] > 250


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_who_is_left_out_stands_at_the_top(
    tmp_path: Path, browser: Any, screen: str, scheme: str, rewrite: bool
) -> None:
    made = fake_run(rounds=6, void=(), since=2)
    file = tmp_path / "report.html"
    file.write_text(page_of(made.summary(), made.history), encoding="utf-8")
    watched = opened(browser, file, screen, scheme)
    line = watched.page.get_by_text("node 3 left out since round 2: norm.")
    assert line.is_visible()
    box = line.bounding_box()
    assert box["y"] + box["height"] < SCREENS[screen][1], "seen without scrolling"
    why = watched.page.get_by_text("last reason: norm 13 times the median")
    assert why.is_visible()
    ground = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    for words in (line, why):
        ink = words.evaluate("element => getComputedStyle(element).color")
        assert contrast(ground, ink) > 4.5, "WCAG 2.2, AA"
    if (screen, scheme) == ("desktop", "light"):
        watched.shot("report-left-out", rewrite, clip={"x": 0, "y": 0, "width": SCREENS[screen][0], "height": 420})


def test_a_step_has_one_colour_in_chart_legend_and_time_line(tmp_path: Path, browser: Any) -> None:
    # Made up: a real run so small trains for less time than lies between two looks at its nodes.
    made = fake_run()
    file = tmp_path / "report.html"
    file.write_text(page_of(made.summary(), made.history), encoding="utf-8")
    page = opened(browser, file, "desktop").page
    charts = page.locator("figure:has-text('Seconds by step')")
    ink = "element => getComputedStyle(element).backgroundColor"
    step = charts.locator(".key span", has_text="train").locator("i").evaluate(ink)
    doing = (
        page.locator("section:has-text('Time line') .key span", has_text="training").first.locator("i").evaluate(ink)
    )
    fill = charts.locator("rect:has(title:text('train'))").first.evaluate("element => getComputedStyle(element).fill")
    assert step == doing == fill == "rgb(0, 114, 178)"


def test_the_documents_fit_a_phone(tmp_path: Path, browser: Any) -> None:
    """Wide tables and code scroll in a box of their own."""
    build(tmp_path)
    watched = Watched(browser, *SCREENS["phone"])
    wide, tables = [], 0
    for file in sorted(tmp_path.rglob("*.html")):
        watched.page.goto(file.as_uri())
        tables += watched.page.locator("table").count()
        if scrolls_sideways(watched.page):
            wide.append(str(file.relative_to(tmp_path)))
    assert tables > 50
    assert wide == []
