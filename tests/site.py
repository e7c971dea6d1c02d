"""The documents as a site, built as `make docs` does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents import ROOT

BUILDER = ROOT / ".venv-docs" / "bin" / "python"


def builder() -> list[str]:
    """Return the command of MkDocs: of the environment that `make docs` makes, or of this one."""
    if BUILDER.exists():
        return [str(BUILDER), "-m", "mkdocs"]
    if all(find_spec(name) for name in ("mkdocs", "material")):
        return [sys.executable, "-m", "mkdocs"]
    pytest.skip("MkDocs is not there: `make docs` installs it into .venv-docs")


def build(folder: Path) -> None:
    """Build the site there, as strictly as `make docs` does; skip the test where there is nothing to build it with."""
    words = [*builder(), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
