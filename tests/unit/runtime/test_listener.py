"""What wakes a host's lives."""

from __future__ import annotations

import threading
from dataclasses import replace

from rayfed.protocol.messages import Phase, View
from rayfed.runtime.host.listener import Listener
from rayfed.testing import ManualClock, MemoryChain
from tests.unit.node.test_edge_node import charter

PATIENCE = 200.0


class Quiet:
    """A federation that moves between a life's look and the listener's, and then never again."""

    def __init__(self, view: View) -> None:
        self.now = view
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def view(self) -> View:
        return self.now

    def wait(self, seen: View, timeout: float) -> None:
        self.asked.set()
        self.go_on.wait(PATIENCE)
        self.go_on.clear()


def test_a_move_between_two_looks_wakes_the_lives() -> None:
    chain = MemoryChain(charter(rounds=3).terms(), ManualClock())
    federation, woken = Quiet(chain.view()), threading.Semaphore(0)
    listener = Listener(federation, [lambda: woken.release()])
    listener.start()
    assert woken.acquire(timeout=PATIENCE), "the first look wakes them: they may have looked before it"
    assert federation.asked.wait(PATIENCE)
    federation.now = replace(federation.now, round=1, phase=Phase.COMMIT)  # nobody waits for it any more
    federation.go_on.set()
    assert woken.acquire(timeout=PATIENCE), "the wait is over"
    assert woken.acquire(timeout=PATIENCE), "the move that nobody waited for"
    listener.stop()
    federation.go_on.set()


def test_a_step_that_falls_due_wakes_the_lives() -> None:
    """The last of a phase has spoken: no phase has changed, and it is somebody's turn to take the step."""
    chain = MemoryChain(charter(rounds=3).terms(), ManualClock())
    federation, woken = Quiet(chain.view()), threading.Semaphore(0)
    listener = Listener(federation, [lambda: woken.release()])
    listener.start()
    assert woken.acquire(timeout=PATIENCE)
    assert federation.asked.wait(PATIENCE)
    federation.now = replace(federation.now, due=True)
    federation.go_on.set()
    assert woken.acquire(timeout=PATIENCE), "the wait is over"
    assert woken.acquire(timeout=PATIENCE), "the step"
    listener.stop()
    federation.go_on.set()
