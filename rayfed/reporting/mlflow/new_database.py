"""A new SQLite database as MLflow makes it, at once: its own way leads through each of its versions, which takes 2.5 s
of a processor.

``new_database.sql`` is what ``mlflow db upgrade`` makes, as text. A test holds the two to each other, and says how to
write it anew.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from rayfed.config.files import sqlite_file


def artifact_location(uri: str, experiment: str) -> str | None:
    """Return where a new experiment's artifacts go, or None to leave it to the server.

    MLflow's own default for a database is ``./mlruns`` of whatever process creates the experiment. In an actor that
    is a folder that nobody looks into, so for SQLite it is ``mlruns/<experiment>`` beside the database file.
    """
    database = sqlite_file(uri)
    return None if database is None else (database.parent / "mlruns" / quote(experiment, safe="")).as_uri()


def prepare(uri: str) -> None:
    """Make the database, where the address names a file that is not there yet in a folder that is, and where this
    MLflow is of the text's version. Otherwise MLflow makes it, or says what keeps it from that. Imports MLflow.

    Args:
        uri: a tracking URI.
    """
    path = sqlite_file(uri)
    if path is None or path.exists() or not path.parent.is_dir():
        return
    text = files("rayfed.reporting.mlflow").joinpath("new_database.sql").read_text(encoding="utf-8")
    if f"VALUES('{_version()}')" not in text:
        return
    with suppress(OSError), TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        with closing(sqlite3.connect(new)) as database:
            database.executescript(text)
        os.link(new, path)  # whole or not at all, and never over one that another run has made meanwhile


def _version() -> str | None:
    """Return which version of the tables this MLflow works with."""
    from alembic.script import ScriptDirectory

    from rayfed.reporting.mlflow.environment import mlflow

    return ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations")).get_current_head()
