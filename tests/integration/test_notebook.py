"""The example for notebooks, as a kernel may run it: in a thread that is not the main one, without a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.federations import PATIENCE, TREE, Command, environment

pytestmark = pytest.mark.timeout(PATIENCE)

IN_A_THREAD = """
import runpy, signal, sys, threading
before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
failed = []
def hook(args):
    sys.__excepthook__(args.exc_type, args.exc_value, args.exc_traceback)
    failed.append(args)
threading.excepthook = hook
cells = threading.Thread(target=runpy.run_path, args=(sys.argv[1],))
cells.start()
cells.join()
assert {number: signal.getsignal(number) for number in before} == before, "the kernel's own handlers stay"
sys.exit(bool(failed))
"""


def test_the_example_for_notebooks(tmp_path: Path) -> None:
    example = TREE / "examples" / "from_a_notebook.py"
    command = Command([sys.executable, "-c", IN_A_THREAD, str(example)], tmp_path, environment())
    try:
        ended = command.wait()
    finally:
        command.end()
    assert (ended.code, ended.left) == (0, []), ended
    lines = ended.out.splitlines()
    assert lines[0].startswith("federation.nodes: 0 is out of range")
    assert "round 2/2: commit opened" in ended.out
    assert lines[-2:] == ["(2, 10)", "clean"]
    (summary,) = (tmp_path / "outputs" / "digits").glob("*/summary.json")
    assert lines[-3].endswith(summary.read_text().split('"final_root": "')[1].split('"')[0])
