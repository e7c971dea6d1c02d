"""What can be found out about MLflow's database before anything starts.

MLflow itself would try to open it for minutes, and say nothing.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from rayfed.config.files import sqlite_file
from rayfed.encoding.urls import public, public_text
from rayfed.errors import ConfigError

SETTING = "track.tracking_uri"

OTHERWISE = "(track=none records nothing)"

KNOCK_SECONDS = 10.0
"""How long a database may take to open its door."""

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Servers of databases that MLflow can use, and where they listen unless the address says otherwise."""


def check(uri: str) -> None:
    """Make sure of a database, where the address names one; a tracking server is asked by MLflow, which is patient.

    Raises:
        ConfigError: naming ``track.tracking_uri``.
    """
    path = sqlite_file(uri)
    kind = uri.partition(":")[0].partition("+")[0]
    if path is not None:
        _file(path)
    elif kind in PORTS and "://" in uri:
        _server(uri, PORTS[kind])


def _file(path: Path) -> None:
    if not path.exists():
        writable_folder(path.parent, SETTING)
        return
    try:
        with closing(sqlite3.connect(path, timeout=KNOCK_SECONDS)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(SETTING, f"cannot open the database {path}: {error} {OTHERWISE}") from error
    if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
        raise ConfigError(SETTING, f"the database {path} is not writable {OTHERWISE}")


def _server(uri: str, port: int) -> None:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(uri)
        engine = create_engine(url)  # imports what speaks to such a database
        socket.create_connection((url.host or "localhost", url.port or port), KNOCK_SECONDS).close()
        with closing(engine.connect()):
            pass
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        reason = public_text(next(iter(str(error).splitlines()), type(error).__name__))
        raise ConfigError(SETTING, f"cannot open the database {public(uri)}: {reason} {OTHERWISE}") from error


def writable_folder(path: Path, setting: str) -> None:
    """Make sure of a folder that can be written.

    Raises:
        ConfigError: naming the setting.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(setting, f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(setting, f"the folder {path} is not writable")
