"""Blobs: where they are looked for, why they are not to be had, and what stays on the disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, StoreError
from rayfed.node.blobs import BlobRepository, Found, Published
from rayfed.node.disk import OwnDisk
from rayfed.node.memo import Memo
from rayfed.store.files import FileStore
from rayfed.testing import MemoryStore

SIZE = 2 * merkle.LEAF


def blob(number: int) -> memoryview:
    return memoryview(bytes([number]) * SIZE)


class Down(MemoryStore):
    """Neither takes nor gives anything."""

    def put(self, root: Root, blob: memoryview) -> None:
        raise StoreError("store.bucket: no answer")

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        raise StoreError("store.bucket: no answer")


class Garbling(MemoryStore):
    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        raise BlobCorrupt("other bytes")


def repository(folder: Path, store: MemoryStore | None = None, beside: Sequence[FileStore] = ()) -> BlobRepository:
    memo = Memo()
    disk = OwnDisk(FileStore(folder), SIZE, memo)
    return BlobRepository(disk, MemoryStore() if store is None else store, memo, beside)


def test_a_blob_is_looked_for_on_the_own_disk_beside_and_at_the_peers(tmp_path: Path) -> None:
    store, beside = MemoryStore(), FileStore(tmp_path / "beside")
    roots = [merkle.root(blob(number)) for number in range(3)]
    blobs = repository(tmp_path / "own", store, [beside])
    blobs.keep(blob(0))
    beside.put(roots[1], blob(1))
    store.put(roots[2], blob(2))
    assert [bytes(blobs.find(root, []).blob or b"") for root in roots] == [bytes(blob(number)) for number in range(3)]
    assert [blobs.own(root) is not None for root in roots] == [True, False, False]
    assert blobs.obtain(roots[2], []).blob is not None
    assert blobs.own(roots[2]) is not None, "and is kept"


@pytest.mark.parametrize(
    ("store", "reason", "is_final"),
    [(MemoryStore(), "", False), (Down(), "store.bucket: no answer", False), (Garbling(), "other bytes", True)],
    ids=["missing", "down", "corrupt"],
)
def test_what_is_not_to_be_had_has_a_reason(tmp_path: Path, store: MemoryStore, reason: str, is_final: bool) -> None:
    found = repository(tmp_path, store).find(bytes(32), [])
    assert (found.blob, found.is_final) == (None, is_final)
    assert reason in found.reason
    assert found.reason


def test_the_reasons_of_many_threads_are_their_own(tmp_path: Path) -> None:
    """One line for all of them would tell each what became of another's blob."""

    class Naming(MemoryStore):
        def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
            raise StoreError(root.hex())

    blobs, wrong = repository(tmp_path, Naming()), []

    def ask(number: int) -> None:
        root = bytes([number]) * 32
        wrong.extend(found for _ in range(200) if (found := blobs.find(root, [])) != Found(None, root.hex()))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_was_published_and_what_can_never_be(tmp_path: Path) -> None:
    store = MemoryStore()
    blobs = repository(tmp_path / "one", store)
    root = blobs.keep(blob(1))
    assert blobs.publish(root) == Published(True)
    assert store.has(root)
    lost = blobs.publish(bytes(32))
    assert lost.is_done
    assert "the own disk has lost it" in lost.reason
    down = repository(tmp_path / "two", Down())
    assert down.publish(down.keep(blob(1))) == Published(False, "store.bucket: no answer")


def test_what_a_watchtower_holds_outlives_the_pruning_of_the_rounds(tmp_path: Path) -> None:
    rounds = repository(tmp_path)
    own, theirs = rounds.keep(blob(1)), merkle.root(blob(2))
    watchtower = BlobRepository(rounds.disk, MemoryStore(), Memo())
    watchtower.disk.hold(1, {theirs: blob(2)})
    rounds.disk.prune(set())
    assert set(rounds.disk.files.roots()) == {theirs}
    assert rounds.own(own) is None
    watchtower.disk.release([1])
    assert set(rounds.disk.files.roots()) == set()


def test_what_is_held_is_known_after_a_restart_and_what_is_ones_own_stays(tmp_path: Path) -> None:
    before = repository(tmp_path).disk
    own, theirs, shared = before.keep(blob(1)), merkle.root(blob(2)), merkle.root(blob(3))
    before.hold(1, {own: blob(1), theirs: blob(2), shared: blob(3)})
    before.hold(2, {shared: blob(3)})
    disk = repository(tmp_path).disk
    assert disk.held == {1, 2}
    disk.prune(set())
    assert set(disk.files.roots()) == {own, theirs, shared}
    disk.release([1])
    assert set(disk.files.roots()) == {own, shared}, "another round rests on one"
    disk.release([2])
    assert set(disk.files.roots()) == {own}
    assert repository(tmp_path).disk.held == frozenset()
    (tmp_path / "held.json").write_text('{"1": ')
    assert repository(tmp_path).disk.held == frozenset(), "a power cut costs no more than the list"


def test_a_model_is_nobodys_update_where_updates_are_smaller(tmp_path: Path) -> None:
    """Somebody commits to the root of a model that all have in memory."""
    memo, model = Memo(), blob(1)
    disk = OwnDisk(FileStore(tmp_path), SIZE, memo, update_size=SIZE // 2)
    blobs = BlobRepository(disk, MemoryStore(), memo)
    root = blobs.keep(model)
    assert blobs.obtain(root, []).blob == model
    assert blobs.at_hand(root) is None
    found = blobs.find(root, [])
    assert (found.blob, found.is_final) == (None, True)
    update = blobs.keep(model[: SIZE // 2])
    assert blobs.find(update, []).blob == model[: SIZE // 2]
    assert blobs.obtain(update, []).blob is None
