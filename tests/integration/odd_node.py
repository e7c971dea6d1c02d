"""A node of a chain that answers as public ones do now and then, in front of a real one.

Of its answers some say "header not found" or 429, the newest block is null now and then, and events are given for few
blocks at a time. A moment later each is as it should be.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import urllib3

BLOCKS = 3
"""Of which it gives events at a time."""

EVERY = {"eth_call": 40, "eth_getBlockByNumber": 15, "eth_sendRawTransaction": 5, "eth_estimateGas": 7}
"""How often a method's answer is odd: every so many times."""


class OddNode:
    """Listens on a free port for as long as the ``with`` block lasts.

    Args:
        behind: URL of the node that knows.

    Attributes:
        url: where it answers.
        odd: how many answers were odd, by what they said.
    """

    def __init__(self, behind: str) -> None:
        self._behind, self._pool = behind, urllib3.PoolManager(maxsize=16)
        self._lock, self._asked = threading.Lock(), Counter[str]()
        self.odd = Counter[str]()
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                many = isinstance(request, list)
                answers = [node.answer(one) for one in (request if many else [request])]
                body = json.dumps(answers if many else answers[0]).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of who has hung up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; whoever asks it from now on finds nobody."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def answer(self, one: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one call."""
        head = {"jsonrpc": "2.0", "id": one["id"]}
        odd = self._oddly(one["method"], one.get("params", []))
        if odd is not None:
            return head | odd
        said = self._pool.request("POST", self._behind, json=one, timeout=60)
        answer: dict[str, Any] = json.loads(said.data)
        return answer

    def _oddly(self, method: str, params: list[Any]) -> dict[str, Any] | None:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= BLOCKS:
            return self._count(
                "range", {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
            )
        with self._lock:
            self._asked[method] += 1
            if method not in EVERY or self._asked[method] % EVERY[method]:
                return None
        if method == "eth_getBlockByNumber":
            return self._count("null", {"result": None})
        if method == "eth_call":
            return self._count("header", {"error": {"code": -32000, "message": "header not found"}})
        return self._count("429", {"error": {"code": 429, "message": "Too Many Requests"}})

    def _count(self, what: str, answer: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.odd[what] += 1
        return answer
