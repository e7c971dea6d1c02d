"""The protocol's conversations as golden files.

``scenarios/*.txt`` hold a scenario, a line of dashes, and the transcript. ``pytest tests/protocol --rewrite`` writes
the transcripts anew; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.testing import play

HERE = Path(__file__).parent / "scenarios"
RULE = "-" * 16


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path, request: pytest.FixtureRequest) -> None:
    scenario, _, expected = path.read_text().partition(f"{RULE}\n")
    transcript = play(scenario)
    if request.config.getoption("--rewrite"):
        path.write_text(f"{scenario}{RULE}\n{transcript}")
        return
    assert transcript == expected


def test_there_are_scenarios() -> None:
    assert len(list(HERE.glob("*.txt"))) >= 10


def test_a_line_that_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="not understood: hello"):
        play("hello")
