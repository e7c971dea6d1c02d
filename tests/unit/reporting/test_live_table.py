"""What a user sees: as lines, and in a terminal of 80 columns."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from rich.console import Console

from rayfed.protocol.messages import NodeStatus, Phase, Status
from rayfed.protocol.metric import ACCURACY
from rayfed.reporting.live_table import LiveDisplay
from rayfed.reporting.notices import Notices
from rayfed.reporting.plain_lines import PlainLines
from rayfed.reporting.words import short
from tests.fake_run import FEDERATION, FakeRun, address, fake_run


def console(terminal: bool, height: int = 24) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=80, height=height, color_system=None, legacy_windows=False
    )


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def play(run: FakeRun, to: Console, again: int = 3) -> list[str]:
    """Show a whole run, each sight several times, and return the lines."""
    told = Notices({outcome.round: outcome for outcome in run.outcomes}.get)
    with LiveDisplay(5, Path("outputs/x"), name="digits", console=to) as display:
        display.say("starting a chain")
        display.say("starting 4 nodes")
        display.found(FEDERATION)
        display.update(None, [])
        scores = {r.round: r.accuracy for r in run.records if r.slot == 0}
        for view in run.views:
            scored = max((r for r, score in scores.items() if r < view.round and score is not None), default=0)
            now = {"doing": "training", "round": view.round, "accuracy": scores.get(scored), "scored": scored}
            statuses = [replace(s, error="", **now) for s in run.statuses]
            for _ in range(again):
                display.update(view, statuses)
            notices = told.look(view, run.history.views, run.records, statuses)
            display.notices(notices)
        done = replace(run.views[-1], phase=Phase.DONE, deadline=0, previous=run.outcomes[-1])
        display.update(done, run.statuses)
        display.notices(told.look(done, run.history.views, run.records, run.statuses))
        display.final(run.summary())
    return written(to).splitlines()


def test_plain_output_has_one_line_for_each_thing_that_happened() -> None:
    lines = play(fake_run(), console(terminal=False))
    assert lines[:2] == ["starting a chain", "starting 4 nodes"]
    for r in range(1, 6):
        assert sum(line.startswith(f"round {r}/5: commit opened") for line in lines) == 1
        assert sum(line.startswith((f"round {r}/5: final", f"round {r}/5: void")) for line in lines) == 1
    assert "round 3/5: void, the base stays" in lines
    measured = [line for line in lines if ": accuracy" in line and line.startswith("round")]
    first = next(record.accuracy for record in fake_run().records)
    assert measured[0] == f"round 1/5: accuracy {ACCURACY.shown(first)}"
    assert [line.split(":")[0] for line in measured] == [f"round {r}/5" for r in (1, 2, 4, 5)]
    assert sum("failed: accuracy" in line for line in lines) == 1
    assert sum("finished: accuracy" in line for line in lines) == 3
    assert len(lines) == len(set(lines) - {""}) + lines.count(""), "nothing is said twice"
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("failed", [False, True])
def test_an_accuracy_stands_beside_its_own_round_however_late_it_comes(late: int, failed: bool) -> None:
    """A node with little time measures a round after later ones have closed, and its figure is not theirs."""
    run, lines = fake_run(), list[str]()
    shown = PlainLines(5, lines.append)
    outcomes = {outcome.round: outcome for outcome in run.outcomes}

    def look(round: int, statuses: list[NodeStatus]) -> None:
        view = replace(run.views[0], round=min(round, 5), phase=Phase.COMMIT, previous=outcomes.get(round - 1))
        shown.update(view, statuses)

    for round in range(1, 7 + late):
        statuses = []
        for slot, status in enumerate(run.statuses):
            scored = max(0, min(5, round - 1 - (late if slot == 1 else 0)))
            doing = "failed" if failed and slot == 3 else "training"
            figures = {"accuracy": scored / 10 + slot / 100 if scored else None, "scored": scored}
            if doing == "failed":
                figures = {"accuracy": None, "scored": 0}
            statuses.append(replace(status, doing=doing, error="", **figures))
        look(round, statuses)
    measured = [line for line in lines if ": accuracy" in line and line.startswith("round")]
    mean = 0.01 if failed else 0.015
    assert measured == [f"round {r}/5: accuracy {ACCURACY.shown(r / 10 + mean)}" for r in range(1, 6)]


def test_showing_the_same_more_often_says_no_more() -> None:
    assert play(fake_run(), console(terminal=False), again=9) == play(fake_run(), console(terminal=False), again=1)


@pytest.mark.parametrize("terminal", [False, True])
def test_who_is_left_out_is_told_once_when_it_begins(terminal: bool) -> None:
    lines = play(fake_run(rounds=6, void=(), since=2), console(terminal))
    (place,) = [number for number, line in enumerate(lines) if "left out" in line]
    assert lines[place].endswith("node 3 left out since round 2: norm")
    if not terminal:
        before = "\n".join(lines[:place])
        assert "round 4/5: final" in before
        assert "round 5/5: final" not in before, "not only at the end"
    assert not [line for line in play(fake_run(), console(terminal)) if "left out" in line]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_end_names_all_that_matters(terminal: bool) -> None:
    run = fake_run()
    text = "\n".join(play(run, console(terminal)))
    summary = run.summary()
    for word in (summary.final_root or "", FEDERATION, "outputs/x", "python -m rayfed ui", "the disk is full"):
        assert word in text
    assert ACCURACY.shown(summary.final_accuracy) in text
    for node in summary.nodes:
        assert f"node {node.slot} alone" in text
        assert ACCURACY.shown(node.alone_accuracy) in text


def test_in_a_terminal_everything_fits_80_columns() -> None:
    to = console(terminal=True)
    lines = play(fake_run(), to)
    table = [line for line in lines if short(address(0)) in line]
    assert table, "a row for node 0"
    panel = [line for line in lines if line.startswith(("│", "╭", "╰"))]
    assert panel
    assert max(map(len, panel)) <= 80
    assert fake_run().summary().final_root in "\n".join(panel), "the root is not broken in two"


def test_many_nodes_stay_within_the_terminals_height() -> None:
    run = fake_run(nodes=64, rounds=1)
    to = console(terminal=True, height=20)
    display = LiveDisplay(5, Path("x"), console=to)
    display.update(run.views[0], run.statuses)
    with to.capture() as captured:
        to.print(display._draw())
    assert len(captured.get().splitlines()) <= 20
    assert "more" in captured.get()


def test_of_many_nodes_the_end_names_the_worst_the_median_and_the_best_alone() -> None:
    run = fake_run(nodes=16, rounds=1)
    alone = sorted(node.alone_accuracy for node in run.summary().nodes if node.alone_accuracy is not None)
    to = console(terminal=False)
    with LiveDisplay(1, Path("x"), console=to) as display:
        display.final(run.summary())
    lines = [line.split() for line in written(to).splitlines() if " alone " in line]
    assert [line[0] for line in lines] == ["worst", "median", "best"]
    wanted = (alone[0], median(alone), alone[-1])
    assert [" ".join(line[2:4]) for line in lines] == [ACCURACY.shown(value) for value in wanted]


def test_a_run_in_which_nothing_was_final_says_so() -> None:
    run = fake_run(rounds=2, void=(1, 2))
    assert run.outcomes[0].status is Status.VOID
    text = "\n".join(play(run, console(terminal=False)))
    assert "no round was final" in text


def test_an_error_leaves_the_terminal_as_it_was() -> None:
    to = console(terminal=True)
    with pytest.raises(ZeroDivisionError), LiveDisplay(5, Path("x"), console=to):
        raise ZeroDivisionError
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert written(to).rindex(shown) > written(to).rindex(hidden), "the cursor is back"
