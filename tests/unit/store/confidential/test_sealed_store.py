"""Blobs on a shelf that others can read: members open them, and a stranger gets nothing but sizes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rayfed.encoding import merkle, sealed
from rayfed.encoding.sealed import SealedForOthers, new_key
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.store import Site
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.confidential.sealed_store import SealedStore
from rayfed.store.files import FileStore
from rayfed.store.files.options import FilesOptions
from rayfed.store.files.shared import SharedFolder

FEDERATION = "0x" + "fe" * 20
SIZE = 5 * 4096


def blob_of(seed: int) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8).data
    return merkle.root(data), data


class Members:
    """Who has a seat, by name, over one shared folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self.cards: dict[str, Card] = {}

    def site(self, name: str, keys: ReadingKeys | None, **more: bool) -> Site:
        envelope = Envelope(FEDERATION, keys, lambda: self.cards)
        disk = FileStore(self.folder / name / "disk")
        return Site(disk, FEDERATION, cards=lambda: self.cards, envelope=lambda: envelope, **more)

    def opened(self, name: str, keys: ReadingKeys | None, **more: bool) -> SealedStore:
        store = FilesOptions(path=str(self.shared)).open(self.site(name, keys, **more))
        assert isinstance(store, SealedStore)
        return store

    def join(self, name: str, key_file: str = "reading.keys") -> SealedStore:
        """Give somebody a seat, whose card is announced at once."""
        (self.folder / name).mkdir(exist_ok=True)
        store = self.opened(name, ReadingKeys.made(self.folder / name / key_file), confidential=True)
        self.cards = {**self.cards, name: store.card()}
        return store


@pytest.fixture
def members(tmp_path: Path) -> Members:
    return Members(tmp_path)


def put(store: SealedStore, root: bytes, blob: memoryview) -> None:
    """Put what lies on the own disk, as nodes do."""
    store._disk.put(root, blob)
    store.put(root, blob)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 200
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def can_read(store: SealedStore, root: bytes, blob: memoryview) -> bool:
    try:
        return store.get(root, SIZE) == blob
    except BlobMissing:
        return False


def test_members_read_and_a_stranger_with_the_folder_gets_nothing_but_sizes(members: Members) -> None:
    stores = [members.join(name) for name in "abc"]
    root, blob = blob_of(1)
    put(stores[0], root, blob)
    for store in stores:
        got = store.get(root, SIZE)
        assert got == blob
        assert got.readonly
    files = [file for file in members.shared.rglob("*") if file.is_file()]
    assert [file.name for file in files] == [root.hex()]
    data = files[0].read_bytes()
    assert len(data) == sealed.sealed_bytes(SIZE, 3)
    assert not any(bytes(blob[at : at + 8]) in data for at in range(0, SIZE, 8))
    stranger = members.opened("stranger", ReadingKeys((new_key()[0],)), confidential=True)
    with pytest.raises(BlobMissing, match="encrypted to others than this member"):
        stranger.get(root, SIZE)


def test_who_has_no_key_at_all_is_told_what_is_needed(members: Members) -> None:
    root, blob = blob_of(2)
    put(members.join("a"), root, blob)
    watcher = members.opened("watcher", None, visits=True)
    with pytest.raises(SealedForOthers, match=r"encrypted to the federation's members: a member's reading\.keys opens"):
        watcher.get(root, SIZE)
    helped = members.opened("auditor", ReadingKeys.read(members.folder / "a/reading.keys"), visits=True)
    assert helped.get(root, SIZE) == blob


def test_a_key_that_opens_nothing_is_mended_by_whoever_can_read(members: Members) -> None:
    a, b, c = (members.join(name) for name in "abc")
    root, blob = blob_of(3)
    a._envelope = Envelope(FEDERATION, a._envelope.keys, lambda: {"c": members.cards["c"]})  # leaves b out
    put(a, root, blob)
    assert not can_read(b, root, blob)
    assert c.get(root, SIZE) == blob
    assert not c.has(root), "so it gives it"
    put(c, root, blob)
    assert c.has(root)
    assert all(can_read(store, root, blob) for store in (a, b, c))


def test_who_comes_later_is_given_what_was_given_lately(members: Members) -> None:
    a = members.join("a")
    root, blob = blob_of(4)
    put(a, root, blob)
    b = members.join("b")
    assert not can_read(b, root, blob)
    a.tend()
    until(lambda: can_read(b, root, blob))


def test_who_has_lost_its_key_is_given_everything_anew_and_old_keys_open_what_is_old(members: Members) -> None:
    a, b = members.join("a"), members.join("b")
    root, blob = blob_of(5)
    put(a, root, blob)
    lost = members.join("b", "new.keys")
    assert not can_read(lost, root, blob)
    assert b.get(root, SIZE) == blob  # as long as it has the old one
    a.tend()
    until(lambda: can_read(lost, root, blob))
    assert not can_read(b, root, blob)
    with (members.folder / "b/new.keys").open("a") as text:
        text.write((members.folder / "b/reading.keys").read_text())
    both = members.opened("b", ReadingKeys.read(members.folder / "b/new.keys"), confidential=True)
    assert can_read(both, root, blob)


def test_a_wrong_key_on_a_card_keeps_nobody_else_from_reading(members: Members) -> None:
    a, b = members.join("a"), members.join("b")
    members.cards = {**members.cards, "liar": Card(key=bytes(32)), "none": Card(), "odd": Card(key=b"short")}
    root, blob = blob_of(6)
    put(a, root, blob)
    assert b.get(root, SIZE) == blob
    assert b.has(root), "nobody can help those"


def test_what_is_for_everybody_is_there_as_it_is(members: Members) -> None:
    a, b = members.join("a"), members.join("b")
    root, blob = blob_of(7)
    put(a, root, blob)
    a.publish(root, blob)
    assert FileStore(members.shared).get(root, SIZE) == blob
    assert b.get(root, SIZE) == blob
    assert members.opened("anybody", None, visits=True).get(root, SIZE) == blob
    members.join("c")
    a.tend()
    assert FileStore(members.shared).get(root, SIZE) == blob


def test_rubbish_is_missing_and_an_auditor_is_told(members: Members) -> None:
    a, b = members.join("a"), members.join("b")
    (root, blob), (_, other) = blob_of(8), blob_of(9)
    readers = a._envelope.readers()
    wrong = (
        a._envelope.seal(root, other, readers),  # opens, to something else
        a._envelope.seal(bytes(32), blob, readers),  # of another root
        memoryview(bytes(SIZE)),
        memoryview(b"short"),
        memoryview(bytes(SIZE + 500_000)),
    )
    auditor = members.opened("auditor", a._envelope.keys, visits=True)
    for data in wrong:
        SharedFolder(members.shared).lay(root, data)
        with pytest.raises(BlobMissing, match=f"^blob {root.hex()[:8]} is not to be had: "):
            b.get(root, SIZE)
    SharedFolder(members.shared).lay(root, wrong[0])
    with pytest.raises(BlobCorrupt, match="does not hash to its root"):
        auditor.get(root, SIZE)
    put(a, root, blob)
    assert b.get(root, SIZE) == blob


def test_it_opens_in_its_own_federation_only(members: Members) -> None:
    a = members.join("a")
    root, blob = blob_of(10)
    put(a, root, blob)
    elsewhere = SealedStore(SharedFolder(members.shared), Envelope("0x" + "aa" * 20, a._envelope.keys), a._disk)
    with pytest.raises(BlobMissing):
        elsewhere.get(root, SIZE)


def test_only_where_it_is_asked_for(members: Members) -> None:
    keys = ReadingKeys((new_key()[0],))
    plain = FilesOptions(path=str(members.shared)).open(members.site("a", keys))
    assert type(plain) is SharedFolder
    assert isinstance(
        FilesOptions(path=str(members.shared)).open(members.site("a", keys, confidential=True)), SealedStore
    )
