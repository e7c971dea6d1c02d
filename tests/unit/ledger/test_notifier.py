"""Waiting: by subscription to a real websocket server, by polling, and from one to the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from rayfed.errors import LedgerUnreachable
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.notifier import SAID, Place, Waker

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
LONG = 200.0
"""Seconds that no test waits for: what is waited for happens before."""


class Ledger:
    """What a waker looks at: a place that a test moves."""

    def __init__(self) -> None:
        self.place = (1, 1, False)
        self.looks = 0
        self.looked = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.error: LedgerUnreachable | None = None
        self.times: list[int] = []
        self.waker: Waker | None = None

    def look(self) -> bool:
        assert self.waker is not None
        self.looks += 1
        self.looked.set()
        self.gate.wait(LONG)
        if self.error is not None:
            raise self.error
        self.waker.set(self.place, self.waker.heard)
        return False

    def open(self, ws_url: str | None) -> Waker:
        self.waker = Waker(self.look, self.times.append, ADDRESS, ws_url)
        self.waker.set(self.place, 0)
        return self.waker


class Socket:
    """A node's websocket: accepts a subscription, and says what a test tells it to say."""

    def __init__(self, port: int = 0) -> None:
        self.connections: list[ServerConnection] = []
        self.requests: list[Any] = []
        self.subscribed = threading.Event()
        self.refuse = False
        self.server: Server = serve(self._serve, "127.0.0.1", port)
        self.port = self.server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def _serve(self, connection: ServerConnection) -> None:
        self.requests.append(json.loads(connection.recv()))
        if self.refuse:
            connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"message": "not here"}}))
            self.subscribed.set()
            return
        connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x1"}))
        self.connections.append(connection)
        self.subscribed.set()
        for _ in connection:
            pass

    def announce(self, round: int, phase: int, **more: Any) -> None:
        topics = [abi.TOPICS["PhaseOpened"], f"0x{round:064x}", f"0x{phase:064x}"]
        log = {"address": ADDRESS, "topics": topics, "data": "0x", **more}
        message = {"method": "eth_subscription", "params": {"subscription": "0x1", "result": log}}
        self.connections[-1].send(json.dumps(message))

    def say(self, name: str) -> None:
        log = {"address": ADDRESS, "topics": [abi.TOPICS[name]], "data": "0x"}
        message = {"method": "eth_subscription", "params": {"subscription": "0x1", "result": log}}
        self.connections[-1].send(json.dumps(message))

    def close(self) -> None:
        self.server.shutdown()
        for connection in self.connections:
            connection.close()
        self._thread.join()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    if ledger.waker is not None:
        ledger.waker.close()


@pytest.fixture
def socket() -> Iterator[Socket]:
    socket = Socket()
    yield socket
    socket.close()


class Waiting(threading.Thread):
    """Waits in a thread of its own; ``join`` it to see that it has woken, then look at ``error``."""

    def __init__(self, waker: Waker, seen: Place) -> None:
        super().__init__(daemon=True)
        self._waker, self._seen = waker, seen
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._waker.wait(self._seen, LONG)
        except LedgerUnreachable as error:
            self.error = error

    def woken(self) -> bool:
        self.join(LONG / 2)
        return not self.is_alive()


def test_polling_wakes_when_the_place_changes(ledger: Ledger) -> None:
    waiting = Waiting(ledger.open(None), (1, 1, False))
    assert ledger.looked.wait(LONG)
    assert waiting.is_alive()
    ledger.place = (1, 2, False)
    assert waiting.woken()


def test_the_time_is_up_when_it_is_up(ledger: Ledger) -> None:
    waker = ledger.open(None)
    waker.wait((1, 1, False), 0.01)
    waker.wait((1, 1, False), -5.0)


def test_who_is_behind_does_not_wait(ledger: Ledger) -> None:
    waker = ledger.open(None)
    waker.set((2, 1, False), 0)
    waker.wait((1, 3, False), LONG)
    assert ledger.looks == 0


def test_nobody_asks_while_nobody_waits(ledger: Ledger) -> None:
    waker = ledger.open(None)
    while not ledger.looks:
        waker.wait((1, 1, False), 0.2)
    looks = ledger.looks
    time.sleep(0.5)
    assert ledger.looks <= looks + 1  # one may have been under way


def test_all_who_wait_share_one_question(ledger: Ledger) -> None:
    waker = ledger.open(None)
    waiting = [Waiting(waker, (1, 1, False)) for _ in range(16)]
    assert ledger.looked.wait(LONG)
    ledger.place = (1, 2, False)
    looks = ledger.looks
    assert all(one.woken() for one in waiting)
    assert ledger.looks <= looks + 2


def test_an_error_while_polling_reaches_those_who_wait(ledger: Ledger) -> None:
    ledger.error = LedgerUnreachable("gone")
    waiting = Waiting(ledger.open(None), (1, 1, False))
    assert waiting.woken()
    assert waiting.error is ledger.error


def test_closing_wakes_all(ledger: Ledger) -> None:
    waker = ledger.open(None)
    waiting = Waiting(waker, (1, 1, False))
    assert ledger.looked.wait(LONG)
    waker.close()
    assert waiting.woken()


def test_a_subscription_wakes_without_asking(ledger: Ledger, socket: Socket) -> None:
    waker = ledger.open(socket.url)
    waiting = Waiting(waker, (1, 1, False))
    assert socket.subscribed.wait(LONG)
    assert ledger.looked.wait(LONG)
    topics = [abi.TOPICS[name] for name in ("PhaseOpened", *SAID)]
    assert socket.requests[0]["params"] == ["logs", {"address": ADDRESS, "topics": [topics]}]
    socket.announce(1, 2, blockTimestamp="0x64")
    assert waiting.woken()
    assert ledger.looks == 1  # when the subscription began
    assert ledger.times == [100]


def test_a_burst_of_statements_is_followed_by_one_look(ledger: Ledger, socket: Socket) -> None:
    waiting = Waiting(ledger.open(socket.url), (1, 1, False))
    assert socket.subscribed.wait(LONG)
    assert ledger.looked.wait(LONG)
    ledger.gate.clear()  # all of them have come before the first one is over
    looks, ledger.place = ledger.looks, (1, 1, True)
    for _ in range(30):
        socket.say("Committed")
    ledger.gate.set()
    assert waiting.woken()
    assert ledger.looks <= looks + 5


def test_between_rounds_any_phase_may_follow_any(ledger: Ledger, socket: Socket) -> None:
    ledger.place = (2, 5, False)
    waker = ledger.open(socket.url)
    for phase in (0, 4, 5):
        waiting = Waiting(waker, ledger.place)
        assert socket.subscribed.wait(LONG)
        ledger.place = (2, phase, False)
        socket.announce(2, phase)
        assert waiting.woken()
        assert waker._place == ledger.place


def test_a_late_announcement_does_not_set_the_place_back(ledger: Ledger, socket: Socket) -> None:
    ledger.place = (2, 1, False)
    waker = ledger.open(socket.url)
    waiting = Waiting(waker, (2, 1, False))
    assert socket.subscribed.wait(LONG)
    socket.announce(1, 2)
    socket.announce(2, 2, removed=True)
    socket.announce(2, 3)
    assert waiting.woken()
    assert waker._place == (2, 3, False)


def test_an_announcement_outlives_a_view_asked_for_before_it(ledger: Ledger, socket: Socket) -> None:
    waker = ledger.open(socket.url)
    waiting = Waiting(waker, (1, 1, False))
    assert socket.subscribed.wait(LONG)
    heard = waker.heard
    socket.announce(1, 2)
    assert waiting.woken()
    waker.set((1, 1, False), heard)  # the answer was on its way when the phase opened
    waker.wait((1, 1, False), LONG)
    waker.set((1, 1, False), waker.heard)  # a chain that was reorganised: what is asked for now counts
    assert waker._place == (1, 1, False)


def test_a_lost_subscription_falls_back_to_asking_and_comes_back(ledger: Ledger, socket: Socket) -> None:
    waker = ledger.open(socket.url)
    waiting = Waiting(waker, (1, 1, False))
    assert socket.subscribed.wait(LONG)
    assert ledger.looked.wait(LONG)
    ledger.looked.clear()
    socket.close()
    assert ledger.looked.wait(LONG)
    ledger.place = (1, 2, False)
    assert waiting.woken()
    again = Socket(socket.port)
    try:
        waiting = Waiting(waker, (1, 2, False))
        assert again.subscribed.wait(LONG)
        again.announce(1, 3)
        assert waiting.woken()
    finally:
        again.close()


def test_a_node_without_subscriptions_is_asked(ledger: Ledger, socket: Socket) -> None:
    socket.refuse = True
    waiting = Waiting(ledger.open(socket.url), (1, 1, False))
    assert socket.subscribed.wait(LONG)
    ledger.place = (1, 2, False)
    assert waiting.woken()


def test_nobody_there_at_the_websocket_address(ledger: Ledger) -> None:
    waiting = Waiting(ledger.open("ws://127.0.0.1:1"), (1, 1, False))
    assert ledger.looked.wait(LONG)
    ledger.place = (1, 2, False)
    assert waiting.woken()


def test_waiting_costs_no_processor(ledger: Ledger, socket: Socket) -> None:
    waker = ledger.open(socket.url)
    waker.wait((1, 1, False), 0.3)  # threads have started, modules are loaded
    before = time.thread_time()
    waker.wait((1, 1, False), 1.0)
    assert time.thread_time() - before < 0.1
