"""The layers of ``rayfed/``, as ``pyproject.toml`` lists them: what is imported at run time lies in a lower one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
PYPROJECT = HERE.parents[3] / "pyproject.toml"


LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(sys.argv[1], no_cache=True))"


def test_imports_go_down_the_layers() -> None:
    """In a process of its own: the linter silences all loggers of the one that it is in."""
    done = subprocess.run(
        [sys.executable, "-c", LINT, str(PYPROJECT)], cwd=PYPROJECT.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
