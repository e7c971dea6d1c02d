"""Kubo's RPC API over HTTP: commands in, JSON or bytes out, each within a time and a length that are fixed beforehand.

Source: the reference of Kubo's RPC API, ``/api/v0``. Every command is a POST; what is said here about an answer was
seen with Kubo 0.42.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import numpy as np

from rayfed.encoding.certificates import untrusted
from rayfed.encoding.urls import public, public_text
from rayfed.errors import StoreError

CONNECT_SECONDS = 5.0

STALL_SECONDS = 30.0
"""Without a byte for so long, an answer is given up."""

LONGEST_ANSWER = 4 << 20
"""Bytes of JSON that are read at most."""

QUOTED = 160
"""How much of Kubo's own words a message quotes."""

BOUNDARY = "rayfed-4d7f8f0c2b6a"
"""Between the parts of a body. There is one part, whose end follows from the length, so its content does not matter."""


class KuboComplaint(StoreError):
    """Kubo is there, but a command failed or was not done in time: what was asked for is not to be had, say."""


class Kubo:
    """One Kubo node by its RPC API. Safe to use from several threads; each has a connection of its own meanwhile.

    Args:
        url: http(s) address of the API, without ``/api/v0``.
        secret: what Kubo's ``API.Authorizations`` asks for, in its own words: ``bearer:TOKEN`` or
            ``basic:USER:PASSWORD``; None sends nothing.
    """

    def __init__(self, url: str, secret: str | None = None) -> None:
        parts = urlsplit(url)
        self._https = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._base = f"{parts.path.rstrip('/')}/api/v0/"
        self._headers = {"Authorization": _authorization(secret)} if secret else {}
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self.place = f"Kubo at {public(url, path_is_secret=True)}"

    def call(
        self, command: str, *arguments: str, blob: memoryview | None = None, seconds: float = 10.0, **options: object
    ) -> list[dict[str, Any]]:
        """Have a command carried out; return the objects that it answers with.

        Args:
            command: as in the URL, ``files/stat`` say.
            arguments: in their order.
            blob: the file that goes with it.
            seconds: how long all of it may take.
            options: ``pin_name`` is ``pin-name``.

        Raises:
            KuboComplaint: it failed, or took too long.
            StoreError: Kubo does not answer, refuses, or is something else.
        """
        with self._answer(command, arguments, options, blob, seconds) as answer:
            text = answer.read(LONGEST_ANSWER + 1)
            if len(text) <= LONGEST_ANSWER and answer.length:
                raise http.client.IncompleteRead(text)
        if len(text) > LONGEST_ANSWER:
            raise self.nonsense(command)
        try:
            objects = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise self.nonsense(command) from error
        if not all(isinstance(one, dict) for one in objects):
            raise self.nonsense(command)
        return objects

    def value(self, name: str, command: str, *arguments: str, **options: Any) -> str:
        """Return one text out of the last object that a command answers with. Raises as ``call``."""
        objects = self.call(command, *arguments, **options)
        found = objects[-1].get(name) if objects else None
        if not isinstance(found, str):
            raise self.nonsense(command)
        return found

    def read(self, cid: str, size: int, seconds: float, **options: object) -> memoryview:
        """Return a file's first ``size + 1`` bytes, or all if there are fewer: none of them is believed yet.

        Raises:
            KuboComplaint: it is not to be had, or not in time.
            StoreError: Kubo does not answer or refuses.
        """
        room = np.empty(size + 1, np.uint8).data  # not bytearray: that would write zeros first
        filled = 0
        with self._answer("cat", (cid,), {"length": size + 1, **options}, None, seconds) as answer:
            while count := answer.readinto(room[filled:]):
                filled += count
            if filled <= size and answer.length:
                raise http.client.IncompleteRead(b"")
        return room[:filled]

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def nonsense(self, command: str) -> StoreError:
        """Return the error for an answer that Kubo would not give."""
        return StoreError(f"store.rpc_url: {self.place} does not answer {command} as Kubo's RPC API does")

    @contextmanager
    def _answer(
        self,
        command: str,
        arguments: Sequence[str],
        options: dict[str, object],
        blob: memoryview | None,
        seconds: float,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a command; yield the answer's body, not read yet. Whatever goes wrong meanwhile is put into one line."""
        query = [("arg", argument) for argument in arguments]
        query += [(name.replace("_", "-"), _word(value)) for name, value in options.items()]
        target = f"{self._base}{command}?{urlencode(query, quote_via=quote)}"
        overdue = threading.Event()
        try:
            connection, answer, watch = self._send(target, blob, seconds, overdue)
            try:
                self._check(command, answer)
                yield answer
                if overdue.is_set():  # a connection that is cut looks like one at its end
                    raise TimeoutError
                # Not at its end: what follows on this connection would be the rest of it.
                whole = answer.isclosed() or not answer.read(1)
            except BaseException:
                connection.close()
                raise
            finally:
                watch.cancel()
            if whole and not answer.will_close and not overdue.is_set():
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._broken(error, command, overdue.is_set(), seconds) from error

    def _send(
        self, target: str, blob: memoryview | None, seconds: float, overdue: threading.Event
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse, threading.Timer]:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            used = connection is not None
            if connection is None:
                kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
                connection = kind(self._host, self._port, timeout=CONNECT_SECONDS)
                try:
                    connection.connect()
                except TimeoutError as error:
                    text = f"store.rpc_url: {self.place} does not answer (no connection in {CONNECT_SECONDS:g} s)"
                    raise StoreError(text) from error
            connection.sock.settimeout(min(STALL_SECONDS, seconds))
            # A byte now and then would keep a timeout of the socket from ever coming.
            watch = threading.Timer(seconds, _cut, (connection, overdue))
            watch.daemon = True
            watch.start()
            try:
                self._write(connection, target, blob)
                return connection, connection.getresponse(), watch
            except BaseException as error:
                watch.cancel()
                connection.close()
                # Kubo closes what was idle for long; every command here may be sent twice.
                if not (used and isinstance(error, ConnectionError) and not overdue.is_set()):
                    raise

    def _write(self, connection: http.client.HTTPConnection, target: str, blob: memoryview | None) -> None:
        connection.putrequest("POST", target)
        for name, value in self._headers.items():
            connection.putheader(name, value)
        if blob is None:
            connection.putheader("Content-Length", "0")
            connection.endheaders()
            return
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        connection.putheader("Content-Length", str(len(head) + blob.nbytes + len(tail)))
        connection.endheaders()
        try:
            for part in (head, blob, tail):
                connection.send(part)
        except ConnectionError:
            return  # it wants no more, and may have answered why

    def _check(self, command: str, answer: http.client.HTTPResponse) -> None:
        """Raise what an answer's status means."""
        if answer.status == 200:
            return
        if answer.status in (401, 403):
            sent = "the credentials that it was given" if self._headers else "whoever gives no credentials"
            raise StoreError(
                f"store.auth_file: {self.place} refuses {sent} ({answer.status}); it or RAYFED_IPFS_AUTH holds "
                "bearer:TOKEN or basic:USER:PASSWORD as in Kubo's API.Authorizations, which must allow /api/v0"
            )
        try:
            said = json.loads(answer.read(LONGEST_ANSWER)) if answer.status == 500 else None
        except ValueError:
            said = None
        message = said if isinstance(said, str) else said.get("Message") if isinstance(said, dict) else None
        if not isinstance(message, str):
            raise StoreError(f"store.rpc_url: {self.place} answers {command} with {answer.status}: no Kubo's RPC API")
        words = public_text(" ".join(message.split()))[:QUOTED]
        if "no space left" in message or "file too large" in message or "quota" in message:
            raise StoreError(f"store.rpc_url: {self.place} has no room left: {words}")
        raise KuboComplaint(f"store.rpc_url: {self.place} says to {command}: {words}")

    def _broken(self, error: Exception, command: str, overdue: bool, seconds: float) -> StoreError:
        if overdue or isinstance(error, TimeoutError):
            return KuboComplaint(f"store.rpc_url: {self.place} took longer than {seconds:g} s for {command}")
        if isinstance(error, http.client.IncompleteRead):
            return KuboComplaint(f"store.rpc_url: {self.place} stopped in the middle of {command}")
        if isinstance(error, OSError):
            reason = untrusted(error, "SSL_CERT_FILE") or (error.strerror or type(error).__name__).lower()
            return StoreError(f"store.rpc_url: {self.place} does not answer ({reason})")
        return self.nonsense(command)


def _cut(connection: http.client.HTTPConnection, overdue: threading.Event) -> None:
    """End a connection under whoever waits for it."""
    overdue.set()
    if connection.sock is not None:
        try:
            connection.sock.shutdown(2)
        except OSError:
            return  # it has ended by itself


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _authorization(secret: str) -> str:
    """Return the header for a secret in Kubo's words; one without a kind is taken for a token."""
    kind, colon, rest = secret.partition(":")
    if kind == "basic" and colon:
        return f"Basic {base64.b64encode(rest.encode()).decode()}"
    return f"Bearer {rest if kind == 'bearer' and colon else secret}"
