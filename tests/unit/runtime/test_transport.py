"""The seam between hosts: a second transport, of queues in one process, does all that Ray's does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.protocol.commands import Advance, Commit, Join
from rayfed.protocol.messages import NodeRecord, NodeStatus, Phase, Receipt, Signed, Terms, Verb
from rayfed.runtime.host.relay import RelayLife
from rayfed.runtime.transport import HostService, Transport
from rayfed.store.files import FileStore
from rayfed.store.ray.peers import RayPeers
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger
from tests.toys.queues import SECONDS, Hub, QueueTransport, Shelf
from tests.unit.runtime.test_lives import eventually

SIZE = 8 * 4096
CHARTER = b"c" * 32
MEMBERS = [f"0x{i + 1:040x}" for i in range(4)]


class Host:
    """What of a host matters here: it carries two members, whose relay and store go by the transport."""

    def __init__(self, number: int, transport: Transport, chain: MemoryChain, folder: Path) -> None:
        self.members = MEMBERS[2 * number : 2 * number + 2]
        self.lines: list[str] = []
        self.relay = RelayLife(MemoryLedger(chain, self.members[0]).view, transport, self.lines.append, lambda: None)
        disk: Any = FileStore(folder / transport.name)
        self.store = RayPeers(disk, "0x", server=Shelf(disk), fetch=transport.fetch)  # type: ignore[arg-type]
        transport.serve(self)
        self.relay.begin(MemoryLedger(chain, self.members[0]), self.members)

    def addresses(self) -> list[Address]:
        return self.members

    def blob(self, root: Root) -> Any:
        return self.store.server.blob(root)

    def take(self, verb: Verb, round: int, context: bytes, messages: Mapping[int, Signed]) -> None:
        self.relay.take(verb, round, context, messages)

    def told(self, verb: Verb, round: int, context: bytes, receipts: Mapping[int, Receipt]) -> None:
        self.relay.told(verb, round, context, receipts)

    def status(self) -> list[NodeStatus]:
        return [NodeStatus(0, member, None, 0, "waiting") for member in self.members]

    def records(self, since: int = 0) -> list[NodeRecord]:
        return []


class World:
    def __init__(self, folder: Path) -> None:
        terms = Terms(CHARTER, bytes(31) + b"g", 3, 60, 60, 60, 60, start_members=4, min_members=2, max_missed=3)
        self.chain, self.hub = MemoryChain(terms, ManualClock()), Hub()
        for member in MEMBERS:
            MemoryLedger(self.chain, member).submit(Join(CHARTER))
        self.chain.act(MEMBERS[0], Advance())
        self.transports: list[Transport] = [QueueTransport(self.hub, f"host-{k}") for k in range(2)]
        self.hosts = [Host(k, transport, self.chain, folder) for k, transport in enumerate(self.transports)]
        endpoints: list[HostService] = [*self.hosts]
        assert len(endpoints) == 2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for host in made.hosts:
        host.relay.stop()
    made.hub.close()


def blob_of(seed: int) -> tuple[Root, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8).data
    return merkle.root(data), data


def test_hosts_relay_each_other_s_messages(world: World) -> None:
    for host in world.hosts:
        for member in host.members:
            commit = Commit(1, world.chain.view().context, bytes(31) + bytes([MEMBERS.index(member) + 1]))
            signed = MemoryLedger(world.chain, member).sign(commit)
            host.relay.pool.offer(member, commit, signed)
    eventually("all have committed", lambda: world.hosts[0].relay._look().phase is Phase.VOTE)
    told: dict[Address, list[Receipt]] = {}

    def heard() -> bool:
        for host in world.hosts:
            for member in host.members:
                told.setdefault(member, []).extend(host.relay.pool.receipts(member))
        return all(told[member] for member in MEMBERS)

    eventually("each is told, wherever it was posted", heard)
    assert [[receipt.error for receipt in told[member]] for member in MEMBERS] == [[None]] * 4
    eventually("nothing is left to be done", lambda: all(host.relay.is_idle for host in world.hosts))
    assert [host.lines for host in world.hosts] == [[], []]


def test_a_blob_travels_once_it_is_offered_and_is_checked(world: World) -> None:
    first, second = world.hosts
    root, blob = blob_of(1)
    first.store.local.put(root, blob)
    with pytest.raises(BlobMissing):
        second.store.get(root, SIZE, first.members)
    first.store.put(root, blob)
    assert second.store.get(root, SIZE, first.members) == blob
    with pytest.raises(BlobMissing):
        second.store.get(root, SIZE, ["0x" + "99" * 20])
    other, wrong = blob_of(2)
    first.store.put(other, wrong)
    (file,) = first.store.local.path.rglob(other.hex())
    file.chmod(0o600)
    file.write_bytes(bytes(SIZE))
    with pytest.raises(BlobCorrupt):
        second.store.get(other, SIZE)


def test_anybody_may_ask_how_the_nodes_are(world: World) -> None:
    onlooker: Transport = QueueTransport(world.hub, "recorder")
    assert list(onlooker.peers()) == ["host-0", "host-1"]
    answers = [onlooker.ask(peer, "status").result(SECONDS) for peer in onlooker.peers()]
    assert [status.address for answer in answers for status in answer] == MEMBERS
    with pytest.raises(AttributeError):
        onlooker.ask("host-0", "keys").result(SECONDS)
