"""The Ray that a run starts for itself: its processes are ready beforehand, in the right environment, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.federations import PATIENCE, environment

pytestmark = pytest.mark.timeout(2 * PATIENCE)

SCRIPT = """
import os
from rayfed.config import load
from rayfed.runtime import cluster

settings = load(["train.threads=2"])
before = dict(os.environ)
wanted = cluster.variables(settings)
assert cluster.environment(settings) == {"env_vars": wanted}
with cluster.connected(settings):
    assert {name: os.environ.get(name) for name in wanted} == {name: before.get(name) for name in wanted}
    assert cluster.environment(settings) == {}, "what Ray has started beforehand is of use"
    assert cluster.environment(load(["train.threads=1"])) != {}, "of other runs in this Ray it is not"
    there = cluster.result(cluster.task(lambda: dict(os.environ), settings).remote())
    assert {name: there.get(name) for name in wanted} == wanted
assert cluster.environment(settings) == {"env_vars": wanted}
"""

SLOW = """
import os, signal, threading, time
from pathlib import Path
import ray
from rayfed.config import load
from rayfed.runtime import cluster

def own_raylets():
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if words[0].endswith(b"/raylet") and parent == os.getpid():
            yield int(folder.name)

def hold():
    while not (found := list(own_raylets())):
        time.sleep(0.01)
    os.kill(found[0], signal.SIGSTOP)
    time.sleep(35)
    held.append(found[0])
    os.kill(found[0], signal.SIGCONT)

held = []
threading.Thread(target=hold, daemon=True).start()
with cluster.connected(load([])):
    assert held, "it was up before"
    assert ray.get(ray.remote(lambda: 42).remote()) == 42
"""


def ended_well(script: str, folder: Path) -> None:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


UNUSED = """
import psutil
from rayfed.config import load
from rayfed.runtime import cluster

with cluster.connected(load([])):
    words = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert any("raylet" in line for line in words), words
    assert not [line for line in words if "dashboard.py" in line or "monitor.py" in line], words
"""


def test_it_starts_no_process_that_a_run_does_not_use(tmp_path: Path) -> None:
    command = [sys.executable, "-c", UNUSED]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_its_processes_need_no_environment_of_their_own(tmp_path: Path) -> None:
    ended_well(SCRIPT, tmp_path)


def test_one_that_takes_longer_than_its_own_half_minute_is_waited_for(tmp_path: Path) -> None:
    ended_well(SLOW, tmp_path)
