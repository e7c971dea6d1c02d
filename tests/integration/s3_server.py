"""A server that speaks just enough S3 to misbehave in the ways that servers do."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves one blob under every key, as S3 would but for one habit; counts what it was asked and what it sent."""

    daemon_threads = True

    def __init__(self, data: memoryview, habit: str, times: int = 1 << 30) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = data
        self.habit = habit
        self.times = times
        self.lock = threading.Lock()
        self.ranges: list[str] = []
        self.stored: list[tuple[bytes, bool]] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def misbehaves(self, habit: str) -> bool:
        """Say whether to do this now; the first ``times`` answers to a matching request do."""
        with self.lock:
            if self.habit != habit or self.times == 0:
                return False
            self.times -= 1
            return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def refuse(self, status: int, name: str) -> None:
        body = f"<Error><Code>{name}</Code><Message>not you: {self.headers['Authorization']}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        if self.server.habit == "denies":
            self.refuse(403, "AccessDenied")
        else:
            self.refuse(404, "NotFound")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["If-None-Match"] and self.server.misbehaves("unconditional"):
            return self.refuse(501, "NotImplemented")
        if self.server.misbehaves("conflicts"):
            return self.refuse(409, "ConditionalRequestConflict")
        self.server.stored.append((body, self.headers["If-None-Match"] is not None))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        data, wanted = self.server.data, self.headers["Range"]
        with self.server.lock:
            self.server.ranges.append(wanted)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        assert match
        if self.server.misbehaves("busy"):
            return self.refuse(503, "SlowDown")
        if self.server.habit == "denies":
            return self.refuse(403, "AccessDenied")
        start, stop = int(match[1]), min(int(match[2]) + 1, data.nbytes)
        if self.server.habit == "whole":
            self.send_response(200)
            start, stop = 0, data.nbytes
        else:
            self.send_response(206)
            total = 1 << 50 if self.server.habit == "endless" else data.nbytes
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{total}")
        if self.server.habit == "endless":
            self.send_header("Content-Length", str(1 << 50))
            self.end_headers()
            try:
                while True:
                    self.server.sent += self.wfile.write(bytes(1 << 16))
            except OSError:
                return None
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if stop - start > 1 and self.server.misbehaves("cuts"):
            self.wfile.write(data[start : (start + stop) // 2])
            self.close_connection = True
        else:
            self.wfile.write(data[start:stop])
        return None
