"""A finished run in a real browser: its own page, and MLflow's pages on it.

Needs Chromium (Debian's ``chromium``, or any whose path is in RAYFED_CHROMIUM) and Playwright, which brings no browser
here. ``pytest --rewrite`` takes a larger run and the screenshots of the documents from the same steps.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.browsing import IMAGES, PATIENCE, SCREENS, Watched, contrast, luminance
from tests.integration.federations import environment, run, summary

LARGEST = 200_000
"""Bytes of a screenshot in the documents at most."""
SMALL = (
    "model.width=4",
    "model.hidden=16",
    "train.epochs=1",
    "federation.nodes=3",
    "federation.rounds=2",
    "cluster.nodes_per_actor=3",
    "cluster.num_cpus=0",
    "cluster.linger_seconds=30",
)
SECTIONS = (
    "Accuracy and cost",
    "Rounds",
    "Ballots",
    "What was refused, and why",
    "Time line",
    "Nodes",
    "Roots and transactions",
    "Settings",
)


@pytest.fixture(scope="module")
def finished(browser: Any, rewrite: bool, shared: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with MLflow's database beside its output."""
    folder = tmp_path_factory.mktemp("finished")
    ended = run("name=digits", *(() if rewrite else (*SMALL, *shared)), folder=folder)
    assert ended.code == 0, ended.err
    return folder


# -- the run's own page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_of_a_run(finished: Path, browser: Any, screen: str, scheme: str, rewrite: bool) -> None:
    watched = Watched(browser, *SCREENS[screen], scheme)
    page, file = watched.page, (finished / "run" / "report.html").as_uri()
    page.goto(file)
    told = summary(finished)
    assert tuple(page.locator("h2").all_inner_texts()) == SECTIONS
    assert told["final_root"] in page.locator("header").inner_text()
    assert told["federation"] in page.locator("header").inner_text()
    # Wide things scroll in their own box, never the page.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.querySelectorAll('svg')].every(svg => svg.getBoundingClientRect().width > 60)")
    for matrix in page.locator(".matrices svg").all():
        assert matrix.is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert contrast(ground, ink) > 7, "WCAG 2.2, AAA"
    assert (luminance(ground) < 0.1) == (scheme == "dark")
    # What is folded away can be opened, without a script.
    details = page.locator("details").first
    details.locator("summary").click()
    rows = details.locator("tbody tr")
    assert rows.count() == len(told["nodes"])
    for transaction in told["rounds"][0]["transactions"][told["nodes"][0]["address"]].values():
        assert details.get_by_text(transaction).first.is_visible()  # one may carry several messages
    assert watched.errors == []
    assert watched.asked == [file], "nothing is fetched"
    details.locator("summary").click()
    if (screen, scheme) == ("desktop", "light"):
        watched.shot("report", rewrite, clip={"x": 0, "y": 0, "width": 1180, "height": 1680}, full_page=True)
    elif (screen, scheme) == ("phone", "dark"):
        watched.shot("report-phone", rewrite)


# -- MLflow's pages ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mlflow(finished: Path) -> Iterator[str]:
    """The address of `python -m rayfed ui` on the finished run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "rayfed", "ui", "--port", str(port)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (finished / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            words, cwd=finished, env=environment() | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while not answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, (finished / "ui.log").read_text()
            assert time.monotonic() < end, (finished / "ui.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def opened(browser: Any, mlflow: str) -> Iterator[Watched]:
    """MLflow in the browser, in the view for model training and without its assistant."""
    watched = Watched(browser, 1280, 860)
    watched.page.goto(mlflow)
    watched.page.get_by_text("Model training", exact=True).first.click()
    watched.page.get_by_role("button", name="Close", exact=True).click()
    yield watched
    watched.context.close()


def heard(watched: Watched, words: str) -> None:
    """Wait until these words are to be seen."""
    watched.page.get_by_text(words).first.wait_for(state="visible")


def test_mlflow_lists_the_experiment(opened: Watched, mlflow: str) -> None:
    opened.page.goto(f"{mlflow}/#/experiments")
    opened.page.get_by_role("link", name="digits").first.wait_for()


def test_mlflow_shows_parent_and_child_runs(opened: Watched, mlflow: str, finished: Path, rewrite: bool) -> None:
    told = summary(finished)
    opened.page.goto(f"{mlflow}/#/experiments/1/runs")
    parent = opened.page.get_by_role("link", name=f"digits {told['federation'][:10]}")
    parent.wait_for()
    for node in told["nodes"]:
        assert opened.page.get_by_role("link", name=f"node-{node['slot']}").count() == 0, "folded below its parent"
    opened.page.locator("[col-id*='Run Name'] svg").first.click()
    for node in told["nodes"]:
        opened.page.get_by_role("link", name=f"node-{node['slot']}").wait_for()
    opened.shot("mlflow-runs", rewrite)


def test_mlflow_shows_metrics_by_round(opened: Watched, mlflow: str, finished: Path, rewrite: bool) -> None:
    told = summary(finished)
    opened.page.goto(f"{mlflow}/#/experiments/1/runs/{told['mlflow_run_id']}/model-metrics")
    search = opened.page.get_by_placeholder("Search metric charts")
    for wanted, names in (
        ("^gas/", ["commit", "vote", "attest"]),
        ("^seconds/(train|merge)$", ["train", "merge"]),
        ("^final/(accuracy|wall_seconds)$", ["accuracy", "wall_seconds"]),
        ("^(eval/.*accuracy|train/loss)$", ["accuracy", "loss", "alone_accuracy"]),
    ):
        search.fill(wanted)
        for name in names:
            opened.page.get_by_text(name, exact=True).first.wait_for(state="visible")
    opened.page.get_by_text("wall_seconds", exact=True).first.wait_for(state="hidden")
    # A line over the rounds, not a bar of one value.
    opened.page.locator("g.scatterlayer path.js-line").nth(1).wait_for(state="visible")
    opened.shot("mlflow-charts", rewrite)


def test_mlflow_shows_the_pictures(opened: Watched, mlflow: str, finished: Path) -> None:
    told = summary(finished)
    opened.page.goto(f"{mlflow}/#/experiments/1/runs/{told['mlflow_run_id']}/artifacts/figures/accuracy.png")
    for name in ("accuracy", "ballots", "gas", "seconds"):
        opened.page.get_by_text(f"{name}.png", exact=True).first.click()
        heard(opened, f"figures/{name}.png")
        opened.page.wait_for_function("[...document.images].some(image => image.naturalWidth > 400)")
    for name in ("charter.json", "config.json", "report.html", "rounds.json", "summary.json", "transactions.json"):
        opened.page.get_by_text(name, exact=True).first.wait_for()


def test_mlflow_shows_the_model_with_its_signature(opened: Watched, mlflow: str, finished: Path, rewrite: bool) -> None:
    from mlflow import MlflowClient

    (model,) = MlflowClient(f"sqlite:///{finished / 'mlflow.db'}").search_logged_models(["1"])
    opened.page.goto(f"{mlflow}/#/experiments/1/models/{model.model_id}/artifacts")
    opened.page.get_by_text("MLmodel", exact=True).click()
    for words in ("signature:", '"float32"', "[-1, 1, 8, 8]", "loader_module: mlflow.pytorch"):
        heard(opened, words)
    # Without the lines above, which tell on whose machine it was.
    opened.shot("mlflow-model", rewrite, clip={"x": 474, "y": 240, "width": 736, "height": 596})


def test_the_documents_screenshots_are_small() -> None:
    pictures = sorted(IMAGES.glob("*.png"))
    assert {file.stem for file in pictures} >= {
        "report",
        "report-phone",
        "mlflow-runs",
        "mlflow-charts",
        "mlflow-model",
    }
    assert [file.name for file in pictures if file.stat().st_size >= LARGEST] == []


def test_mlflow_says_how_to_load_the_model(opened: Watched, mlflow: str, finished: Path) -> None:
    opened.page.goto(f"{mlflow}/#/experiments/1/runs/{summary(finished)['mlflow_run_id']}")
    more = opened.page.get_by_text("Show more", exact=True)
    more.wait_for()
    more.click()
    heard(opened, "mlflow.pytorch.load_model")
