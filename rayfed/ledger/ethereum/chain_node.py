"""One node of a chain, asked once: JSON-RPC over HTTP, and what of its answers is none."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3

from rayfed.encoding.certificates import untrusted
from rayfed.encoding.urls import public
from rayfed.errors import ConfigError, LedgerError, LedgerUnreachable

LIMIT_EXCEEDED = -32005
"""EIP-1474: the node wants fewer requests; or, where events are asked for, a shorter range of blocks."""

AUTHORITIES = "SSL_CERT_FILE"
"""The variable that OpenSSL reads."""

Call = tuple[str, Sequence[Any]]
"""A method and its parameters."""

_BUSY = frozenset({429, 500, 502, 503, 504})
_HEADERS = {"Content-Type": "application/json"}
_RATE = ("rate limit", "too many requests", "requests per", "compute units")
_PASSING = ("header not found", "block not found", "unknown block", "timeout", "timed out", "try again", "temporarily")
_TAGS = ("latest", "pending", "safe", "finalized")
_NEVER_NULL = frozenset(
    {
        *("eth_blockNumber", "eth_chainId", "eth_call", "eth_getCode", "eth_getBalance", "eth_getTransactionCount"),
        *("eth_getLogs", "eth_estimateGas"),
    }
)


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


class NoAnswer(Exception):
    """What came back is no answer, but the next try may get one."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class ChainNode:
    """Safe to use from several threads.

    Args:
        url: http(s) address of the node; it may hold a secret, so messages show the host alone. A certificate is
            checked by the authorities that OpenSSL knows: the system's, or those of SSL_CERT_FILE.
        setting: that it comes from.
        timeout: seconds for one answer.

    Attributes:
        name: what of the address may be shown.

    Raises:
        ConfigError: ``url`` is no such address.
    """

    def __init__(self, url: str, setting: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(setting, f"{public(url, path_is_secret=True)!r} is not an http:// or https:// address")
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._headers = {**_HEADERS, **_authorization(parts)}
        self._setting = setting
        limits = urllib3.Timeout(connect=min(timeout, 5.0), read=timeout)
        proxy = None if on_this_machine(url) else urllib.request.getproxies().get(parts.scheme)
        if proxy and not urllib.request.proxy_bypass(parts.hostname):
            self._pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, maxsize=8, timeout=limits, retries=False)
        else:
            self._pool = urllib3.PoolManager(maxsize=8, timeout=limits, retries=False)

    def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results of several methods; in place of a refused one stands an ``RpcError``, in place of one that
        another try may get a ``NoAnswer``.

        Raises:
            NoAnswer: there is none to any of them.
            LedgerUnreachable: what answers is no node of a chain.
        """
        if len(calls) > 1:
            answer = self._post([_body(number, call) for number, call in enumerate(calls)])
            if isinstance(answer, list):
                by_id = {one.get("id"): one for one in answer if isinstance(one, dict)}
                return [self._judged(call, by_id.get(number)) for number, call in enumerate(calls)]
        # One call, or a node that does not take batches.
        return [self._judged(call, self._post(_body(1, call))) for call in calls]

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _judged(self, call: Call, answer: Any) -> Any:
        if answer is None:
            return NoAnswer(f"{call[0]} was left out of the answer")
        if not isinstance(answer, dict) or (answer.get("error") is None and "result" not in answer):
            raise LedgerUnreachable(f"{self._setting}: what answers at {self.name} does not speak JSON-RPC")
        result = _result(answer)
        reason = _passing(call, result)
        return NoAnswer(reason) if reason else result

    def _post(self, body: Any) -> Any:
        try:
            response = self._pool.request("POST", self._url, body=json.dumps(body), headers=self._headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoAnswer(untrusted(error, AUTHORITIES) or _line(error)) from error
        if response.status in _BUSY:
            wish = response.headers.get("Retry-After", "")
            raise NoAnswer(f"HTTP {response.status}", float(wish) if wish.isdecimal() else 0.0)
        try:
            return json.loads(response.data)
        except ValueError:
            if response.status != 200:
                raise LedgerUnreachable(f"{self._setting}: {self.name} answers HTTP {response.status}") from None
            words = f"what answers at {self.name} does not speak JSON-RPC"
            raise LedgerUnreachable(f"{self._setting}: {words}") from None


def _authorization(parts: SplitResult) -> dict[str, str]:
    """Return the header for the user and the password in a URL, if there are any (RFC 7617): urllib3 sends none."""
    if parts.username is None:
        return {}
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


def on_this_machine(url: str) -> bool:
    """Say whether a URL's host is the loopback, to which no proxy leads."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _body(number: int, call: Call) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": call[0], "params": list(call[1])}


def _result(answer: dict[str, Any]) -> Any:
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


def _passing(call: Call, result: Any) -> str:
    """Return why another try may get another answer; empty if this one stands.

    A node behind a load balancer may lag behind the one that was asked before: it does not know the block yet that the
    question is about, and says so in words of its own, or says null.
    """
    method, params = call
    newest = any(tag in params for tag in _TAGS)
    if result is None:
        lacks = method in _NEVER_NULL or (method == "eth_getBlockByNumber" and "latest" in params)
        return f"{method} is null" if lacks else ""
    if not isinstance(result, RpcError) or result.data:
        return ""
    words = result.message.lower()
    limited = result.code in (LIMIT_EXCEEDED, 429) and method != "eth_getLogs"  # of which it may want fewer blocks
    lags = newest and "pending" not in words and any(said in words for said in _PASSING)
    return result.message if limited or lags or any(said in words for said in _RATE) else ""


def _line(error: BaseException) -> str:
    """Return what went wrong in a few words, without addresses of objects and without the URL."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "no such host"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "connection refused" if isinstance(error.__cause__, ConnectionRefusedError) else "cannot connect"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "timed out"
    return type(error).__name__
