"""``python -m rayfed ui``: MLflow's pages on the runs so far."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from rayfed.encoding.urls import public
from rayfed.errors import ConfigError


def main(words: list[str]) -> int:
    """Open MLflow's pages on the runs so far."""
    parser = argparse.ArgumentParser("rayfed ui", description="Open MLflow's pages on the runs so far.")
    parser.add_argument("--tracking-uri", help="track.tracking_uri of the runs; by default mlflow.db in this folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="port to listen on (default: %(default)s)")
    args = parser.parse_args(words)
    from rayfed.config.files import sqlite_file, tracking_uri

    uri = tracking_uri(args.tracking_uri, Path.cwd())
    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise ConfigError("--tracking-uri", f"there are no runs yet: {database} does not exist")
    if uri.startswith(("http://", "https://")):
        raise ConfigError("--tracking-uri", f"{public(uri)} is already a server: open it in a browser")
    _check_place(args.host, args.port)
    print(f"MLflow on {public(uri)}: http://{args.host}:{args.port} (Ctrl-C stops it)", flush=True)
    # One worker: MLflow's own choice, four, takes four times as long to start, and one person looks.
    mlflow = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
    os.execv(sys.executable, [*mlflow, "--backend-store-uri", uri, "--host", args.host, "--port", str(args.port)])


def _check_place(host: str, port: int) -> None:
    """Check that the pages can be served there: MLflow would say otherwise in a trace, a minute later.

    Raises:
        ConfigError: naming ``--host`` or ``--port``.
    """
    if not 0 < port < 1 << 16:
        raise ConfigError("--port", f"{port} is out of range: 1 to 65535")
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was stopped a moment ago is no bar
            probe.bind(address)
    except socket.gaierror as error:
        raise ConfigError("--host", f"{host} is no address of this machine: {error.strerror}") from error
    except OSError as error:
        raise ConfigError("--port", f"cannot listen on {host}:{port}: {error.strerror}") from error
