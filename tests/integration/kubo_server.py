"""A server at the address of a Kubo's RPC API that misbehaves in the ways that servers and networks do."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HABITS = {
    "html": (200, b"<html>welcome</html>"),
    "list": (200, b"[1, 2, 3]\n"),
    "number": (200, b'{"Version": 42}\n'),
    "empty": (200, b""),
    "nothing here": (404, b"404 page not found"),
    "gateway": (405, b"Method Not Allowed"),
    "failed": (500, b"<html>oops</html>"),
    "moved": (301, b""),
    "old": (200, b'{"Version": "0.18.1"}\n'),
    "odd": (200, b'{"Version": "new"}\n'),
}


class Server(ThreadingHTTPServer):
    """Answers every command by one habit."""

    daemon_threads = True

    def __init__(self, habit: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.habit = habit

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        habit = self.server.habit
        if habit == "cuts":
            self.answer(200, b'{"Version": "0.4', promise=1000)
            self.close_connection = True
        elif habit == "endless":
            self.forever(200, b" " * (1 << 16), 0.0)
        elif habit == "drips":
            self.forever(200, b" ", 0.05)
        elif habit == "drips in its head":
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(10_000):
                    self.wfile.write(b"X: 1\r\n")
                    time.sleep(0.05)
            except OSError:
                return
        elif habit == "says":
            words = {"Message": "bad thing at\nhttp://user:secret@host/path?key=secret " + 1000 * "x", "Code": 0}
            self.answer(500, json.dumps(words).encode())
        else:
            self.answer(*HABITS[habit])

    def answer(self, status: int, body: bytes, promise: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if promise is None else promise))
        self.end_headers()
        self.wfile.write(body)

    def forever(self, status: int, piece: bytes, pause: float) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(1 << 50))
        self.end_headers()
        try:
            while True:
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            self.close_connection = True
