"""What every store promises, whatever it is made of: whole blobs under their own roots, or a clear error."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import numpy as np
import pytest
import ray
from moto.server import ThreadedMotoServer

import rayfed
from rayfed.encoding import merkle
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.runtime.ray_start import patient
from rayfed.store import Site, Store
from rayfed.store.files import FileStore
from rayfed.store.files.options import FilesOptions
from rayfed.store.ray import directory
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.ray.peers import RayPeers
from rayfed.store.s3.options import S3Options

SIZE = 300 * 4096
FEDERATION = "0x" + "Fe" * 20
PEER = "0x" + "aB" * 20
BUCKET = "blobs"


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


class Place(Protocol):
    """A store, and a back door to it through which somebody lays whatever they like under a root."""

    store: Store
    holders: Sequence[str]

    def plant(self, root: bytes, found: bytes) -> None: ...


@dataclass
class Folder:
    path: Path
    own: FileStore
    holders: Sequence[str] = ()
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = FilesOptions(path=str(self.path)).open(Site(self.own, FEDERATION))

    def plant(self, root: bytes, found: bytes) -> None:
        file = FileStore(self.path).file(root)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(found)


@dataclass
class OwnDisk(Folder):
    def __post_init__(self) -> None:
        self.store = FileStore(self.path)


@dataclass
class Bucket:
    client: Any
    store: Store
    holders: Sequence[str] = ()

    def plant(self, root: bytes, found: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"prefix/{root.hex()}", Body=found)


@dataclass
class Peer:
    host: Any
    store: Store
    holders: Sequence[str] = (PEER,)

    def plant(self, root: bytes, found: bytes) -> None:
        ray.get(self.host.plant.remote(root, found))


class Host:
    """An actor that serves whatever lies on its disk under a root, right or not."""

    def __init__(self, disk: str) -> None:
        self.store = RayPeers(FileStore(disk), FEDERATION)

    def addresses(self) -> list[str]:
        return [PEER]

    def blob(self, root: bytes) -> object:
        return self.store.server.blob(root)

    def plant(self, root: bytes, found: bytes) -> None:
        file = self.store.local.file(root)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(found)
        self.store.server.drop(root)
        self.store.server.offer(root)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.delenv("AWS_PROFILE", raising=False)
        url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        client = boto3.session.Session().client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client
        client.close()
    server.stop()


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(rayfed.__path__[0]).parent), prepend=os.pathsep)
        with patient():
            ray.init(
                address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=256 << 20
            )
        options = {"name": directory.host_name(0), "namespace": directory.namespace(FEDERATION)}
        host = ray.remote(Host).options(num_cpus=0, max_concurrency=4, **options)
        yield host.remote(str(tmp_path_factory.mktemp("peer")))
        ray.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(params=["files", "own disk", "s3", "ray_peers"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    own = FileStore(tmp_path / "own")
    found: Place
    match request.param:
        case "files":
            found = Folder(tmp_path / "shared", own)
        case "own disk":
            found = OwnDisk(tmp_path / "disk", own)
        case "s3":
            client = request.getfixturevalue("bucket")
            url = client.meta.endpoint_url
            found = Bucket(
                client, S3Options(bucket=BUCKET, prefix="prefix", endpoint_url=url).open(Site(own, FEDERATION))
            )
        case _:
            found = Peer(request.getfixturevalue("peer"), RayPeersOptions().open(Site(own, FEDERATION)))
    yield found
    found.store.close()


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> tuple[bytes, memoryview]:
    """A blob that no other test uses, since some places outlive a test."""
    return blob_of(zlib.crc32(request.node.nodeid.encode()))


def test_what_is_put_is_there_and_read_only(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    assert not place.store.has(root)
    place.store.put(root, data)
    assert place.store.has(root)
    view = place.store.get(root, SIZE, place.holders)
    assert view == data
    assert view.readonly
    assert view.nbytes == SIZE


def test_putting_twice_is_no_error(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    for _ in range(2):
        place.store.put(root, data)
        assert place.store.get(root, SIZE, place.holders) == data


def test_what_another_party_put_is_found(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    place.plant(root, bytes(data))
    assert place.store.get(root, SIZE, place.holders) == data


def test_what_nobody_put_is_missing(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, _ = fresh
    assert not place.store.has(root)
    with pytest.raises(BlobMissing):
        place.store.get(root, SIZE, place.holders)


@pytest.mark.parametrize("at", [0, 4095, 4096, SIZE // 2 + 1, SIZE - 1])
def test_one_changed_bit_is_corrupt(place: Place, fresh: tuple[bytes, memoryview], at: int) -> None:
    root, data = fresh
    changed = bytearray(data)
    changed[at] ^= 1
    place.plant(root, bytes(changed))
    with pytest.raises(BlobCorrupt, match="does not hash"):
        place.store.get(root, SIZE, place.holders)


@pytest.mark.parametrize("length", [1, 4096, SIZE - 4096, SIZE - 1, SIZE + 1, SIZE + 4096, 40 * SIZE])
def test_another_length_is_corrupt(place: Place, fresh: tuple[bytes, memoryview], length: int) -> None:
    root, data = fresh
    place.plant(root, (bytes(data) * (length // SIZE + 1))[:length])
    with pytest.raises(BlobCorrupt, match=f"{length} bytes instead of {SIZE}"):
        place.store.get(root, SIZE, place.holders)


def test_nothing_at_all_is_an_error(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, _ = fresh
    place.plant(root, b"")
    with pytest.raises((BlobCorrupt, BlobMissing)):
        place.store.get(root, SIZE, place.holders)


def test_another_blob_under_this_root_is_corrupt(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    other, more = blob_of(1)
    place.plant(root, bytes(more))
    place.plant(other, bytes(data))
    for wanted in (root, other):
        with pytest.raises(BlobCorrupt):
            place.store.get(wanted, SIZE, place.holders)


def test_a_damaged_blob_is_good_again_once_somebody_puts_it(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    for damage in (bytes(SIZE), bytes(4096)):
        place.plant(root, damage)
        with pytest.raises(BlobCorrupt):
            place.store.get(root, SIZE, place.holders)
        place.store.put(root, data)
        assert place.store.get(root, SIZE, place.holders) == data
        if isinstance(place, Peer):  # its put mends the own disk, not the peer's
            break


def test_many_may_put_and_get_at_once(place: Place, fresh: tuple[bytes, memoryview]) -> None:
    root, data = fresh
    others = [blob_of(seed) for seed in range(2, 6)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda blob: place.store.put(*blob), [(root, data)] * 8 + others))
        views = list(
            threads.map(lambda blob: place.store.get(blob[0], SIZE, place.holders), [(root, data), *others] * 2)
        )
    for view, (_, wanted) in zip(views, [(root, data), *others] * 2, strict=True):
        assert view == wanted
