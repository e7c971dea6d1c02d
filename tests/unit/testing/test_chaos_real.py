"""The checks after a run over real parts really fail: each on a folder or a process in which just that is wrong."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import Phase
from rayfed.testing.chaos.checks import Broken
from rayfed.testing.chaos.real import checks, processes
from rayfed.testing.chaos.real.faults import REAL
from rayfed.testing.chaos.real.testbed import MOMENTS, NODES

ROOT = "ab" * 32


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a run that went well leaves, as far as the checks look."""
    monkeypatch.setattr(processes, "AFTERWARDS_SECONDS", 0.0)
    for slot in range(NODES):
        node = tmp_path / "run" / "nodes" / "0xfe" / f"node-{slot}"
        (node / "blobs" / ROOT[:2]).mkdir(parents=True)
        (node / "blobs" / ROOT[:2] / ROOT).touch()
        (node / "journal.jsonl").write_text('{"round": 1, "verb": "vote", "context": "aa", "value": "f"}\n')
    (tmp_path / "tmp").mkdir()
    told = {"rounds": [{"round": 1, "status": "void"}, {"round": 2, "status": "final"}], "final_root": f"0x{ROOT}"}
    scratch = tmp_path / "tmp"
    testbed = SimpleNamespace(folder=tmp_path, output=tmp_path / "run", told=told, summary=lambda: told)
    testbed.ground = SimpleNamespace(mlflow=None)
    testbed.temporary = lambda: list(scratch.glob("rayfed*"))
    testbed.left = lambda: testbed.run.left()
    return testbed


def test_all_is_well(testbed: Any) -> None:
    for check in (checks.a_round_is_final, checks.all_hold_the_final_model, checks.no_journal_contradicts_itself):
        check(testbed)
    checks.no_file_is_left(testbed)


def test_a_void_end_is_found_out(testbed: Any) -> None:
    testbed.told["rounds"].append({"status": "void"})
    with pytest.raises(Broken, match="void"):
        checks.a_round_is_final(testbed)


def test_a_node_without_the_model_is_found_out(testbed: Any) -> None:
    next(testbed.output.rglob(ROOT)).unlink()
    with pytest.raises(Broken, match=f"{NODES - 1} of {NODES} nodes"):
        checks.all_hold_the_final_model(testbed)


def test_a_contradiction_is_found_out(testbed: Any) -> None:
    with next(testbed.output.rglob("journal.jsonl")).open("a") as file:
        file.write(json.dumps({"round": 1, "verb": "vote", "context": "aa", "value": "e"}) + "\n")
    with pytest.raises(Broken, match="signed two things with vote in round 1"):
        checks.no_journal_contradicts_itself(testbed)


def test_a_run_without_a_record_is_found_out(testbed: Any) -> None:
    with pytest.raises(Broken, match="nothing to audit"):
        checks.the_audit_finds_nothing(testbed)


def test_a_round_that_is_lost_for_nothing_is_found_out(testbed: Any) -> None:
    testbed.scenario = REAL["real_hosts"]
    checks.no_round_is_lost(testbed)
    testbed.scenario = REAL["real_none"]
    with pytest.raises(Broken, match="rounds \\[1\\] are lost"):
        checks.no_round_is_lost(testbed)


STAKE = 100 * 10**18


@pytest.mark.parametrize(
    "account", [Account(stake=STAKE - 1, slashed=1), Account(stake=STAKE, slashed=STAKE), Account(stake=0)]
)
def test_a_stake_that_is_lost_is_found_out(testbed: Any, account: Account) -> None:
    testbed.settled = lambda: STAKE
    testbed.accounts = (Account(stake=STAKE),) * NODES
    checks.no_honest_stake_is_lost(testbed)
    testbed.accounts = (*testbed.accounts[1:], account)
    with pytest.raises(Broken, match="what is not so"):
        checks.no_honest_stake_is_lost(testbed)


def test_books_that_cannot_be_closed_are_found_out(testbed: Any) -> None:
    def settled() -> int:
        raise TimeoutError("1 of 2 rounds are settled")

    testbed.settled = settled
    with pytest.raises(Broken, match="1 of 2"):
        checks.no_honest_stake_is_lost(testbed)


@pytest.fixture
def mlflow(testbed: Any) -> Path:
    """A database as MLflow's server leaves it after this run."""
    path: Path = testbed.folder / "mlflow.db"
    testbed.ground.mlflow, testbed.run = SimpleNamespace(database=path), SimpleNamespace(out="")
    testbed.told["rounds"] = [{"status": "final", "round": 1}, {"status": "final", "round": 2}]
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (status TEXT)")
        database.executemany("INSERT INTO runs VALUES (?)", [("FINISHED",)] * (1 + NODES))
        database.execute("CREATE TABLE metrics (key TEXT, step INTEGER)")
        database.executemany("INSERT INTO metrics VALUES ('included', ?)", [(1,), (2,)])
    return path


@pytest.mark.parametrize("wrong", ["UPDATE runs SET status = 'RUNNING'", "DELETE FROM metrics WHERE step = 1"])
def test_what_mlflow_does_not_know_is_found_out(testbed: Any, mlflow: Path, wrong: str) -> None:
    checks.mlflow_knows_all(testbed)
    with contextlib.closing(sqlite3.connect(mlflow)) as database, database:
        database.execute(wrong)
    with pytest.raises(Broken, match="MLflow knows"):
        checks.mlflow_knows_all(testbed)
    testbed.run.out = "rayfed: track.tracking_uri: not all was recorded within 120 s\n"
    checks.mlflow_knows_all(testbed)


@pytest.mark.parametrize("name", ["run/nodes/.x.part", "run/founded.new", "tmp/rayfed-anvil-1.log"])
def test_a_file_is_found_out(testbed: Any, name: str) -> None:
    (testbed.folder / name).touch()
    with pytest.raises(Broken, match="still there"):
        checks.no_file_is_left(testbed)


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[processes.Command]:
    """A process that starts another one and waits for nobody."""
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    command = processes.Command([sys.executable, "-c", child], tmp_path / "parent", {})
    yield command
    command.kill_all()


def test_a_process_is_found_out(testbed: Any, parent: processes.Command) -> None:
    parent.process.wait()
    testbed.run = parent
    with pytest.raises(Broken, match="sleep"):
        checks.no_process_is_left(testbed)
    parent.kill_all()
    checks.no_process_is_left(testbed)
    assert not processes.send(parent.process.pid, signal.SIGKILL)


def test_every_fault_meets_every_moment() -> None:
    """Four seeds in a row: each fault at any instant, in COMMIT, in VOTE and in ATTEST, whatever its place."""
    for number in range(8):
        assert {MOMENTS[(seed + number) % len(MOMENTS)] for seed in range(4)} == set(MOMENTS)
    assert set(MOMENTS) == {None, Phase.COMMIT, Phase.VOTE, Phase.ATTEST}


def test_every_fault_says_what_it_does() -> None:
    assert all(fault.__doc__ for scenario in REAL.values() for fault in scenario.faults)
