"""JSON-RPC to a node of the chain, over urllib3.

web3.py is not used: importing it costs every process 0.45 s of processor time more than eth-account and eth-abi
alone, and a request through its HTTP provider 0.5 ms where this one costs 0.15.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import urllib3

from rayfed.encoding.urls import public
from rayfed.errors import ConfigError, LedgerError, LedgerUnreachable

SETTING = "ledger.rpc_url"

TRIES = 5
FIRST_PAUSE = 0.1
"""Seconds before the second try; each further pause is twice as long."""

LONGEST_PAUSE = 10.0
"""A node that says when to come back (Retry-After) is believed up to so many seconds."""

BATCH = 50
"""Calls in one request at most; public nodes refuse hundreds."""

_BUSY = frozenset({429, 500, 502, 503, 504})
_LIMIT_EXCEEDED = -32005  # EIP-1474: the node wants fewer requests
_HEADERS = {"Content-Type": "application/json"}


class RpcError(LedgerError):
    """The node answered, and what it said is no.

    Attributes:
        code: JSON-RPC's or the node's own number.
        data: the bytes that a reverted call gave back, empty where there are none.
    """

    def __init__(self, message: str, code: int = 0, data: bytes = b"") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = data


class _TryAgain(Exception):
    """What came back is no answer, but the next try may get one."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Rpc:
    """Calls methods of one node. Safe to use from several threads.

    All that is sent may be repeated without harm (a raw transaction counts once, by its nonce), so whatever fails on
    the way is tried again, a few times, with growing pauses.

    Args:
        url: http(s) address of the node; it may hold a secret, so messages show the host alone.
        timeout: seconds for one answer.
        tries: how often to ask before giving up.

    Raises:
        ConfigError: ``url`` is no such address.
    """

    def __init__(self, url: str, *, timeout: float = 20.0, tries: int = TRIES) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(SETTING, f"{public(url, path_is_secret=True)!r} is not an http:// or https:// address")
        self.url = url
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._tries = tries
        limits = urllib3.Timeout(connect=min(timeout, 5.0), read=timeout)
        proxy = None if on_this_machine(url) else urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.hostname):
            self._pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, maxsize=8, timeout=limits, retries=False)
        else:
            self._pool = urllib3.PoolManager(maxsize=8, timeout=limits, retries=False)

    @cached_property
    def chain_id(self) -> int:
        """The chain's id (EIP-155), asked for once."""
        return int(self.call("eth_chainId"), 16)

    def call(self, method: str, *params: Any) -> Any:
        """Return a method's result.

        Raises:
            RpcError: the node refuses.
            LedgerUnreachable: it does not answer.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        result = _result(self._ask(body))
        if isinstance(result, RpcError):
            raise result
        return result

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Return the results of several methods, in their order; in place of a refused one stands an ``RpcError``.

        Raises:
            LedgerUnreachable: the node does not answer.
        """
        results: list[Any] = []
        for start in range(0, len(calls), BATCH):
            results += self._batch(calls[start : start + BATCH])
        return results

    def _batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        if len(calls) > 1:
            body = json.dumps(
                [{"jsonrpc": "2.0", "id": n, "method": m, "params": list(p)} for n, (m, p) in enumerate(calls)]
            )
            answer = self._ask(body)
            if isinstance(answer, list):
                by_id = {one.get("id"): _result(one) for one in answer if isinstance(one, dict)}
                return [by_id.get(n, RpcError("left out of the answer")) for n in range(len(calls))]
        # One call, or a node that does not take batches.
        return [
            _result(self._ask(json.dumps({"jsonrpc": "2.0", "id": 1, "method": m, "params": list(p)})))
            for m, p in calls
        ]

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _ask(self, body: str) -> Any:
        """Return the decoded answer to one request body, trying again when there is none."""
        pause = FIRST_PAUSE
        for left in reversed(range(self._tries)):
            try:
                return self._post(body)
            except (urllib3.exceptions.HTTPError, OSError, _TryAgain) as error:
                if not left:
                    raise LedgerUnreachable(f"{SETTING}: no answer from {self.name}: {_line(error)}") from error
                asked = error.pause if isinstance(error, _TryAgain) else 0.0
            time.sleep(max(pause, min(asked, LONGEST_PAUSE)))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _post(self, body: str) -> Any:
        response = self._pool.request("POST", self.url, body=body, headers=_HEADERS)
        if response.status in _BUSY:
            wish = response.headers.get("Retry-After", "")
            raise _TryAgain(f"HTTP {response.status}", float(wish) if wish.isdecimal() else 0.0)
        try:
            answer = json.loads(response.data)
        except ValueError:
            if response.status != 200:
                raise LedgerUnreachable(f"{SETTING}: {self.name} answers HTTP {response.status}") from None
            raise LedgerUnreachable(f"{SETTING}: what answers at {self.name} does not speak JSON-RPC") from None
        if isinstance(answer, dict):
            error = answer.get("error")
            if isinstance(error, dict) and error.get("code") == _LIMIT_EXCEEDED:
                raise _TryAgain(str(error.get("message")))
            if error is None and "result" not in answer:
                raise LedgerUnreachable(f"{SETTING}: what answers at {self.name} does not speak JSON-RPC")
        elif not isinstance(answer, list):
            raise LedgerUnreachable(f"{SETTING}: what answers at {self.name} does not speak JSON-RPC")
        return answer


def on_this_machine(url: str) -> bool:
    """Say whether a URL's host is the loopback, to which no proxy leads."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _result(answer: Any) -> Any:
    """Return what one JSON-RPC answer holds: its result, or an ``RpcError`` (not raised)."""
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        return RpcError(str(error))
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")  # some nodes wrap it once more
    try:
        raw = bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""
    except ValueError:
        raw = b""
    code = error.get("code")
    return RpcError(str(error.get("message", error)), code if isinstance(code, int) else 0, raw)


def _line(error: BaseException) -> str:
    """Return what went wrong in a few words, without addresses of objects and without the URL."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "no such host"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connection refused" if isinstance(error.__cause__, ConnectionRefusedError) else "cannot connect"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "timed out"
    if isinstance(error, _TryAgain):
        return str(error)
    return type(error).__name__
