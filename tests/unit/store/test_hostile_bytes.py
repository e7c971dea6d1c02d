"""Bytes from a hostile peer cost that peer its vote, and nobody else anything: no memory, no round, no other vote."""

from __future__ import annotations

import gzip
import pickle
import threading
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rayfed.encoding import codec, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, Root, bitmap
from rayfed.errors import BlobMissing
from rayfed.protocol.commands import Commit, Join
from rayfed.protocol.messages import Phase, Status, Verb, View
from rayfed.store.files import FileStore
from rayfed.testing import MemoryLedger
from tests.audited import AuditedWorld
from tests.unit.node.test_edge_node import FEDERATION, LAYOUT, World

SIZE = LAYOUT.blob_size
LIAR = 1


class Exploding:
    """Unpickling it would make itself heard."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _explode, ()


def _explode() -> None:
    raise SystemExit("a peer's bytes were unpickled")


def update(view_round: int, node: Address, **changes: object) -> bytearray:
    """Return a well-formed update of zeros."""
    header = Header.update(31337, FEDERATION, view_round, node, LAYOUT.hash, 10)
    blob = codec.blank(LAYOUT, header)
    codec.values(blob, LAYOUT.size)[:] = 0
    return bytearray(blob)


def huge(blob: bytearray) -> bytearray:
    """A header that speaks of a thousand billion values: whoever allocates by it is lost."""
    blob[8 * 32 : 9 * 32] = (2**40 - 1).to_bytes(32, "big")
    return blob


FORGED: dict[str, Callable[[bytearray], bytes | bytearray]] = {
    "a header of 10 GB": huge,
    "a header of noise": lambda blob: np.random.default_rng(0).bytes(4096) + blob[4096:],
    "a weight of four billion": lambda blob: blob[: 7 * 32] + (2**32 - 1).to_bytes(32, "big") + blob[8 * 32 :],
    "padding that is not zero": lambda blob: blob[:-1] + b"x",
    "a zip bomb": lambda blob: gzip.compress(bytes(10 << 20)).ljust(SIZE, b"\0")[:SIZE],
    "a pickle": lambda blob: pickle.dumps(Exploding()).ljust(SIZE, b"\0"),
    "nothing": lambda blob: b"",
    "one byte too many": lambda blob: blob + b"\0",
    "ten megabytes": lambda blob: bytes(10 << 20),
}


class Liar:
    """A store through which one node hands out bytes of its own making, under a root that it committed to."""

    def __init__(self, shared: FileStore) -> None:
        self.shared = shared

    def lay(self, root: Root, data: bytes | bytearray) -> None:
        self.shared.put(root, memoryview(bytes(data)))


@pytest.mark.parametrize("how", FORGED)
def test_forged_bytes_with_their_own_root_cost_their_author_the_vote(tmp_path: Path, how: str) -> None:
    world = AuditedWorld(tmp_path)
    view = world.run(until=lambda view: view.phase is Phase.COMMIT and view.round == 2 and not view.committed)
    index = view.index_of(world.address(LIAR))
    assert index is not None
    data = FORGED[how](update(2, world.address(LIAR)))
    whole = data and len(data) % merkle.LEAF == 0
    root = merkle.root(data) if whole else bytes(31) + b"\1"  # what is no blob at all has no root of its own
    Liar(world.shared).lay(root, data)
    world.nodes.pop(LIAR)
    world.chain.act(world.address(LIAR), Commit(2, view.context, root))
    tracemalloc.start()
    world.run(until=lambda view: view.round == 3 or view.phase is Phase.DONE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    outcome = world.outcome(2)
    assert outcome.status is Status.FINAL
    assert outcome.included == bitmap(range(4)) & ~(1 << index) or how == "a weight of four billion"
    # Four nodes hold four updates each, and what it takes to merge them; nothing by the forged figures.
    assert peak < 60 * SIZE + (4 << 20)


def test_a_sparse_file_of_ten_gigabytes_is_not_read(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path)
    world.nodes.pop(LIAR)
    MemoryLedger(world.chain, world.address(LIAR)).submit(Join(world.charter.hash))
    root = bytes(31) + b"\7"
    place = world.shared.file(root)
    place.parent.mkdir(exist_ok=True)
    with place.open("wb") as file:
        file.truncate(10 << 30)
    view = world.run(until=lambda view: view.phase is Phase.COMMIT)
    world.chain.act(world.address(LIAR), Commit(1, view.context, root))
    tracemalloc.start()
    view = world.run(until=lambda view: view.round == 2 and view.phase is Phase.ATTEST)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    bad = 1 << (view.index_of(world.address(LIAR)) or 0)
    assert world.outcome(1).included == 0b1111 & ~bad
    assert peak < 60 * SIZE + (4 << 20)
    reasons = {v.reason for r in world.records for v in r.verdicts if not v.accepted}
    assert any("10737418240 bytes instead of" in reason for reason in reasons)


class Dripping:
    """A store that does not answer for one root until all the others have been asked for and handed out."""

    def __init__(self, inner: FileStore, others: int) -> None:
        self.inner, self.others = inner, others
        self.slow: Root = bytes(32)
        self.served: set[Root] = set()
        self.enough = threading.Event()

    def put(self, root: Root, blob: memoryview) -> None:
        self.inner.put(root, blob)

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        if root == self.slow:
            # In turn, this would be for ever: a drip outlasts any patience. The limit is there to fail, not to pass.
            if not self.enough.wait(200):
                raise AssertionError("the others were not asked while one peer dripped")
            raise BlobMissing("it never came to an end")
        blob = self.inner.get(root, size, holders)
        self.served.add(root)
        if len(self.served) >= self.others:
            self.enough.set()
        return blob

    def has(self, root: Root) -> bool:
        return self.inner.has(root)

    def close(self) -> None:
        pass


def test_a_peer_that_drips_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store = Dripping(FileStore(tmp_path / "shared"), others=2)
    world.nodes = {slot: world.start(slot) for slot in range(4)}

    def committed(view: View) -> bool:
        return view.phase is Phase.VOTE

    view = world.run(until=committed)
    for node in world.nodes.values():
        node.serve(view)
    bad = 0  # the first to be asked for
    world.store.slow = view.roots[bad]
    view = world.run(until=lambda view: view.round == 2)
    outcome = world.outcome(1)
    assert outcome.status is Status.FINAL
    assert outcome.included == 0b1110


def test_what_a_peer_says_is_a_root_a_ballot_or_bytes(tmp_path: Path) -> None:
    """The whole of what peers exchange: three messages of whole numbers, and blobs; nothing that is unpickled."""
    world = AuditedWorld(tmp_path)
    world.run()
    kinds = {type(value) for said in world.chain.events for value in said.values.values()}
    assert kinds <= {int, str, bytes, bool, Phase, Status, Verb}
    for file in (path for path in world.shared.path.rglob("*") if path.is_file()):
        assert file.stat().st_size == SIZE
