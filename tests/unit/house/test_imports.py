"""The layers of ``rayfed/``, as ``pyproject.toml`` lists them: what is imported at run time lies in a lower one."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

HERE = Path(__file__).resolve()
PYPROJECT = HERE.parents[3] / "pyproject.toml"


def test_imports_go_down_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_imports(config_filename=str(PYPROJECT), no_cache=True)
    assert code == 0, capsys.readouterr().out
