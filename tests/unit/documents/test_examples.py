"""The examples run as they are, and what they show is true."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
ONE_ROUND = ROOT / "examples" / "one_round.py"
LINE = re.compile(r"round (\d) (\w+) (\w{12}): included (.+), attested by (.+), error ([\d.]+)")


def test_one_round_runs_by_the_command_that_it_names() -> None:
    command = re.search(r"Run it: python (\S+)", ONE_ROUND.read_text())
    assert command is not None
    done = subprocess.run(
        [sys.executable, command[1]],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    rounds = [LINE.fullmatch(line) for line in done.stdout.splitlines()[:-1]]
    assert [match[1] for match in rounds if match] == ["1", "2", "3"]
    # The Byzantine node's update is refused in every round, and its silence in the last one does not stop the others.
    assert [match[4] for match in rounds if match] == ["[0, 1, 2]"] * 3
    assert [match[5] for match in rounds if match] == ["[0, 1, 2, 3]", "[0, 1, 2, 3]", "[0, 1, 2]"]


def test_one_round_learns_what_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(ONE_ROUND))
    weights = example["main"]()
    errors = [float(match[6]) for line in capsys.readouterr().out.splitlines() if (match := LINE.fullmatch(line))]
    assert errors == sorted(errors, reverse=True)
    assert np.abs(weights - example["TRUTH"]).max() < 0.2


def test_one_round_gives_the_same_roots_every_time(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(ONE_ROUND))["main"]
    main()
    first = capsys.readouterr().out
    main()
    assert capsys.readouterr().out == first


def test_one_round_needs_neither_ray_nor_a_chain() -> None:
    heavy = (
        "import runpy, sys; runpy.run_path(sys.argv[1])['main'](); print({'ray', 'web3', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", heavy, str(ONE_ROUND)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"
