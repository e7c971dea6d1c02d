"""The proxy gets in the way as it is told to, on connections that are open too, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from rayfed.testing.proxy import MODES, Proxy


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    with Proxy("127.0.0.1", server.server_address[1]) as proxy:
        yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


def post(pool: urllib3.PoolManager, proxy: Proxy, body: bytes) -> urllib3.BaseHTTPResponse:
    return pool.request("POST", f"http://127.0.0.1:{proxy.port}/", body=body, retries=False, timeout=200.0)


@pytest.mark.parametrize("mode", ["pass", "delay", "drip"])
def test_what_is_slow_is_whole(proxy: Proxy, mode: str) -> None:
    proxy.mode = mode
    body = bytes(range(256)) * 20
    assert post(urllib3.PoolManager(), proxy, body).data == body
    assert (proxy.hindered > 0) == (mode != "pass")


def test_a_connection_that_is_open_is_cut_too(proxy: Proxy) -> None:
    pool = urllib3.PoolManager()
    assert post(pool, proxy, b"a").data == b"a"
    proxy.mode = "cut"
    with pytest.raises(urllib3.exceptions.HTTPError):
        post(pool, proxy, b"b")
    proxy.mode = "pass"
    assert post(pool, proxy, b"c").data == b"c"


def test_it_hangs_until_it_is_told_otherwise(proxy: Proxy) -> None:
    proxy.mode = "hang"
    threading.Timer(0.5, lambda: setattr(proxy, "mode", "pass")).start()
    start = time.monotonic()
    assert post(urllib3.PoolManager(), proxy, b"a").data == b"a"
    assert time.monotonic() > start


def test_it_answers_in_the_servers_place(proxy: Proxy) -> None:
    proxy.mode = "busy"
    assert post(urllib3.PoolManager(), proxy, b"{}").status == 503
    proxy.mode = "rpc_error"
    answer = json.loads(post(urllib3.PoolManager(), proxy, b'{"id": 7}').data)
    assert (answer["id"], answer["error"]["code"]) == (7, -32005)


def test_a_server_that_is_not_there_is_a_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Proxy("127.0.0.1", port) as proxy, pytest.raises(urllib3.exceptions.HTTPError):
        post(urllib3.PoolManager(), proxy, b"a")


def test_nothing_is_left(proxy: Proxy) -> None:
    post(urllib3.PoolManager(), proxy, b"a")
    proxy.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "rayfed-proxy"]


def test_a_mode_has_a_name(proxy: Proxy) -> None:
    with pytest.raises(ValueError, match=MODES[0]):
        proxy.mode = "rain"
