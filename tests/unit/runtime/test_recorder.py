"""What the recorder tells of a run whose end is not the last one: it reads a ledger in memory, and asks by queues."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.config import Settings
from rayfed.ledger import registry
from rayfed.ledger.backend import Locator
from rayfed.protocol.messages import NodeRecord, NodeStatus, Phase
from rayfed.reporting.summary import Summary
from rayfed.runtime import recorder
from rayfed.runtime.place import Place
from rayfed.runtime.recorder import Recorder
from tests.toys.queues import Hub, QueueTransport
from tests.unit.cli.test_owner import FEDERATION, MEMBERS, TERMS, World
from tests.unit.protocol.test_charter import charter
from tests.unit.runtime.test_lives import PATIENCE, eventually

ROOT, OTHER = b"r" * 32, b"o" * 32


def branch(root: bytes | None = None) -> World:
    """Return a chain on which round 1 is over, and round 2 too if it has a root."""
    world = World(TERMS).gather().train()
    return world if root is None else world.train(root)


class Ledger:
    """A connection to the branch that the chain is on."""

    def __init__(self, world: World) -> None:
        self.on = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self.on.federation, name)

    def connect(self, *_: Any, **__: Any) -> Ledger:
        return self


class Host:
    """A host of all members, as far as the recorder asks it: it is finished when the federation is done, and has a
    record of each round that it has been told of."""

    def __init__(self, ledger: Ledger, transport: QueueTransport) -> None:
        self.ledger = ledger
        self.told: list[NodeRecord] = []
        self.tell(2, 0.5)
        transport.serve(self)  # type: ignore[arg-type]

    def tell(self, round: int, accuracy: float) -> None:
        self.told += [NodeRecord(i, m, i, round, accuracy=accuracy, test_examples=10) for i, m in enumerate(MEMBERS)]

    def status(self) -> list[NodeStatus]:
        view = self.ledger.view()
        doing = "finished" if view.phase is Phase.DONE else "training"
        return [NodeStatus(index, member, index, view.round, doing) for index, member in enumerate(MEMBERS)]

    def records(self, since: int = 0) -> list[NodeRecord]:
        return self.told[since:]

    def machine(self) -> str:
        return "here"


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger(branch(ROOT))
    monkeypatch.setattr(registry, "at", lambda locator: made)
    monkeypatch.setattr(recorder, "OVER_SECONDS", 0.01)
    return made


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    monkeypatch.setattr(recorder, "RayTransport", lambda federation, name: QueueTransport(made, name))
    yield made
    made.close()


def recording(folder: Path, linger: int) -> Recorder:
    chosen = Settings()
    chosen = replace(
        chosen,
        cluster=replace(chosen.cluster, linger_seconds=linger),
        track=replace(chosen.track, enabled=False),
        task={"_target_": "rayfed.learning.tasks.Classification"},
    )
    place = Place(FEDERATION, Locator("memory", 1, {}), charter().canonical_json())
    return Recorder(chosen, {}, place, 0.0, str(folder), str(folder))


def told(watching: Recorder, root: bytes) -> Summary:
    """Wait until a model is told to be the last one."""

    def summary() -> Summary | None:
        seen = watching.snapshot()
        assert not seen.failed, seen.error
        return seen.summary if seen.summary is not None and seen.summary.final_root == "0x" + root.hex() else None

    found: Summary = eventually("it is told", summary)
    return found


def test_the_end_that_stands_is_told(tmp_path: Path, ledger: Ledger, hub: Hub) -> None:
    host = Host(ledger, QueueTransport(hub, "host-0"))
    watching = recording(tmp_path, linger=3_600)
    assert told(watching, ROOT).final_accuracy == 0.5
    ledger.on = branch()  # the chain goes back
    eventually("it is open again", lambda: watching.snapshot().summary is None)
    assert watching.settled() is None
    host.tell(2, 0.75)
    ledger.on.train(OTHER)
    again = told(watching, OTHER)
    assert (again.final_accuracy, again.rounds[-1].root) == (0.75, "0x" + OTHER.hex())
    seen = watching.settled()
    assert seen is not None
    assert seen[0].final_root == again.final_root
    assert OTHER.hex() in seen[1], "and so does the page"


def test_an_end_that_came_between_two_looks_is_told_too(tmp_path: Path, ledger: Ledger, hub: Hub) -> None:
    Host(ledger, QueueTransport(hub, "host-0"))
    watching = recording(tmp_path, linger=3_600)
    told(watching, ROOT)
    ledger.on = branch(OTHER)
    told(watching, OTHER)


def test_it_leaves_when_nobody_stays(tmp_path: Path, ledger: Ledger, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr(recorder, "_leave", left.set)
    Host(ledger, QueueTransport(hub, "host-0"))
    watching = recording(tmp_path, linger=0)
    assert left.wait(PATIENCE)
    assert watching.snapshot().recorded
