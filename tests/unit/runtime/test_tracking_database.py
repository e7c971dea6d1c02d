"""Where runs are recorded: what the settings and the environment mean, and what is found out before anything starts."""

from __future__ import annotations

import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from rayfed.config import load
from rayfed.config.files import sqlite_file, tracking_uri
from rayfed.errors import ConfigError
from rayfed.runtime import preflight, tracking


@pytest.fixture(autouse=True)
def _without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize("name", ["plain", "a?b", "a%b", "a%20b", "a#b", "a b"])
def test_a_folders_name_does_not_send_it_elsewhere(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    assert sqlite_file(tracking_uri(None, folder)) == folder / "mlflow.db"
    assert sqlite_file(tracking_uri("sqlite:///runs/x.db", folder)) == folder / "runs/x.db"
    assert "?" not in tracking_uri(None, folder)


def test_what_mlflow_is_told_by_the_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    assert tracking_uri(None, tmp_path) == "http://mlflow.example.org"
    assert tracking_uri("sqlite:////srv/x.db", tmp_path) == "sqlite:////srv/x.db", "the setting has the last word"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mlruns")
    assert tracking_uri(None, tmp_path) == str(tmp_path / "mlruns"), "the user's folder, not an actor's"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_database_that_can_be_opened_or_made_will_do(tmp_path: Path) -> None:
    tracking.check(tracking_uri(None, tmp_path / "new"))
    sqlite3.connect(tmp_path / "mlflow.db").close()
    tracking.check(tracking_uri(None, tmp_path))
    tracking.check("http://mlflow.example.org")


def test_one_that_cannot_be_opened_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be read as the header of one" * 9)
    with pytest.raises(ConfigError, match=r"^track\.tracking_uri: cannot open the database .*mlflow\.db: file is not"):
        tracking.check(tracking_uri(None, tmp_path))
    (tmp_path / "other" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"^track\.tracking_uri: cannot open the database .*unable to open"):
        tracking.check(tracking_uri(None, tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"^track\.tracking_uri: cannot make the folder .*mlflow\.db/sub"):
        tracking.check(tracking_uri("sqlite:///mlflow.db/sub/x.db", tmp_path))


@pytest.mark.parametrize("scheme", ["postgresql+pg8000", "postgresql", "mysql+pymysql", "mssql+pyodbc"])
def test_a_databases_server_is_asked_too(scheme: str) -> None:
    """Nothing listens there, or what speaks to it is not installed: one line either way, and nothing secret in it."""
    with pytest.raises(ConfigError) as caught:
        tracking.check(f"{scheme}://me:SECRET@127.0.0.1:1/mlflow")
    words = str(caught.value)
    assert words.startswith(f"track.tracking_uri: cannot open the database {scheme}://***@127.0.0.1:1/mlflow: ")
    assert words.endswith("(track=none records nothing)")
    assert "SECRET" not in words
    assert "\n" not in words


def test_a_tracking_server_is_mlflows_affair() -> None:
    for uri in ("https://mlflow.example.org", "databricks", "databricks://profile", "/a/folder", "file:///a/folder"):
        tracking.check(uri)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite://", "sqlite:// keeps nothing: sqlite:///FILE names a database's file"),
        ("http://", "http:// names no host: http://HOST:PORT"),
        ("http://me:SECRET@[::1", r"\[::1 names no host"),
        ("ftp://me:SECRET@example.org", r"ftp://.*example.org is neither a folder nor an address that MLflow knows"),
        ("nowhere:runs", "nowhere:runs is neither a folder nor an address"),
        ("FILE", "cannot make the folder .*: .* is no folder"),
        ("FILE/runs", "cannot make the folder .*: .* is no folder"),
        ("file://FILE/my%20runs", "cannot make the folder .*my runs: .* is no folder"),
    ],
)
def test_what_mlflow_would_not_know_is_told(uri: str, said: str, tmp_path: Path) -> None:
    """MLflow itself would say so in a process of its own, in round 1."""
    (tmp_path / "plain").touch()
    with pytest.raises(ConfigError, match=rf"^track\.tracking_uri: {said}.* \(track=none records nothing\)$") as caught:
        tracking.check(uri.replace("FILE", str(tmp_path / "plain")))
    assert "SECRET" not in str(caught.value)


def test_a_folder_that_can_be_made_is_not_made_yet(tmp_path: Path) -> None:
    tracking.check(str(tmp_path / "new" / "runs"))
    tracking.check(f"file://{tmp_path}/new/runs")
    assert not (tmp_path / "new").exists()


def test_a_tracking_server_that_is_away_is_told_at_the_beginning_and_waited_for_no_longer() -> None:
    with socket.socket() as none:  # bound, and nothing listens
        none.bind(("127.0.0.1", 0))
        words = tracking.silence(f"http://me:SECRET@127.0.0.1:{none.getsockname()[1]}/mlflow")
    assert words.startswith("track.tracking_uri: MLflow at http://***@127.0.0.1:")
    assert "cannot be reached: [Errno 111] Connection refused; training goes on" in words
    assert "SECRET" not in words
    assert "\n" not in words
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        assert "cannot be reached: timed out" in tracking.silence(f"http://127.0.0.1:{mute.getsockname()[1]}", 0.2)
    for uri in ("databricks", "sqlite:////srv/x.db", "/a/folder", "file:///a/folder"):
        assert tracking.silence(uri) == ""


class Health(BaseHTTPRequestHandler):
    """Answers as the server of a status says; remembers what it was asked for."""

    status = 200
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.mark.parametrize(
    ("status", "given", "said"),
    [
        (200, {}, ""),
        (
            401,
            {},
            "asks who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_",
        ),
        (401, {"MLFLOW_TRACKING_TOKEN": "t"}, "refuses what MLFLOW_TRACKING_USERNAME and"),
        (401, {"MLFLOW_TRACKING_AUTH": "a plugin"}, ""),
        (404, {}, ""),
        (502, {}, "cannot be reached: it answers 502"),
    ],
)
def test_a_tracking_server_that_answers_is_there(
    status: int, given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where MLflow looks for credentials
    for name in (*tracking.NAMES, tracking.TOKEN, "MLFLOW_TRACKING_AUTH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    kind = type("One", (Health,), {"status": status, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = tracking.silence(f"http://127.0.0.1:{server.server_address[1]}/below/")
        server.shutdown()
    assert kind.asked == ["/below/health"]
    assert bool(words) == bool(said)
    assert said in words


def test_a_run_begins_with_it_in_the_log_and_without_tracking_nobody_is_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as none:
        none.bind(("127.0.0.1", 0))
        uri = f"track.tracking_uri=http://127.0.0.1:{none.getsockname()[1]}"
        with caplog.at_level("WARNING", "rayfed.told"):
            (line,) = tracking.away(load([uri]))
        assert caplog.messages == [line]
        assert tracking.away(load([uri, "track=none"])) == []


def test_without_psutil_the_load_is_not_asked_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rayfed.reporting.mlflow.system.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^track\.system_metrics: needs the package psutil: pip install"):
        preflight.check(load(["track.system_metrics=true"]))
