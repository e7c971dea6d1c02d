"""What a user sees: as lines, and in a terminal of 80 columns."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from rich.console import Console

from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.messages import NodeStatus, Outcome, Phase, Round, Status
from rayfed.protocol.metric import ACCURACY
from rayfed.reporting.html_report import page
from rayfed.reporting.live_table import LiveDisplay
from rayfed.reporting.node_table import ORDER, columns
from rayfed.reporting.notices import Notices
from rayfed.reporting.plain_lines import PlainLines
from rayfed.reporting.words import short, standing
from tests.fake_run import FEDERATION, FakeRun, address, fake_run


def console(terminal: bool, height: int = 24) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=80, height=height, color_system=None, legacy_windows=False
    )


def written(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def closed(outcome: Outcome) -> Round:
    """The same as the ledger's slot has it."""
    kept = {name: getattr(outcome, name) for name in ("round", "status", "deadline", "included", "root")}
    return Round(base_round=0, base=NO_ROOT, context=bytes(32), roster=15, **kept)


def play(run: FakeRun, to: Console, again: int = 3) -> list[str]:
    """Show a whole run, each sight several times, and return the lines."""
    told = Notices({outcome.round: outcome for outcome in run.outcomes}.get)
    finals = sum(outcome.status.stands for outcome in run.outcomes)
    with LiveDisplay(finals, Path("outputs/x"), name="digits", console=to) as display:
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
        done = replace(run.views[-1], phase=Phase.DONE, deadline=0, previous=closed(run.outcomes[-1]))
        display.update(done, run.statuses)
        display.notices(told.look(done, run.history.views, run.records, run.statuses))
        display.final(run.summary())
    return written(to).splitlines()


def without_time_left(lines: list[str]) -> list[str]:
    """Return lines without what depends on how fast they came."""
    return [line.partition("; about ")[0] for line in lines]


def test_plain_output_has_one_line_for_each_thing_that_happened() -> None:
    lines = play(fake_run(), console(terminal=False))
    assert lines[:2] == ["starting a chain", "starting 4 nodes"]
    for r in range(1, 6):
        # Four final rounds were to be had: since one was void, there are five.
        assert sum(line.startswith(f"round {r}/{4 if r <= 3 else 5}: commit opened") for line in lines) == 1
        assert sum(line.startswith((f"round {r}: final", f"round {r}: void")) for line in lines) == 1
    assert sum(line.startswith("round 3: void, the base stays") for line in lines) == 1
    measured = [line for line in lines if ": accuracy" in line and line.startswith("round")]
    first = next(record.accuracy for record in fake_run().records)
    assert measured[0] == f"round 1: accuracy {ACCURACY.shown(first)}"
    assert [line.split(":")[0] for line in measured] == [f"round {r}" for r in (1, 2, 4, 5)]
    assert sum("failed: accuracy" in line for line in lines) == 1
    assert sum("finished: accuracy" in line for line in lines) == 3
    assert len(lines) == len(set(lines) - {""}) + lines.count(""), "nothing is said twice"
    assert not any("\x1b" in line for line in lines)


def test_who_is_waited_for_is_told_once_half_of_a_phase_is_over() -> None:
    run, lines = fake_run(), list[str]()
    opened = replace(run.views[0], round=2, phase=Phase.COMMIT, time=100, deadline=200, roster=0b1111, committed=0)
    shown, statuses = PlainLines(5, lines.append), [replace(status, error="") for status in run.statuses]
    for time, committed in ((100, 0), (149, 0b0011), (150, 0b0011), (180, 0b0011), (190, 0b1111)):
        shown.update(replace(opened, time=time, committed=committed), statuses)
    assert [line for line in lines if "waits" in line] == ["round 2: commit waits for node 2, node 3"]
    to = console(terminal=True)
    with LiveDisplay(5, Path("outputs/x"), console=to) as display:
        display.update(replace(opened, committed=0b0111), statuses)
    assert "waiting for node 3" in written(to)


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("failed", [False, True])
def test_an_accuracy_stands_beside_its_own_round_however_late_it_comes(late: int, failed: bool) -> None:
    """A node with little time measures a round after later ones have closed, and its figure is not theirs."""
    run, lines = fake_run(), list[str]()
    shown = PlainLines(5, lines.append)
    outcomes = {outcome.round: outcome for outcome in run.outcomes}

    def look(round: int, statuses: list[NodeStatus]) -> None:
        last = outcomes.get(round - 1)
        view = replace(run.views[0], round=min(round, 5), phase=Phase.COMMIT, previous=last and closed(last))
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
    assert measured == [f"round {r}: accuracy {ACCURACY.shown(r / 10 + mean)}" for r in range(1, 6)]


def test_the_log_has_the_plain_lines_whatever_the_terminal_shows(caplog: pytest.LogCaptureFixture) -> None:
    lines = {}
    for terminal in (False, True):
        caplog.clear()
        with caplog.at_level("INFO", logger="rayfed.told"):
            shown = play(fake_run(rounds=6, void=(), since=2), console(terminal))
        lines[terminal] = [record.getMessage() for record in caplog.records]
        if not terminal:
            assert lines[terminal] == shown
    assert without_time_left(lines[True]) == without_time_left(lines[False])
    assert "round 4: final, 3 updates merged" in "\n".join(lines[True])


def test_showing_the_same_more_often_says_no_more() -> None:
    often, once = (play(fake_run(), console(terminal=False), again=times) for times in (9, 1))
    assert without_time_left(often) == without_time_left(once)


@pytest.mark.parametrize("terminal", [False, True])
def test_who_is_left_out_is_told_once_when_it_begins(terminal: bool) -> None:
    lines = play(fake_run(rounds=6, void=(), since=2), console(terminal))
    (place,) = [number for number, line in enumerate(lines) if "left out" in line]
    assert lines[place].endswith("node 3 left out since round 2: norm")
    if not terminal:
        before = "\n".join(lines[:place])
        assert "round 4: final" in before
        assert "round 5: final" not in before, "not only at the end"
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
    assert run.outcomes[0].status is Status.OVER
    text = "\n".join(play(run, console(terminal=False)))
    assert "no round was final" in text


def test_where_a_federation_stands_in_few_words() -> None:
    run = fake_run(rounds=3, void=(2,))
    view = run.views[-1]
    assert standing(view, 2) == "round 3/3 · attest 0/4 · 1 min at most"
    assert standing(view, 5) == "round 3/6 · attest 0/4 · 1 min at most"
    full = replace(view, phase=Phase.WAITING, deadline=0, roster=0, finals=2, unsettled=2)
    assert standing(full, 5) == "round 3/6 · 2 rounds are to be settled first"
    done = replace(view, phase=Phase.DONE, finals=2, unsettled=2)
    assert standing(done, 2) == "done after 3 rounds, 2 unsettled"
    assert standing(replace(done, unsettled=0), 2) == "done after 3 rounds"


def test_how_long_it_will_still_take_is_told_with_each_round() -> None:
    """Rounds of 10 s, the third of which is void: after it three final ones are due again in 50 s."""
    run, lines, now = fake_run(), list[str](), 0.0
    shown = PlainLines(4, lines.append, lambda: now)
    outcomes = {outcome.round: outcome for outcome in run.outcomes}
    openings = [view for view in run.views if view.phase is Phase.COMMIT and not view.committed]
    for view in openings:
        last = outcomes.get(view.round - 1)
        now = 10.0 * (view.round - 1)
        shown.update(replace(view, previous=last and closed(last)), run.statuses)
    told = [line.rpartition("; ")[2] for line in lines if "base stays" in line or "merged" in line]
    assert told == ["about 30 s left", "about 20 s left", "about 10 s left", "about 13 s left"]


def test_a_narrow_terminal_has_fewer_columns_and_no_broken_ones() -> None:
    assert columns(200) == list(ORDER)
    assert columns(80) == [name for name in ORDER if name != "txs"]
    run = fake_run()
    for width in (30, 45, 60, 80, 100):
        to = Console(file=io.StringIO(), force_terminal=True, width=width, height=24, color_system=None)
        display = LiveDisplay(5, Path("x"), console=to)
        display.update(run.views[9], run.statuses)
        with to.capture() as captured:
            to.print(display._draw())
        rows = captured.get().splitlines()
        assert max(map(len, rows)) <= width
        (place,) = [row for row in rows if "at most" in row]
        assert ("━" in place) == (width >= 60), "a bar where there is room for one, and the words on one line"
        assert "…" not in re.sub(r"0x\w{4}…\w{4}", "", "".join(rows))
        row = next(row for row in rows if row.split()[:1] == ["0"])
        assert "finished" in row


@pytest.mark.parametrize(
    ("tracking", "line"),
    [
        (None, "MLflow        python -m rayfed ui"),
        ("sqlite:////data/a b.db", "MLflow        python -m rayfed ui --tracking-uri 'sqlite:////data/a b.db'"),
        ("https://me:SECRET@mlflow.example.org", "MLflow        https://***@mlflow.example.org"),
    ],
)
def test_the_end_names_what_one_does_next(
    tracking: str | None, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", "/")  # elsewhere: paths are told in full
    to = console(terminal=False)
    with LiveDisplay(1, tmp_path / "my run", console=to) as display:
        display.found(FEDERATION, tracking=tracking)
        display.final(fake_run().summary())
    lines = written(to).splitlines()
    assert line in lines
    assert f"report        {tmp_path}/my run/report.html" in lines
    assert f"audit         python -m rayfed audit '{tmp_path}/my run'" in lines
    assert f"export        python -m rayfed export '{tmp_path}/my run' --onnx model.onnx" in lines
    assert "model         model.safetensors there, model.md says how to use it" in lines
    assert "update        4,810 parameters, 20 kB a node and round" in lines


def test_the_end_says_what_is_trained_and_what_is_frozen() -> None:
    summary, to = (
        replace(fake_run().summary(), frozen=11_176_512, parameters=2_565, update_bytes=11_264),
        console(False),
    )
    with LiveDisplay(1, Path("x"), console=to) as display:
        display.final(summary)
    assert (
        "update        2,565 parameters trained, 11,176,512 frozen, 11.3 kB a node and round"
        in written(to).splitlines()
    )
    assert summary.to_dict()["frozen"] == 11_176_512
    assert "11,176,512" in page(summary, fake_run().history)


def test_what_can_still_be_contested_is_said_at_the_end() -> None:
    text = "\n".join(play(fake_run(), console(terminal=False)))
    assert "open          4 rounds can still be contested; then: python -m rayfed claim" in text
    one = fake_run(rounds=1, void=()).summary()
    to = console(terminal=False)
    with LiveDisplay(1, Path("x"), console=to) as display:
        display.final(replace(one, settings={**one.settings, "ledger": "devchain"}))
    assert "1 round to settle when the chain ended" in written(to), "nobody can claim where no chain is"


def test_an_error_leaves_the_terminal_as_it_was() -> None:
    to = console(terminal=True)
    with pytest.raises(ZeroDivisionError), LiveDisplay(5, Path("x"), console=to):
        raise ZeroDivisionError
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert written(to).rindex(shown) > written(to).rindex(hidden), "the cursor is back"
