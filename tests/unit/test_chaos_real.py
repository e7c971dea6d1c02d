"""The checks after a run over real parts really fail: each on a folder or a process in which just that is wrong."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rayfed.testing.chaos.checks import Broken
from rayfed.testing.chaos.real import checks, processes
from rayfed.testing.chaos.real.stage import NODES
from rayfed.testing.chaos.real.strikes import REAL

ROOT = "ab" * 32


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a run that went well leaves, as far as the checks look."""
    monkeypatch.setattr(processes, "AFTERWARDS_SECONDS", 0.0)
    for slot in range(NODES):
        node = tmp_path / "run" / "nodes" / "0xfe" / f"node-{slot}"
        (node / "blobs" / ROOT[:2]).mkdir(parents=True)
        (node / "blobs" / ROOT[:2] / ROOT).touch()
        (node / "journal.jsonl").write_text('{"round": 1, "verb": "vote", "value": "f"}\n')
    (tmp_path / "tmp").mkdir()
    told = {"rounds": [{"status": "void"}, {"status": "final"}], "final_root": f"0x{ROOT}"}
    return SimpleNamespace(
        folder=tmp_path, output=tmp_path / "run", scratch=tmp_path / "tmp", told=told, summary=lambda: told
    )


def test_all_is_well(stage: Any) -> None:
    for check in (checks.a_round_is_final, checks.all_hold_the_final_model, checks.no_journal_contradicts_itself):
        check(stage)
    checks.no_file_is_left(stage)


def test_a_void_end_is_found_out(stage: Any) -> None:
    stage.told["rounds"].append({"status": "void"})
    with pytest.raises(Broken, match="void"):
        checks.a_round_is_final(stage)


def test_a_node_without_the_model_is_found_out(stage: Any) -> None:
    next(stage.output.rglob(ROOT)).unlink()
    with pytest.raises(Broken, match=f"{NODES - 1} of {NODES} nodes"):
        checks.all_hold_the_final_model(stage)


def test_a_contradiction_is_found_out(stage: Any) -> None:
    with next(stage.output.rglob("journal.jsonl")).open("a") as file:
        file.write(json.dumps({"round": 1, "verb": "vote", "value": "e"}) + "\n")
    with pytest.raises(Broken, match="signed two things with vote in round 1"):
        checks.no_journal_contradicts_itself(stage)


def test_a_run_without_a_record_is_found_out(stage: Any) -> None:
    with pytest.raises(Broken, match="nothing to audit"):
        checks.the_audit_finds_nothing(stage)


@pytest.mark.parametrize("name", ["run/nodes/.x.part", "run/founded.new", "tmp/rayfed-anvil-1.log"])
def test_a_file_is_found_out(stage: Any, name: str) -> None:
    (stage.folder / name).touch()
    with pytest.raises(Broken, match="still there"):
        checks.no_file_is_left(stage)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[processes.Command]:
    """A process that starts another one and waits for nobody."""
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    command = processes.Command([sys.executable, "-c", child], tmp_path / "parent", {})
    yield command
    command.strike()


def test_a_process_is_found_out(stage: Any, parent: processes.Command) -> None:
    parent.process.wait()
    stage.run = parent
    with pytest.raises(Broken, match="sleep"):
        checks.no_process_is_left(stage)
    parent.strike()
    checks.no_process_is_left(stage)
    assert not processes.send(parent.process.pid, signal.SIGKILL)


def test_every_strike_says_what_it_does() -> None:
    assert all(strike.__doc__ for scenario in REAL.values() for strike in scenario.strikes)
