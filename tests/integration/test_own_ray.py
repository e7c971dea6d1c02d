"""The Ray that a run starts for itself: its processes are ready beforehand, in the right environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.federations import PATIENCE, environment

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


def test_its_processes_need_no_environment_of_their_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
