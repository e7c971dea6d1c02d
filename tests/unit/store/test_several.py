"""Several stores as one: real folders, some of which fail, hang or lie."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rayfed.config import load
from rayfed.encoding import merkle
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError, StoreError
from rayfed.store import KINDS, Serves, Site, options_of, split, visit
from rayfed.store.card import Card
from rayfed.store.files import FileStore
from rayfed.store.files.options import FilesOptions
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.s3.options import S3Options
from rayfed.store.several.options import SeveralOptions
from rayfed.store.several.stores import FIRST_REST, IN_VAIN, SeveralStores

SIZE = 2 * 4096
PEER = "12D3KooWRauqhd5XvZgrMZ9JCqynWhaRh9HDSXwC7UNiEo86SE6e"
FEDERATION = "0x" + "fe" * 20


def blob_of(seed: int) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8).data
    return merkle.root(data), data


class Folder(FileStore):
    """A folder that can be away, or behind a gate; counts what it is asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.gate.set()
        self.away = False
        self.asked = 0

    def _pass(self) -> None:
        self.asked += 1
        self.gate.wait(600)
        if self.away:
            raise StoreError(f"store.path: {self.path.name} is away")

    def put(self, root: bytes, blob: memoryview) -> None:
        self._pass()
        super().put(root, blob)

    def get(self, root: bytes, size: int, holders: Sequence[str] = ()) -> memoryview:
        self._pass()
        return super().get(root, size, holders)

    def has(self, root: bytes) -> bool:
        self._pass()
        return super().has(root)


class Bench:
    """Two folders in order, and a node's own disk."""

    def __init__(self, path: Path, hedge_seconds: float = 60.0) -> None:
        self.first, self.second, self.disk = Folder(path / "first"), Folder(path / "second"), FileStore(path / "disk")
        self.both = SeveralStores([("first", self.first), ("second", self.second)], self.disk, hedge_seconds)

    def put(self, seed: int) -> tuple[bytes, memoryview]:
        root, blob = blob_of(seed)
        self.disk.put(root, blob)
        self.both.put(root, blob)
        return root, blob


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.both.close()


def eventually(condition: object) -> None:
    until = time.monotonic() + 200
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.01)


def test_all_keep_it_and_the_first_gives_it(bench: Bench) -> None:
    root, blob = bench.put(1)
    assert FileStore.has(bench.first, root)
    assert FileStore.has(bench.second, root)
    asked = bench.second.asked
    assert bench.both.get(root, SIZE) == blob
    assert bench.second.asked == asked
    assert bench.both.has(root)
    assert not bench.both.faults


def test_what_the_first_lacks_the_next_has(bench: Bench) -> None:
    root, blob = bench.put(2)
    bench.first.file(root).unlink()
    assert bench.both.get(root, SIZE) == blob
    assert bench.both.has(root)
    assert not bench.both.faults  # to lack something is no fault
    missing, _ = blob_of(3)
    assert not bench.both.has(missing)
    with pytest.raises(BlobMissing, match=r"no store has blob .*first; .*second"):
        bench.both.get(missing, SIZE)


def test_what_lies_is_counted_and_passed_over(bench: Bench) -> None:
    root, blob = bench.put(4)
    bench.first.file(root).write_bytes(bytes(SIZE))
    assert bench.both.get(root, SIZE) == blob
    assert bench.both.faults == {"first": 1}
    bench.second.file(root).write_bytes(bytes(SIZE))
    with pytest.raises(BlobCorrupt, match=r"first does not hash to its root; .*second does not hash"):
        bench.both.get(root, SIZE)
    bench.second.file(root).unlink()
    with pytest.raises(BlobMissing):  # the second may still get it
        bench.both.get(root, SIZE)


def test_one_that_is_away_is_spared_and_given_later_what_it_missed(bench: Bench) -> None:
    for part in bench.both._parts:
        part.rest = 0.2
    bench.first.away = True
    root, blob = bench.put(5)
    assert bench.both.faults["first"] >= 1  # so short a rest may be over, and it is asked again
    assert bench.both.get(root, SIZE) == blob
    update = blob[: SIZE // 4]  # which may be smaller than a model
    bench.disk.put(merkle.root(update), update)
    bench.both.put(merkle.root(update), update)
    bench.first.away = False
    for one in (root, merkle.root(update)):
        eventually(lambda one=one: FileStore.has(bench.first, one))
    eventually(lambda: not bench.both._parts[0].owed)


def test_one_that_rests_is_asked_last(bench: Bench) -> None:
    root, blob = bench.put(6)
    bench.first.away = True
    assert bench.both.get(root, SIZE) == blob
    asked = bench.first.asked
    assert bench.both.get(root, SIZE) == blob
    assert bench.both.has(root)
    assert bench.first.asked == asked
    bench.second.file(root).unlink()
    bench.first.away = False
    assert bench.both.get(root, SIZE) == blob  # though it rests


def test_none_of_them_works(bench: Bench) -> None:
    bench.first.away = bench.second.away = True
    root, blob = blob_of(7)
    for call in (
        lambda: bench.both.put(root, blob),
        lambda: bench.both.get(root, SIZE),
        lambda: bench.both.has(root),
    ):
        with pytest.raises(StoreError, match=r"(first is away|second is away)"):
            call()
    bench.second.away = False
    with pytest.raises(BlobMissing, match="is away"):  # the one that is away may have it
        bench.both.get(root, SIZE)


def test_one_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, hedge_seconds=0.05)
    bench.first.gate.clear()
    root, blob = bench.put(8)
    assert bench.both.get(root, SIZE) == blob
    bench.first.gate.set()
    eventually(lambda: FileStore.has(bench.first, root))
    bench.both.close()


def test_one_that_never_has_it_is_waited_for_a_few_times_and_then_not(bench: Bench) -> None:
    """Peers that have gone, say: each blob would cost all the time that they may take."""
    bench.second.put(*blob_of(20))
    (root, blob), hedge = blob_of(20), bench.both._hedge_seconds
    bench.both._hedge_seconds = 0.01
    bench.first.gate.clear()
    for _ in range(IN_VAIN):
        assert bench.both.get(root, SIZE) == blob
    bench.both._hedge_seconds = hedge  # a minute
    assert bench.both.get(root, SIZE) == blob
    assert bench.second.asked == 1 + IN_VAIN + 1
    bench.first.gate.set()
    bench.first.put(root, blob)
    bench.second.gate.clear()
    assert bench.both.get(root, SIZE) == blob, "it is asked all the same, and has it now"
    bench.second.gate.set()
    assert bench.both._parts[0].in_vain == 0


def test_a_long_outage_is_one_fault_and_costs_one_thread(bench: Bench) -> None:
    part = bench.both._parts[0]
    part.rest = 10 * FIRST_REST  # or all of this might last for longer
    bench.first.away = True
    before = threading.active_count()
    for seed in range(30, 60):
        bench.put(seed)
        assert not bench.both.has(blob_of(99)[0])
    assert bench.both.faults["first"] > 1 or part.rests_until > time.monotonic()
    assert part.rest == 20 * FIRST_REST, "the next pause is no longer for what failed meanwhile"
    assert threading.active_count() <= before + 1
    assert len(part.owed) == 30


class Kiosk(Folder):
    """A folder that has a card, and can be open to all."""

    said = Card(ipfs=PEER)

    def card(self) -> Card:
        self._pass()
        return self.said

    def tend(self) -> None:
        pass

    def publish(self, root: bytes, blob: memoryview) -> None:
        self.put(root, blob)


def test_a_store_that_is_away_stays_on_the_card_and_owes_what_is_for_all(tmp_path: Path) -> None:
    first, second, disk = Kiosk(tmp_path / "a"), Kiosk(tmp_path / "b"), FileStore(tmp_path / "disk")
    second.said = Card(endpoint=bytes(range(32)))
    both = SeveralStores([("first", first), ("second", second)], disk, 60.0)
    whole = Card(ipfs=PEER, endpoint=bytes(range(32)))
    assert both.card() == whole
    first.away = True
    assert [both.card() for _ in range(3)] == [whole] * 3
    root, blob = blob_of(21)
    with pytest.raises(StoreError, match="a is away"):
        both.publish(root, blob)
    assert FileStore.has(second, root)
    first.away = False
    both.publish(root, blob)
    assert FileStore.has(first, root)
    both.close()


def test_a_fault_of_the_program_is_not_swallowed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    root, blob = bench.put(9)
    monkeypatch.setattr(bench.first, "put", broken)
    with pytest.raises(ZeroDivisionError):
        bench.both.put(root, blob)
    monkeypatch.setattr(bench.first, "get", broken)
    monkeypatch.setattr(bench.second, "get", broken)
    with pytest.raises(ZeroDivisionError):
        bench.both.get(root, SIZE)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["store.order=[]"], "store.order: store=several needs the kinds"),
        (["store.order=[files,files]"], "store.order: [files, files] names a store twice"),
        (["store.order=[files,floppy]"], "store.order: there is no store 'floppy'"),
        (["store.order=[several,files]"], "store.order: several cannot be one of several"),
        (["store.order=[s3,files]", "store.path=x"], "store.bucket: store=s3 needs the name of a bucket"),
        (["store.order=[ipfs]", "store.rpc_url=x"], "store.rpc_url: 'x' does not begin"),
        (["store.order=[ipfs]", "store.hedge_seconds=-1"], "store.hedge_seconds: "),
    ],
)
def test_an_order_that_cannot_be_is_named(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(["store=several", *words])
    assert str(caught.value).startswith(complaint)


def test_each_kind_is_told_its_own(tmp_path: Path) -> None:
    words = ["store=several", "store.order=[ipfs,s3,files]", "store.bucket=b", f"store.path={tmp_path}/f"]
    options = options_of(load(words).store)
    assert isinstance(options, SeveralOptions)
    assert options.parts == (IpfsOptions(), S3Options(bucket="b"), FilesOptions(path=f"{tmp_path}/f"))
    assert not options.serves
    assert not options.within_cluster


def test_ray_peers_serve_within_several_too(tmp_path: Path) -> None:
    words = ["store=several", "store.order=[ray_peers,files]", f"store.path={tmp_path}/f"]
    options = options_of(load(words).store)
    assert options.serves
    assert not options.within_cluster
    store = options.open(Site(FileStore(tmp_path / "disk"), FEDERATION))
    assert isinstance(store, Serves)
    root, blob = blob_of(10)
    store.put(root, blob)  # type: ignore[attr-defined]
    assert root in store.server._offered  # type: ignore[attr-defined]
    alone = options_of(load(["store=several", "store.order=[ray_peers]"]).store)
    assert alone.within_cluster


@pytest.mark.parametrize(
    "parts",
    [
        (FilesOptions(path="/a,b%2C/c"), RayPeersOptions()),
        (
            IpfsOptions(peers=[PEER]),
            S3Options(bucket="b", prefix="p,q"),
        ),
    ],
)
def test_a_uri_holds_all_of_them(parts: tuple[FilesOptions, ...]) -> None:
    kinds = [next(kind for kind, cls in KINDS.items() if cls is type(one)) for one in parts]
    options = SeveralOptions(kinds, parts=parts)
    kind, cls, rest = split(options.uri, "--store")
    assert (kind, cls) == ("several", SeveralOptions)
    assert cls.from_uri(rest) == options
    with pytest.raises(ConfigError, match="several cannot be one of several"):
        cls.from_uri("several:files:/a")


def test_an_auditor_visits_all_of_them(tmp_path: Path) -> None:
    root, blob = blob_of(11)
    FileStore(tmp_path / "b").put(root, blob)
    with visit(f"several:files:{tmp_path}/a,files:{tmp_path}/b", Site(FileStore(tmp_path / "disk"), "")) as store:
        assert store.get(root, SIZE) == blob
    shutil.rmtree(tmp_path / "b")
    assert os.path.isdir(tmp_path / "a")
