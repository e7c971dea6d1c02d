"""What rayfed makes of answers that a Kubo would not give: one line that names the setting, and no waiting for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubo_server import HABITS, Server

from rayfed.errors import ConfigError, StoreError
from rayfed.store.ipfs import rpc
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.ipfs.rpc import Kubo, KuboComplaint


@contextmanager
def server(habit: str) -> Iterator[Server]:
    made = Server(habit)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYFED_IPFS_AUTH", raising=False)


@pytest.mark.parametrize("habit", [*HABITS, "endless"])
def test_what_is_no_kubo_is_named(habit: str) -> None:
    with server(habit) as made, pytest.raises((ConfigError, StoreError)) as caught:
        IpfsOptions(rpc_url=made.url).check()
    line = str(caught.value)
    assert line.startswith(f"store.rpc_url: Kubo at {made.url} ")
    assert "\n" not in line
    wanted = "of version 0.18.1; rayfed needs 0.42 or newer" if habit == "old" else "RPC API"
    assert wanted in line


@pytest.mark.parametrize("habit", ["drips", "drips in its head"])
def test_a_kubo_that_drips_is_left(habit: str) -> None:
    with (
        server(habit) as made,
        pytest.raises(KuboComplaint, match=r"^store\.rpc_url: .* 0\.5 s for version"),
    ):
        Kubo(made.url).call("version", seconds=0.5)


def test_a_blob_that_drips_is_left() -> None:
    with server("drips") as made, pytest.raises(KuboComplaint, match=r"longer than 0\.5 s for cat"):
        Kubo(made.url).read("bafy", 1 << 20, 0.5)


def test_an_answer_that_is_cut_is_named() -> None:
    with server("cuts") as made, pytest.raises(StoreError, match=r"^store\.rpc_url: Kubo at http.*"):
        Kubo(made.url).call("version")


def test_no_more_is_read_than_was_asked_for() -> None:
    with server("endless") as made:
        assert Kubo(made.url).read("bafy", 100_000, 10.0).nbytes == 100_001


def test_what_kubo_says_is_quoted_in_one_short_line_without_secrets() -> None:
    with server("says") as made, pytest.raises(KuboComplaint) as caught:
        Kubo(made.url).call("version")
    line = str(caught.value)
    assert "bad thing at" in line
    assert "\n" not in line
    assert "secret" not in line
    assert len(line) < rpc.QUOTED + 100


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            StoreError, match=rf"^store\.rpc_url: Kubo at {url} does not answer \(connection refused\)$"
        ):
            IpfsOptions(rpc_url=url).check()


def test_an_idle_connection_that_was_closed_is_made_anew() -> None:
    with server("old") as made:
        kubo = Kubo(made.url)
        assert kubo.value("Version", "version") == "0.18.1"
        [idle] = kubo._idle
        idle.sock.shutdown(socket.SHUT_RDWR)
        assert kubo.value("Version", "version") == "0.18.1"
        assert kubo._idle != [idle]
