"""The transport, against a real HTTP server that answers as told."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rayfed.errors import ConfigError, LedgerUnreachable, WrongChain
from rayfed.ledger.ethereum import events
from rayfed.ledger.ethereum import rpc as module
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from tests.tls import signed_for_here

Answer = tuple[int, Any, dict[str, str]]


class Node:
    """A node of a chain: hands each request to ``script`` and keeps it in ``asked``."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.headers: dict[str, str] = {}
        self.script: Callable[[Any], Answer] = _echo
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.asked.append(request)
                node.headers = dict(self.headers)
                status, answer, headers = node.script(request)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def says(self, *answers: Answer) -> None:
        """Give these answers in turn, then echo."""
        left = list(answers)
        self.script = lambda request: left.pop(0) if left else _echo(request)


def _echo(request: Any) -> Answer:
    """Answer each call with its parameters."""
    if isinstance(request, list):
        return 200, [_echo(one)[1] for one in reversed(request)], {}  # the order of a batch's answers is free
    return 200, {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]}, {}


@pytest.fixture
def node() -> Iterator[Node]:
    yield from _serving()


def _serving() -> Iterator[Node]:
    node = Node()
    thread = threading.Thread(target=node.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield node
    node.server.shutdown()
    thread.join()
    node.server.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not sleep between tries, but keep for how long."""
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    return slept


def test_a_call_returns_the_result(node: Node) -> None:
    assert Rpc(node.url).call("eth_call", {"to": "0x1"}, "latest") == [{"to": "0x1"}, "latest"]
    assert node.asked[0]["method"] == "eth_call"


def test_a_null_result_is_none(node: Node) -> None:
    node.says((200, {"jsonrpc": "2.0", "id": 1, "result": None}, {}))
    assert Rpc(node.url).call("eth_getTransactionReceipt", "0x1") is None


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_node_is_asked_again(node: Node, pauses: list[float], status: int) -> None:
    node.says((status, b"busy", {}), (status, b"busy", {}))
    assert Rpc(node.url).call("m", 1) == [1]
    assert pauses == [0.1, 0.2]


def test_a_node_that_says_when_to_come_back_is_believed_up_to_a_bound(node: Node, pauses: list[float]) -> None:
    node.says((429, b"", {"Retry-After": "3"}), (429, b"", {"Retry-After": "86400"}))
    assert Rpc(node.url).call("m", 1) == [1]
    assert pauses == [3.0, 10.0]


def test_a_rate_limit_said_in_json_is_waited_for(node: Node, pauses: list[float]) -> None:
    node.says((200, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "slow down"}}, {}))
    assert Rpc(node.url).call("m", 1) == [1]
    assert len(pauses) == 1


def test_a_node_that_stays_busy_is_given_up(node: Node, pauses: list[float]) -> None:
    node.script = lambda request: (503, b"", {})
    with pytest.raises(LedgerUnreachable, match=r"ledger.rpc_url: no answer from http://127.0.0.1:\d+: HTTP 503"):
        Rpc(node.url, tries=4).call("m")
    assert len(node.asked) == 4
    assert len(pauses) == 3


def test_a_dead_address_is_named(node: Node) -> None:
    with pytest.raises(
        LedgerUnreachable, match=r"ledger.rpc_url: no answer from http://127.0.0.1:1: connection refused"
    ):
        Rpc("http://127.0.0.1:1").call("m")


def test_what_the_url_hides_is_not_shown() -> None:
    with pytest.raises(LedgerUnreachable) as caught:
        Rpc("http://user:password@127.0.0.1:1/v3/api-key").call("m")
    assert "password" not in str(caught.value)
    assert "api-key" not in str(caught.value)


def test_the_user_and_the_password_in_a_url_are_sent(node: Node) -> None:
    assert Rpc(node.url.replace("//", "//me:p%40ss@")).call("m", 1) == [1]
    assert node.headers["Authorization"] == f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert "@" not in node.headers["Host"]
    assert Rpc(node.url).call("m", 2) == [2]
    assert "Authorization" not in node.headers


def test_a_certificate_is_checked_by_ones_own_authorities(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    certificate, key = signed_for_here(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    node.server.socket = context.wrap_socket(node.server.socket, server_side=True)
    url = node.url.replace("http:", "https:")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(
        LedgerUnreachable, match=r"no answer from https://127\.0\.0\.1:\d+: its certificate is refused: .*SSL_CERT_FILE"
    ):
        Rpc(url, tries=1).call("m", 1)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert Rpc(url, tries=1).call("m", 1) == [1]


@pytest.mark.parametrize("url", ["", "localhost:8545", "ws://localhost", "http://"])
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^ledger.rpc_url: .*is not an http"):
        Rpc(url)


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b'{"hello": 1}', b"3"])
def test_a_web_page_is_no_node(node: Node, pauses: list[float], answer: bytes) -> None:
    node.script = lambda request: (200, answer, {})
    with pytest.raises(LedgerUnreachable, match="does not speak JSON-RPC"):
        Rpc(node.url).call("m")
    assert not pauses


def test_a_refused_login_is_said_at_once(node: Node, pauses: list[float]) -> None:
    node.script = lambda request: (401, b"who are you", {})
    with pytest.raises(LedgerUnreachable, match="HTTP 401"):
        Rpc(node.url).call("m")
    assert not pauses


@pytest.mark.parametrize("data", ["0xdeadbeef", {"data": "0xdeadbeef"}])
def test_a_revert_brings_its_data(node: Node, data: Any) -> None:
    error = {"code": 3, "message": "execution reverted", "data": data}
    node.says((200, {"jsonrpc": "2.0", "id": 1, "error": error}, {}))
    with pytest.raises(RpcError, match="execution reverted") as caught:
        Rpc(node.url).call("eth_call")
    assert (caught.value.code, caught.value.data) == (3, b"\xde\xad\xbe\xef")


def test_an_odd_error_is_an_error_all_the_same(node: Node) -> None:
    for error in ("no", {"message": "no"}, {"code": "x", "message": "no", "data": "0xzz"}):
        node.says((200, {"jsonrpc": "2.0", "id": 1, "error": error}, {}))
        with pytest.raises(RpcError, match="no"):
            Rpc(node.url).call("m")


def test_a_batch_is_one_request_and_keeps_its_order(node: Node) -> None:
    assert Rpc(node.url).batch([("a", [1]), ("b", [2]), ("c", [3])]) == [[1], [2], [3]]
    assert len(node.asked) == 1


def test_a_long_batch_is_cut(node: Node) -> None:
    calls = [("m", [n]) for n in range(2 * module.BATCH + 1)]
    assert Rpc(node.url).batch(calls) == [[n] for n in range(2 * module.BATCH + 1)]
    assert len(node.asked) == 3


def test_a_refusal_in_a_batch_stands_in_its_place(node: Node) -> None:
    error = {"jsonrpc": "2.0", "id": 0, "error": {"code": -1, "message": "no"}}
    node.says((200, [{"jsonrpc": "2.0", "id": 1, "result": 5}, error], {}))
    refused, answered = Rpc(node.url).batch([("a", []), ("b", [])])
    assert isinstance(refused, RpcError)
    assert answered == 5


def test_a_call_left_out_of_the_answer_is_made_again_alone(node: Node) -> None:
    node.says((200, [{"jsonrpc": "2.0", "id": 1, "result": 5}], {}))
    assert Rpc(node.url).batch([("a", [1]), ("b", [2])]) == [[1], 5]
    assert [len(one) if isinstance(one, list) else one["method"] for one in node.asked] == [2, "a"]


def _says(result: Any = None, code: int = 0, message: str = "") -> Answer:
    said = {"error": {"code": code, "message": message}} if message else {"result": result}
    return 200, {"jsonrpc": "2.0", "id": 1, **said}, {}


LAGS = [
    pytest.param("eth_call", [{}, "latest"], _says(code=-32000, message="header not found"), id="header"),
    pytest.param("eth_getBlockByNumber", ["latest", False], _says(), id="null-block"),
    pytest.param("eth_getBalance", ["0x1", "latest"], _says(), id="null-balance"),
    pytest.param("eth_call", [{}, "latest"], _says(code=-32005, message="limit exceeded"), id="limit"),
    pytest.param("eth_getLogs", [{}], _says(code=-32000, message="Too Many Requests"), id="rate"),
    pytest.param("eth_sendRawTransaction", ["0x"], _says(code=429, message="slow down"), id="429"),
]


@pytest.mark.parametrize(("method", "params", "said"), LAGS)
def test_what_will_not_last_costs_one_more_try(node: Node, method: str, params: list[Any], said: Answer) -> None:
    node.says(said)
    assert Rpc(node.url).call(method, *params) == params
    assert len(node.asked) == 2


@pytest.mark.parametrize(("method", "params", "said"), LAGS)
def test_what_lasts_all_the_same_is_no_answer(node: Node, method: str, params: list[Any], said: Answer) -> None:
    node.script = lambda request: said
    with pytest.raises(LedgerUnreachable, match=r"ledger\.rpc_url: no answer from http"):
        Rpc(node.url, tries=3).call(method, *params)
    assert len(node.asked) == 3


@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("eth_getTransactionReceipt", ["0x1"], _says()),
        ("eth_getRawTransactionByHash", ["0x1"], _says()),
        ("eth_getBlockByNumber", ["pending", False], _says()),
        ("eth_getBlockByNumber", ["0x5", False], _says()),
        ("eth_call", [{}, "0x5"], _says(code=-32000, message="header not found")),
        ("eth_getLogs", [{}], _says(code=-32005, message="query returned more than 10000 results")),
        ("eth_estimateGas", [{}, "pending"], _says(code=-32000, message="pending block not found")),
    ],
)
def test_what_the_node_means_is_not_asked_again(node: Node, method: str, params: list[Any], said: Answer) -> None:
    node.script = lambda request: said
    (answer,) = Rpc(node.url).batch([(method, params)])
    assert answer is None or isinstance(answer, RpcError)
    assert len(node.asked) == 1


def test_what_is_long_on_the_chain_is_asked_for_again_where_the_node_lacks_it(node: Node) -> None:
    calls = [("eth_getBlockByNumber", [hex(number), False]) for number in range(3)]
    node.says((200, [{"jsonrpc": "2.0", "id": n, "result": None if n == 1 else [n]} for n in range(3)], {}), _says())
    assert Rpc(node.url).lasting(calls) == [[0], ["0x1", False], [2]]
    assert [len(one) if isinstance(one, list) else 1 for one in node.asked] == [3, 1, 1]
    node.script = lambda request: _says()
    assert Rpc(node.url, tries=2).lasting(calls[:1]) == [None]


@pytest.fixture
def other() -> Iterator[Node]:
    yield from _serving()


def _on_chain(number: int) -> Callable[[Any], Answer]:
    return lambda request: _says(hex(number)) if request["method"] == "eth_chainId" else _echo(request)


def test_a_spare_node_answers_while_the_first_is_away_and_no_longer(
    node: Node, other: Node, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    node.script, other.script = _on_chain(5), _on_chain(5)
    rpc = Rpc(node.url, spare=other.url)
    assert rpc.chain_id == 5
    node.script = lambda request: (503, {}, {})
    assert rpc.call("m", 1) == [1]
    assert not pauses  # it was at hand
    node.script = _on_chain(5)
    before = len(node.asked)
    assert rpc.call("m", 2) == [2]
    assert len(node.asked) == before  # who has failed is let alone for a while
    later = module.time.monotonic() + module.BACK_SECONDS
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert rpc.call("m", 3) == [3]
    assert len(node.asked) == before + 1


def test_a_spare_node_of_another_chain_is_never_asked(node: Node, other: Node) -> None:
    node.script, other.script = _on_chain(5), _on_chain(6)
    rpc = Rpc(node.url, spare=other.url)
    with pytest.raises(WrongChain, match=r"ledger\.spare_rpc_url: .* is chain 6, .* is chain 5"):
        rpc.check_spare()
    node.script = lambda request: (503, {}, {})
    with pytest.raises(LedgerUnreachable):
        rpc.call("m")
    assert {one["method"] for one in other.asked} == {"eth_chainId"}


def test_two_nodes_that_are_away_are_both_named() -> None:
    rpc = Rpc("http://127.0.0.1:1", spare="http://user:secret@127.0.0.1:2/key", tries=2)
    rpc.check_spare()  # it may come back
    with pytest.raises(LedgerUnreachable) as caught:
        rpc.call("m")
    assert "127.0.0.1:1 and http://127.0.0.1:2: connection refused" in str(caught.value)


def test_events_are_asked_for_in_fewer_blocks_and_then_in_more_again(node: Node) -> None:
    def few(request: Any) -> Answer:
        if request["method"] == "eth_blockNumber":
            return _says(hex(100))
        first, last = (int(request["params"][0][end], 16) for end in ("fromBlock", "toBlock"))
        spans.append((first, last))
        return _says(code=-32005, message="query returned more than 10000 results") if last - first >= 3 else _says([])

    spans: list[tuple[int, int]] = []
    node.script = few
    assert list(events.events(Rpc(node.url), ["0x1"])) == []
    asked = [block for first, last in spans if last - first < 3 for block in range(first, last + 1)]
    assert asked == [*range(101)]
    assert max(last - first for first, last in spans[20:]) >= 2


def test_a_limit_on_a_single_block_s_events_is_waited_for(node: Node) -> None:
    node.script = lambda request: _says(code=-32005, message="limit exceeded")
    with pytest.raises(LedgerUnreachable, match="gives no events now"):
        list(events.events(Rpc(node.url), ["0x1"], 0, 10))


def test_a_node_that_takes_no_batches_is_asked_one_by_one(node: Node) -> None:
    node.says((200, {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batches?"}}, {}))
    assert Rpc(node.url).batch([("a", [1]), ("b", [2])]) == [[1], [2]]
    assert len(node.asked) == 3


def test_an_empty_batch_asks_nothing(node: Node) -> None:
    assert Rpc(node.url).batch([]) == []
    assert not node.asked


def test_the_chain_id_is_asked_for_once(node: Node) -> None:
    node.script = lambda request: (200, {"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}, {})
    rpc = Rpc(node.url)
    assert (rpc.chain_id, rpc.chain_id) == (31337, 31337)
    assert len(node.asked) == 1


def test_many_threads_may_ask_at_once(node: Node) -> None:
    rpc = Rpc(node.url)
    results: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: rpc.call("m", n)})) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [n] for n in range(20)}


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", node.url)
    assert Rpc("http://chain.invalid/path").call("m", 1) == [1]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert Rpc(node.url).call("m", 2) == [2]
    monkeypatch.setenv("no_proxy", "chain.invalid")
    with pytest.raises(LedgerUnreachable, match="no such host"):
        Rpc("http://chain.invalid").call("m")
