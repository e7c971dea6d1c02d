"""Waiting for a federation to move on without using the processor.

One thread of the process listens for all who wait in it. With a websocket URL it subscribes to the contract's logs:
PhaseOpened says where the federation stands, others that a step may be due. Without one, or while the socket is down,
it asks, less and less often, and only while somebody waits.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from rayfed.encoding.primitives import Address
from rayfed.encoding.urls import public_text
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.rpc import on_this_machine
from rayfed.protocol.messages import Phase

log = logging.getLogger(__name__)

ASK_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks without a subscription; news and own transactions start over."""

RECONNECT_SECONDS = (0.1, 10.0)
"""First and longest pause before another try to subscribe."""

LISTEN_SECONDS = 30.0
"""After so long a silence of the subscription the ledger is looked at all the same."""

BURST_SECONDS = 0.03
"""How long the next statement is waited for before one looks whether a step is due: they come in bursts."""

Place = tuple[int, int, bool]
"""Where a federation stands: round, phase, and whether a step is due."""

BETWEEN = 4

SAID = ("Committed", "Voted", "VotedMissing", "Attested", "Relayed", "Joined", "Settled", "Undone")
"""Events after which a step may be due."""


class Waker:
    """Wakes waiters when the phase changes. Safe to use from several threads.

    Args:
        look: asks the ledger whether it has changed since the last look, calls ``set`` if it has, and says so.
        saw: told the time of every block that the subscription speaks of.
        address: the federation's contract.
        ws_url: where to subscribe, or None.
    """

    def __init__(
        self, look: Callable[[], bool], saw: Callable[[int], None], address: Address, ws_url: str | None
    ) -> None:
        self._look = look
        self._saw = saw
        self._address = address
        self._ws_url = ws_url
        self._changed = threading.Condition()
        self._place: Place = (0, 0, False)
        self._heard = 0
        self._waiters = 0
        self._hurried = False
        self._nudged = False
        self._failures = 0
        self._failure: LedgerError | None = None
        self._closed = False
        self._socket: ClientConnection | None = None
        self._thread: threading.Thread | None = None
        self.subscribed = False

    @property
    def heard(self) -> int:
        """How many announcements there have been; to be read before a view is asked for that goes into ``set``."""
        return self._heard

    def set(self, place: Place, heard: int) -> None:
        """Say where the federation stands by a view just taken; wakes those who know of another place.

        An announcement that came after ``heard`` was read may be younger than the view, and then stands.
        """
        with self._changed:
            if place != self._place and (heard == self._heard or _rank(place) > _rank(self._place)):
                self._place = place
                self._changed.notify_all()

    def hurry(self) -> None:
        """Ask often again: something was just sent that may move the phase."""
        if not self.subscribed:
            with self._changed:
                self._hurried = True
                self._changed.notify_all()

    def nudge(self) -> None:
        """Let one who waits, or the next who does, return at once."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def wait(self, seen: Place, timeout: float) -> None:
        """Return when the federation stands elsewhere than ``seen``, after a nudge, or after ``timeout`` seconds.

        Raises:
            LedgerError: while waiting, the ledger could not be asked.
        """
        end = time.monotonic() + timeout
        with self._changed:
            self._start()
            failures = self._failures
            self._waiters += 1
            self._changed.notify_all()
            try:
                while self._place == seen and not self._closed and not self._nudged:
                    if self._failures != failures and self._failure is not None:
                        raise self._failure
                    left = end - time.monotonic()
                    if left <= 0:
                        return
                    self._changed.wait(left)
            finally:
                self._waiters -= 1
                self._nudged = False

    def close(self) -> None:
        """Stop listening and wake all."""
        with self._changed:
            self._closed = True
            socket, thread = self._socket, self._thread
            self._changed.notify_all()
        if socket is not None:
            socket.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def _start(self) -> None:
        """Start the thread with the first waiter: a connection on which nobody waits needs none."""
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="rayfed-events", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        first, longest = RECONNECT_SECONDS
        pause = first
        while not self._closed:
            until = float("inf")
            if self._ws_url is not None:
                try:
                    with self._connect(self._ws_url) as socket:
                        self._subscribe(socket)
                        pause = first
                        self._listen(socket)
                except (OSError, WebSocketException, LedgerError, ValueError) as error:
                    if self._closed:
                        return
                    level = logging.WARNING if pause == first else logging.DEBUG  # once for each time it goes down
                    said = public_text(_line(error), path_is_secret=True)
                    log.log(level, "ledger.ws_url: %s; asking over ledger.rpc_url meanwhile", said)
                finally:
                    self.subscribed, self._socket = False, None
                until, pause = time.monotonic() + pause, min(2 * pause, longest)
            self._ask(until)

    def _connect(self, ws_url: str) -> ClientConnection:
        proxy: Literal[True] | None = None if on_this_machine(ws_url) else True  # True: what the environment says
        return connect(ws_url, open_timeout=5, close_timeout=1, compression=None, proxy=proxy)

    def _subscribe(self, socket: ClientConnection) -> None:
        with self._changed:
            self._socket = socket
        wanted = {"address": self._address, "topics": [[abi.TOPICS[name] for name in ("PhaseOpened", *SAID)]]}
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["logs", wanted]}))
        answer = json.loads(socket.recv(timeout=10))
        if "result" not in answer:
            raise LedgerError(f"no subscription: {answer.get('error')}")
        self._try_look()  # what happened before the subscription began is not announced
        self.subscribed = True

    def _listen(self, socket: ClientConnection) -> None:
        said = False
        while not self._closed:
            try:
                message = json.loads(socket.recv(timeout=BURST_SECONDS if said else LISTEN_SECONDS))
            except TimeoutError:
                said = False
                if self._waiters:
                    self._try_look()
                continue
            said = self._hear(message) or said

    def _hear(self, message: dict[str, Any]) -> bool:
        """Take note of a log; return whether a step may be due because of it."""
        entry = message.get("params", {}).get("result")
        if not isinstance(entry, dict) or entry.get("removed"):
            return False
        if "blockTimestamp" in entry:
            self._saw(int(entry["blockTimestamp"], 16))
        if entry["topics"][0] != abi.TOPICS["PhaseOpened"]:
            return True
        round, phase = (int(topic, 16) for topic in entry["topics"][1:3])
        with self._changed:
            self._heard += 1
            # A log may be slower than a view that has its effect already: news only if it may lead further.
            place = (round, phase, False)
            if place[:2] != self._place[:2] and _rank(place) >= _rank(self._place):
                self._place = place
                self._changed.notify_all()
        return False

    def _ask(self, until: float) -> None:
        """Look at the ledger again and again while somebody waits, at most until then (by the steady clock)."""
        first, longest = ASK_SECONDS
        pause = first
        while not self._closed and time.monotonic() < until:
            with self._changed:
                left = None if until == float("inf") else until - time.monotonic()
                if not self._changed.wait_for(lambda: self._waiters > 0 or self._closed, left):
                    return
                self._hurried = False
                self._changed.wait_for(lambda: self._hurried or self._closed, pause)
                if self._closed:
                    return
                if self._hurried:
                    pause = first
            news = self._try_look()
            pause = first if news else min(1.5 * pause, longest)

    def _try_look(self) -> bool:
        """Look; an error goes to those who wait."""
        try:
            return self._look()
        except LedgerError as error:
            with self._changed:
                self._failures += 1
                self._failure = error
                self._changed.notify_all()
            return False


def _rank(place: Place) -> tuple[int, int]:
    """Return what only grows, unless the chain goes back: the round, and how far it is; between rounds a federation may
    gather, wait and be done in any order."""
    round, phase, _ = place
    return round, phase if phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST) else BETWEEN


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
