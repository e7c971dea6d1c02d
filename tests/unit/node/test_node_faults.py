"""What the chaos runner found: a chain that goes back, a disk that lost bytes, a store that refuses."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rayfed.encoding.primitives import NO_ROOT, Root
from rayfed.errors import BlobMissing, StoreError
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.node.edge_node import Progress
from rayfed.node.memo import Memo
from rayfed.node.pending import HEARD_SECONDS
from rayfed.protocol.commands import Settle, Vote
from rayfed.protocol.messages import Phase, Status, Verb
from rayfed.store.files import FileStore
from rayfed.store.ray.peers import RayPeers
from rayfed.testing import MemoryStore
from tests.toys.queues import Shelf
from tests.unit.node.test_edge_node import FEDERATION, LAYOUT, World


def kept(chain: MemoryChain) -> Any:
    return chain.saved()


@pytest.mark.parametrize("damage", ["gone", "empty", "zeros"])
def test_a_base_that_the_own_disk_has_lost_is_fetched_again(tmp_path: Path, damage: str) -> None:
    world = World(tmp_path)
    view = world.run(until=lambda view: view.round == 2)
    world.run(until=lambda view: all(node.model == view.base for node in world.nodes.values()))
    for root in (view.base, world.charter.genesis):
        file = tmp_path / "node-0" / "blobs" / root.hex()[:2] / root.hex()
        size = file.stat().st_size
        file.unlink()
        if damage != "gone":
            file.write_bytes(bytes(size if damage == "zeros" else 0))
    world.nodes[0] = world.start(0)
    world.run()
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b1111] * 3
    assert world.clock.now == 1_000_000, "nobody had to wait for it"


def test_an_own_update_that_is_lost_costs_its_place_and_not_the_vote(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(until=lambda view: view.round == 1)
    while 0 not in world.committed():
        world.nodes[0].step(world.chain.view())
    root = world.committed()[0]
    file = tmp_path / "node-0" / "blobs" / root.hex()[:2] / root.hex()
    file.write_bytes(bytes(file.stat().st_size))
    world.nodes[0] = world.start(0)
    world.run()
    assert world.outcome(1).status is Status.FINAL
    assert world.outcome(1).included == 0b1110
    assert world.said(0, Verb.VOTE) == ["e:1"], "it misses its own"


def test_what_the_chain_has_forgotten_is_said_again(tmp_path: Path) -> None:
    """A reorganisation takes a commit and a join back after their receipts were given out."""
    world = World(tmp_path)
    world.run(until=lambda view: view.round == 1)
    before = kept(world.chain)
    world.nodes[0].step(world.chain.view())
    world.nodes[0].step(world.chain.view())
    first = world.committed()[0]
    world.chain.restore(before)
    assert 0 not in world.committed()
    world.nodes[0].step(world.chain.view())
    assert 0 not in world.committed(), "the view may be older than the receipt"
    world.clock.advance(HEARD_SECONDS)
    world.nodes[0].step(world.chain.view())
    assert world.committed()[0] == first, "the same update as before"
    world.run()
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b1111] * 3


def test_a_node_speaks_anew_on_another_branch(tmp_path: Path) -> None:
    """The chain goes back to VOTE, and another ballot leaves an update out: the merge is another one."""
    world = World(tmp_path)
    world.run(until=lambda view: view.round == 1 and view.phase is Phase.VOTE)
    before = kept(world.chain)
    world.run(until=lambda view: view.round == 2)
    world.chain.restore(before)
    context = world.chain.view().context
    for slot in range(1, 3):
        world.chain.act(world.address(slot), Vote(1, context, 0b0111))
    world.clock.advance(31)  # who had voted says so again, too late
    view = world.run()
    first = world.outcome(1)
    assert first.included == 0
    assert first.status is Status.OVER
    assert world.included()[1:] == [0b1111] * 3
    assert len(world.said(0, Verb.COMMIT)) == 1
    assert {node.model for node in world.nodes.values()} == {view.base}


def test_an_attestation_of_another_branch_is_no_hindrance(tmp_path: Path) -> None:
    """The chain goes back before one of the votes: less is included, and the node attests that merge, too."""
    world = World(tmp_path, rounds=1)
    world.run(until=lambda view: view.round == 1 and view.phase is Phase.VOTE)
    before = kept(world.chain)
    world.run(until=lambda view: view.round == 2)
    world.chain.restore(before)
    context = world.chain.view().context
    for slot in range(4):
        world.chain.act(world.address(slot), Vote(1, context, 0b0111))
    world.run()
    assert world.included() == [0b0111]
    assert world.outcome(1).attesters & 1
    assert len(world.said(0, Verb.ATTEST)) == 2, "one on each branch"


def test_an_abstention_that_the_base_s_settlement_has_overtaken_stops_nobody(tmp_path: Path) -> None:
    """It is in the journal, and the ledger takes it no more: the node sits the round out, and goes on in the next."""
    world = World(tmp_path, commit_seconds=600)
    view = world.run(until=lambda view: view.round == 2)
    world.nodes[0].kit.resources.journal.say(2, Verb.COMMIT, view.context, NO_ROOT.hex())
    world.clock.advance(300)
    world.chain.act(world.address(9), Settle(1))
    assert world.chain.view().base_settled
    world.run(limit=2_000)
    assert world.included() == [0b1111, 0b1110, 0b1111]


class Refusing(MemoryStore):
    """Takes nothing for a while."""

    def __init__(self, inner: MemoryStore, world: World, until: int) -> None:
        self.blobs, self._world, self._until = inner.blobs, world, until

    def put(self, root: Root, blob: memoryview) -> None:
        if self._world.clock.now < self._until:
            raise StoreError("store.endpoint_url: no")
        super().put(root, blob)


def test_a_final_model_that_the_store_refused_is_offered_again(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    world.run(until=lambda view: view.phase is Phase.ATTEST)
    for node in world.nodes.values():
        node.kit.tools.blobs._store = Refusing(world.store, world, world.clock.now + 8)
    view = world.run()
    assert world.blob(view.base).nbytes == LAYOUT.blob_size


def test_a_store_that_never_comes_back_keeps_nobody_from_finishing(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    world.run(until=lambda view: view.phase is Phase.ATTEST)
    for node in world.nodes.values():
        node.kit.tools.blobs._store = Refusing(world.store, world, 1 << 40)
    world.run(until=lambda view: view.phase is Phase.DONE)
    able = [node for node in world.nodes.values() if node.kit.tools.merges]
    assert len(able) >= 3
    for _ in range(30):
        progress = [node.step(world.chain.view()) for node in able]
        world.clock.advance(1)
    assert set(progress) == {Progress.FINISHED}
    assert world.chain.view().base not in world.store.blobs


def test_a_node_whose_own_update_is_not_taken_votes_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    world.nodes[0] = world.start(0, store=Refusing(world.store, world, 1 << 40))
    world.run()
    assert world.outcome(1).included == 0b1110
    assert len(world.said(0, Verb.VOTE)) == 1


def test_a_vote_does_not_wait_for_an_update_that_drips(tmp_path: Path) -> None:
    class Dripping(MemoryStore):
        """Gives one blob so slowly that nobody sees the end of it, until it is told to."""

        slow, goes_on, has_ended = NO_ROOT, Event(), Event()

        def get(self, root: Root, size: int, holders: Any = ()) -> memoryview:
            if root == self.slow:
                self.goes_on.wait(600)
                self.has_ended.set()
            return super().get(root, size, holders)

    world = World(tmp_path)
    store = Dripping()
    store.blobs = world.store.blobs
    world.nodes[0] = world.start(0, store=store, waits=0.02, memo=Memo())
    world.run(until=lambda view: view.phase is Phase.VOTE)
    store.slow = world.chain.view().roots[2]
    for node in world.nodes.values():
        node.serve(world.chain.view())
    for _ in range(25):  # of VOTE's thirty seconds
        world.nodes[0].step(world.chain.view())
        world.clock.advance(1)
        time.sleep(0.05)  # the others' transfers have threads of their own
    assert not store.has_ended.is_set(), "nobody has seen the end of it"
    assert world.said(0, Verb.VOTE) == ["b:4"], "in time, and it says what it misses"
    store.goes_on.set()
    world.run(until=lambda view: view.phase is Phase.DONE)
    assert world.outcome(1).status is Status.FINAL


def test_a_node_that_was_started_again_serves_what_it_had_served(tmp_path: Path) -> None:
    world = World(tmp_path)
    shelves: dict[int, RayPeers] = {}

    def fetch(root: Root, size: int, holders: Any) -> memoryview:
        found = [data for shelf in shelves.values() if (data := shelf.server.blob(root)) is not None]
        if not found:
            raise BlobMissing("nobody offers it")
        return memoryview(found[0])  # type: ignore[arg-type]

    def start(slot: int) -> None:
        disk: Any = FileStore(tmp_path / f"node-{slot}" / "blobs")
        shelves[slot] = RayPeers(disk, FEDERATION, server=Shelf(disk), fetch=fetch)  # type: ignore[arg-type]
        world.nodes[slot] = world.start(slot, store=shelves[slot])

    for slot in world.nodes:
        start(slot)
    world.run(until=lambda view: view.round == 1 and view.phase is Phase.VOTE)
    old = world.chain.view().roots[2]
    world.run(until=lambda view: view.round == 2 and len(world.committed()) == 4)
    new = world.chain.view().roots[2]
    assert world.chain.view().phase is Phase.COMMIT
    start(2)
    assert shelves[2].server.blob(old) is None
    world.nodes[2].serve(world.chain.view())
    assert shelves[2].server.blob(old) is not None
    assert shelves[2].server.blob(new) is None, "an update is not shown before COMMIT has closed"
