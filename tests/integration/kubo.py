"""Real Kubo nodes for tests: on this machine, offline but for each other."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rayfed.errors import StoreError
from rayfed.store.ipfs.rpc import Kubo

VERSION = "0.42.0"

PATIENCE = 200.0
"""Seconds for what must happen; only a test that fails ever waits so long."""

MISSING = "no Kubo: `make kubo` builds one from its Go module, or let RAYFED_KUBO name an ipfs binary"


def find() -> str | None:
    """Return the ipfs binary to test with, if there is one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = cache / f"rayfed/kubo-{VERSION}/ipfs"
    return os.environ.get("RAYFED_KUBO") or (str(made) if made.exists() else shutil.which("ipfs"))


def binary() -> str:
    """Return the ipfs binary to test with, or skip the test."""
    found = find()
    if not found:
        pytest.skip(MISSING)
    return found


@dataclass
class Node:
    """One running Kubo."""

    url: str
    repo: Path
    process: subprocess.Popen[bytes]

    @property
    def rpc(self) -> Kubo:
        return Kubo(self.url)

    @property
    def id(self) -> str:
        return self.rpc.value("ID", "id")

    @property
    def address(self) -> str:
        return str(self.rpc.call("id")[0]["Addresses"][0])

    def knows(self, other: Node) -> None:
        """Connect two nodes, as the public network would by its bootstrap nodes."""
        self.rpc.call("swarm/connect", other.address)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def prepared(folder: Path, rpc: int, host: str, swarm: int, **config: Any) -> tuple[list[str], dict[str, str]]:
    """Make a Kubo's repository; return the words that start it, and its environment.

    Args:
        folder: for its repository.
        rpc: port of its RPC API on loopback.
        host, swarm: address and port on which others reach it.
        config: as in ``running``.
    """
    ipfs, repo = binary(), folder / "ipfs"
    environment = {"IPFS_PATH": str(repo), "PATH": "/usr/bin:/bin", "HOME": str(folder), "IPFS_TELEMETRY": "off"}
    subprocess.run([ipfs, "init", "--empty-repo"], env=environment, check=True, capture_output=True, timeout=PATIENCE)
    settings: dict[str, Any] = {
        "Addresses.API": f"/ip4/127.0.0.1/tcp/{rpc}",
        "Addresses.Gateway": "",
        "Addresses.Swarm": [f"/ip4/{host}/tcp/{swarm}"],
        "AutoConf.Enabled": False,
        "AutoTLS.Enabled": False,
        "Bootstrap": [],
        "DNS.Resolvers": {},
        "Discovery.MDNS.Enabled": False,
        "Ipns.DelegatedPublishers": [],
        "Routing.DelegatedRouters": [],
        "Routing.Type": "dht",
        **{name.replace("__", "."): value for name, value in config.items()},
    }
    document = json.loads((repo / "config").read_text())
    for name, value in settings.items():
        place = document
        *parents, last = name.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    (repo / "config").write_text(json.dumps(document))
    return [ipfs, "daemon"], environment


@contextmanager
def running(folder: Path, *, file_bytes: int | None = None, **config: Any) -> Iterator[Node]:
    """Start a Kubo in a folder; stop it at the end.

    Args:
        folder: for its repository.
        file_bytes: the longest file that it may write, as if its disk were full.
        config: more settings, ``API__Authorizations`` is ``API.Authorizations``.
    """
    rpc, swarm = free_ports(2)
    words, environment = prepared(folder, rpc, "127.0.0.1", swarm, **config)
    limit = None if file_bytes is None else partial(_limit, file_bytes)
    with (folder / "daemon.log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log, preexec_fn=limit)
    try:
        node = Node(f"http://127.0.0.1:{rpc}", folder / "ipfs", process)
        _await(node, folder / "daemon.log")
        yield node
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _await(node: Node, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if node.process.poll() is not None:
            break
        try:
            node.rpc.call("version")
            return
        except StoreError as error:
            if "auth_file" in str(error):
                return  # it is there, and wants credentials
            time.sleep(0.1)
    raise AssertionError(f"Kubo did not start: {log.read_text()}")


def _limit(file_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
