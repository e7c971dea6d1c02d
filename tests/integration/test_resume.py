"""Everything is killed at once, chain and all; the same words again, or ``resume=DIR``, carry the run on."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from rayfed.cli.main import main
from rayfed.config import load
from rayfed.errors import LedgerUnreachable
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.runtime import preflight
from rayfed.testing.proxy import Proxy
from tests.integration.federations import PATIENCE, SMALL, STANDS, Command, eventually, run, start, summary

pytestmark = pytest.mark.timeout(3 * PATIENCE)

WORDS = (*SMALL, "federation.rounds=12", "train.epochs=20")
"""Rounds that last long enough for the chain to be written to disk in between."""


def strike(command: Command) -> None:
    """Kill all of it in the same moment, as a power cut would."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in [*command.processes(), command.process.pid]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
    command.end()


def test_a_run_that_was_killed_whole_is_carried_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = start(*WORDS, folder=tmp_path)
    try:
        command.says("round 4/12")
    finally:
        strike(command)
    assert not (tmp_path / "run" / "summary.json").exists()
    ended = run("resume=run", folder=tmp_path)
    assert (ended.code, ended.err, ended.left) == (0, "", []), ended
    assert "resuming the federation" in ended.out
    assert "round 1/12: commit opened" not in ended.out
    told = summary(tmp_path)
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * 12
    assert {len(closed["attesters"]) for closed in told["rounds"]} == {3}
    assert main(["audit", str(tmp_path / "run"), "--strict", "--json", str(tmp_path / "audit.json")]) == 0
    capfd.readouterr()
    again = run("resume=run", folder=tmp_path)
    assert again.complaint.startswith("resume: the run in")


def test_a_run_that_was_killed_before_it_had_founded_anything_begins_anew(tmp_path: Path) -> None:
    command = start(*WORDS, folder=tmp_path)
    try:
        command.says("loading data")
    finally:
        strike(command)
    assert run(*SMALL, "federation.rounds=1", folder=tmp_path).code == 0


def test_a_run_that_was_killed_after_its_results_were_printed_can_be_audited(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = start(*SMALL, "federation.rounds=1", folder=tmp_path)
    try:
        command.says("results   run")
    finally:
        strike(command)
    assert summary(tmp_path)["rounds"][0]["status"] in STANDS
    assert main(["audit", str(tmp_path / "run"), "--strict"]) == 0
    capfd.readouterr()
    assert "is finished" in run("resume=run", folder=tmp_path).complaint
    (tmp_path / "run" / "record.json").unlink()  # as one that was killed between the two would leave it
    assert run("resume=run", folder=tmp_path).code == 0
    assert main(["audit", str(tmp_path / "run"), "--strict"]) == 0


def test_there_has_to_be_a_run(tmp_path: Path) -> None:
    assert run("resume=nowhere", folder=tmp_path).complaint.startswith("resume: there is no run in")


def test_whoever_carries_a_run_on_waits_for_its_chain(chain: DevChain, key_file: Path) -> None:
    """A wrong address is told at once to who starts a run; a run that was there knows the address to be right."""
    proxy = Proxy("127.0.0.1", int(chain.rpc_url.rpartition(":")[2]))
    try:
        words = [
            "ledger=rpc",
            f"ledger.rpc_url=http://127.0.0.1:{proxy.port}",
            f"ledger.key_file={key_file}",
            "ledger.allow_demo_times=true",
        ]
        settings = load(words)
        proxy.mode = "cut"
        with pytest.raises(LedgerUnreachable, match=r"^ledger\.rpc_url"):
            preflight.check(settings)
        before = proxy.hindered

        def let_pass() -> None:
            eventually("it has been asked again", lambda: proxy.hindered > before + 1)
            proxy.mode = "pass"

        threading.Thread(target=let_pass).start()
        preflight.check(settings, patience=PATIENCE)
        assert proxy.mode == "pass"
    finally:
        proxy.close()
