"""What can be found out about MLflow's database before anything starts.

MLflow itself would try to open it for minutes, and say nothing.
"""

from __future__ import annotations

import base64
import os
import queue
import socket
import sqlite3
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from rayfed.config.files import sqlite_file, tracking_uri
from rayfed.encoding.certificates import untrusted
from rayfed.encoding.urls import public, public_text
from rayfed.errors import ConfigError
from rayfed.learning.raised import first_line
from rayfed.reporting.told import told

if TYPE_CHECKING:
    from rayfed.config import Settings

SETTING = "track.tracking_uri"

OTHERWISE = "(track=none records nothing)"

AWAY = "cannot be reached: "

KNOCK_SECONDS = 10.0
"""How long a database may take to open its door."""

ANSWER_SECONDS = 3.0
"""How long a tracking server may take to say that it is there."""

CERTIFICATES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
"""The variable that names a file of authorities to MLflow."""

NAMES, TOKEN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"), "MLFLOW_TRACKING_TOKEN"
"""The variables by which MLflow's client says who it is."""

DATABRICKS = ("databricks", "databricks-uc", "uc")

PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Servers of databases that MLflow can use, and where they listen unless the address says otherwise."""


def away(settings: Settings) -> list[str]:
    """Return what people are told at the beginning of a run, where it is to be recorded: see ``silence``."""
    if not settings.track.enabled:
        return []
    line = silence(tracking_uri(settings.track.tracking_uri, Path.cwd()))
    if line:
        told.warning(line)
    return [line] if line else []


def silence(uri: str, seconds: float = ANSWER_SECONDS) -> str:
    """Ask a tracking server once whether it is there; return in a line that it is not. Empty: it answers, or there is
    nothing to ask.

    Args:
        seconds: after which it is not waited for any longer, whatever keeps the answer: a name server, say.
    """
    if urlsplit(uri).scheme not in ("http", "https"):
        return ""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: said.put(_asked(uri, seconds)), name="rayfed-knock", daemon=True).start()
    try:
        reason = said.get(timeout=seconds + 1.0)
    except queue.Empty:
        reason = f"{AWAY}no answer in {seconds:g} s"
    if not reason:
        return ""
    later = "training goes on, and what it misses is sent once it answers"
    return f"{SETTING}: MLflow at {public(uri)} {reason}; {later} {OTHERWISE}"


def _asked(uri: str, seconds: float) -> str:
    """Return what is wrong with a server, or with what it is told of who asks; empty if nothing is."""
    parts = urlsplit(uri)
    place = parts.netloc.rpartition("@")[2]
    health = urlunsplit((parts.scheme, place, f"{parts.path.rstrip('/')}/health", "", ""))
    given = _credentials(uri)
    try:
        request = urllib.request.Request(health, headers={"Authorization": given} if given else {})
        with urllib.request.urlopen(request, timeout=seconds, context=_authorities()):
            return ""
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.UNAUTHORIZED and given is not None:
            named = f"{' and '.join(NAMES)}, or {TOKEN}"
            return f"refuses what {named} say" if given else f"asks who you are: set {named}"
        return f"{AWAY}it answers {error.code}" if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR else ""
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, BaseException) else error
        return AWAY + (untrusted(reason, CERTIFICATES) or public_text(str(error.reason)))
    except (OSError, ValueError, HTTPException) as error:
        return AWAY + (public_text(str(error)) or type(error).__name__)


def _credentials(uri: str) -> str | None:
    """Return how MLflow's client says who it is; empty: it says nothing; None: it may, by a plugin or a file of its."""
    parts = urlsplit(uri)
    in_uri = tuple(unquote(one or "") for one in (parts.username, parts.password))
    name, password = (os.environ.get(one, "") for one in NAMES)
    if name and password:
        in_uri = name, password
    if all(in_uri):
        return "Basic " + base64.b64encode(":".join(in_uri).encode()).decode()
    if token := os.environ.get(TOKEN):
        return f"Bearer {token}"
    elsewhere = os.environ.get("MLFLOW_TRACKING_AUTH") or (Path.home() / ".mlflow" / "credentials").exists()
    return None if elsewhere else ""


def _authorities() -> ssl.SSLContext:
    """Return whom MLflow's client believes: it asks neither the system nor the variables of OpenSSL."""
    import certifi  # which comes with requests, by which MLflow asks

    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return ssl._create_unverified_context()
    named = next(filter(None, map(os.environ.get, (CERTIFICATES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))), None)
    if named is None:
        return ssl.create_default_context(cafile=certifi.where())
    if not os.path.exists(named):
        raise OSError(f"there is no file {named}, which {CERTIFICATES} or REQUESTS_CA_BUNDLE names")
    folder = os.path.isdir(named)
    return ssl.create_default_context(capath=named if folder else None, cafile=None if folder else named)


def check(uri: str) -> None:
    """Make sure of a database, where the address names one. A tracking server may come later: MLflow asks it patiently,
    and ``silence`` says if it is away.

    Raises:
        ConfigError: naming ``track.tracking_uri``.
    """
    path = sqlite_file(uri)
    kind = uri.partition(":")[0].partition("+")[0] if "://" in uri else ""
    if path is not None:
        _file(path)
    elif kind in PORTS:
        _server(uri, PORTS[kind])
    elif kind in ("http", "https"):
        _named(uri)
    elif kind == "file" or (":" not in uri and uri not in DATABRICKS):
        _folder(Path(unquote(urlsplit(uri).path) if kind else uri))
    elif kind == "sqlite":
        raise ConfigError(SETTING, f"{uri} keeps nothing: sqlite:///FILE names a database's file {OTHERWISE}")
    elif not {uri, kind} & {*DATABRICKS, *entry_points(group="mlflow.tracking_store").names}:
        words = "neither a folder nor an address that MLflow knows: sqlite:///FILE, http://HOST:PORT"
        raise ConfigError(SETTING, f"{public(uri)} is {words} {OTHERWISE}")


def _named(uri: str) -> None:
    """Check that a server's address names a host."""
    try:
        host = urlsplit(uri).hostname
    except ValueError:  # half an IPv6 address
        host = None
    if not host:
        raise ConfigError(SETTING, f"{uri.rpartition('@')[2]} names no host: http://HOST:PORT {OTHERWISE}")


def _folder(path: Path) -> None:
    """Check that a folder is there, or can be made, and be written."""
    nearest = next(one for one in (path, *path.parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise ConfigError(SETTING, f"cannot make the folder {path}: {nearest} is no folder {OTHERWISE}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(SETTING, f"the folder {path} is not writable {OTHERWISE}")


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
        reason = public_text(first_line(error))
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
