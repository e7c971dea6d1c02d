"""A TCP proxy that stands in front of a real server and gets in the way: it cuts, delays, drips, hangs, and lies.

It is a few threads and no protocol; only ``errors`` reads what passes, to answer an HTTP request in the server's place.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from random import Random
from types import TracebackType
from typing import Self

MODES = ("pass", "cut", "delay", "drip", "hang", "busy", "rpc_error")
"""Let all through; refuse and reset everything; wait before each piece; a few bytes at a time; take connections and
say nothing; answer HTTP 503; answer a JSON-RPC error (EIP-1474's "limit exceeded") with HTTP 200."""

PIECE = 1 << 16
DELAY_SECONDS = 0.3
DRIP_BYTES, DRIP_SECONDS = 200, 0.02
LOOK_SECONDS = 0.2


class Proxy:
    """Listens on a loopback port of its own and passes what comes on to ``host:port``; a context manager.

    Args:
        host, port: the server behind it. It need not be up yet, and may come and go.
        seed: of how long each piece waits in ``delay``.

    Attributes:
        port: where it listens.
        mode: one of ``MODES``; takes effect at once, on connections that are open too.
        hindered: how many connections or requests a mode other than ``pass`` has met.
    """

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self._target = host, port
        self._random = Random(seed)
        self._mode = "pass"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.hindered = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LOOK_SECONDS)
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._spawn(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def mode(self) -> str:
        """How it gets in the way."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"{mode!r} is none of {', '.join(MODES)}")
        self._mode = mode
        if mode in ("cut", "busy", "rpc_error"):
            self._cut_all()  # who has a connection already is not to notice nothing

    def close(self) -> None:
        """Cut everything and stop listening; returns once all threads have ended."""
        self._over.set()
        self._cut_all()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: object, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, name="rayfed-proxy", daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(None)
        if self._mode != "pass":
            self.hindered += 1
        if self._mode == "cut":
            _reset(client)
            return
        if self._mode in ("busy", "rpc_error"):
            self._answer(client)
            return
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        self._spawn(self._pump, client, server)
        self._pump(server, client)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass bytes on until either end is closed."""
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                while self._mode == "hang" and not self._over.is_set():
                    time.sleep(LOOK_SECONDS)
                if self._mode == "delay":
                    self.hindered += 1
                    time.sleep(self._random.random() * 2 * DELAY_SECONDS)
                if self._mode == "drip":
                    self.hindered += 1
                    for start in range(0, len(piece), DRIP_BYTES):
                        target.sendall(piece[start : start + DRIP_BYTES])
                        time.sleep(DRIP_SECONDS if self._mode == "drip" else 0)
                else:
                    target.sendall(piece)
        self._drop(source, target)

    def _answer(self, client: socket.socket) -> None:
        """Answer one HTTP request as a server that has enough of it would, and close."""
        with contextlib.suppress(OSError, TimeoutError):
            client.settimeout(2)
            request = b""
            while b"\r\n\r\n" not in request and (piece := client.recv(PIECE)):
                request += piece
            head, _, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            while length and len(body) < int(length[1]) and (piece := client.recv(PIECE)):
                body += piece
            status, answer = b"503 Service Unavailable", b"chaos"
            if self._mode == "rpc_error":
                status, answer = b"200 OK", _limit_exceeded(body)
            client.sendall(
                b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                % (status, len(answer), answer)
            )
        client.close()

    def _cut_all(self) -> None:
        with self._lock:
            cut, self._open = self._open, set()
        for end in cut:
            _reset(end)

    def _drop(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            _reset(end)


def _reset(end: socket.socket) -> None:
    """Close a connection in both directions; a thread that reads from it wakes up."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _limit_exceeded(body: bytes) -> bytes:
    """Return a refusal for each call of a JSON-RPC request."""
    try:
        asked = json.loads(body)
    except ValueError:
        asked = {}
    one = asked if isinstance(asked, dict) else {}
    return json.dumps(
        {"jsonrpc": "2.0", "id": one.get("id"), "error": {"code": -32005, "message": "chaos: limit exceeded"}}
    ).encode()
