"""A new database for MLflow is what MLflow itself makes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rayfed.reporting.mlflow import new_database

ANEW = (
    "MLflow makes another database by now: write what `python -m mlflow db upgrade sqlite:///new.db` makes, by "
    "sqlite3.Connection.iterdump, to rayfed/reporting/mlflow/new_database.sql"
)


def dumped(path: Path) -> list[list[str]]:
    """All that a database holds, as the words of each statement, in order: MLflow's migrations write a table's
    constraints in another order each time."""
    with closing(sqlite3.connect(path)) as database:
        return sorted(sorted(re.findall(r"[^\s(),]+", statement)) for statement in database.iterdump())


def test_a_new_database_is_the_one_that_mlflow_makes(tmp_path: Path) -> None:
    own, theirs = tmp_path / "own.db", tmp_path / "theirs.db"
    upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{theirs}"]
    subprocess.run(upgrade, check=True, capture_output=True)
    new_database.prepare(f"sqlite:///{own}")
    assert own.exists(), ANEW
    assert dumped(own) == dumped(theirs), ANEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.db", "theirs.db"]


def test_a_database_of_another_version_is_left_to_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_database, "_version", lambda: "another")
    new_database.prepare(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_bytes(b"")
    new_database.prepare(f"sqlite:///{there}")
    assert there.read_bytes() == b""


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "sqlite:///{}/nowhere/there.db"])
def test_where_there_is_nothing_to_make_mlflow_has_the_word(tmp_path: Path, uri: str) -> None:
    new_database.prepare(uri.format(tmp_path))
    assert list(tmp_path.iterdir()) == []
