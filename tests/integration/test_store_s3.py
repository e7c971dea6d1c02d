"""S3Store over real HTTP: against moto's server, and against one that misbehaves in the ways that servers do."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from s3_server import Server

from rayfed.encoding import merkle
from rayfed.encoding.sealed import SealedForOthers, new_key
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store import Site
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.confidential.sealed_store import SealedStore
from rayfed.store.files import FileStore
from rayfed.store.s3 import connection
from rayfed.store.s3.bucket import S3Store
from rayfed.store.s3.options import S3Options

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3.client import S3Client

SIZE = 5 * 4096
PART = 2 * 4096
BUCKET = "blobs"
KEY_ID = "AKIAEXAMPLE"
SECRET = "a-very-secret-key"


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(moto: str) -> Iterator[S3Client]:
    client = boto3.session.Session(KEY_ID, SECRET).client("s3", endpoint_url=moto, region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def raw(client: S3Client) -> Iterator[S3Client]:
    """A plain client beside the store, and an empty bucket that keeps all versions, so that writes can be counted."""
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield client
    for version in client.list_object_versions(Bucket=BUCKET).get("Versions", []):
        client.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def store(moto: str, raw: S3Client) -> Iterator[S3Store]:
    store = S3Store(BUCKET, "runs/7/", moto, part_bytes=PART)
    yield store
    store.close()
    assert not connection._connections


def writes(raw: S3Client) -> int:
    return len(raw.list_object_versions(Bucket=BUCKET).get("Versions", []))


def test_a_blob_is_one_object_under_the_prefix(store: S3Store, raw: S3Client) -> None:
    root, data = blob_of(1)
    store.check()
    store.put(root, data)
    answer = raw.get_object(Bucket=BUCKET, Key=f"runs/7/{root.hex()}")
    assert answer["Body"].read() == data
    assert store.get(root, SIZE) == data


@pytest.mark.parametrize("size", [4096, PART, PART + 4096, 4 * PART, 9 * PART + 4096])
def test_ranges_come_together_whatever_the_size(store: S3Store, raw: S3Client, size: int) -> None:
    root, data = blob_of(size, size)
    store.put(root, data)
    view = store.get(root, size)
    assert view == data
    assert view.readonly


def test_writers_who_come_together_write_once(store: S3Store, raw: S3Client) -> None:
    root, data = blob_of(2)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: store.put(root, data), range(8)))
    store.put(root, data)
    assert writes(raw) == 1
    assert store.get(root, SIZE) == data


@pytest.mark.parametrize("size", [SIZE, 4096, 2 * SIZE])
def test_a_root_that_somebody_occupied_with_other_bytes_is_taken_back(store: S3Store, raw: S3Client, size: int) -> None:
    root, data = blob_of(3)
    raw.put_object(Bucket=BUCKET, Key=f"runs/7/{root.hex()}", Body=bytes(size))
    with pytest.raises(BlobCorrupt):
        store.get(root, SIZE)
    store.put(root, data)
    assert store.get(root, SIZE) == data


def test_a_blob_that_was_written_without_checksum_is_read_before_it_is_believed(store: S3Store, raw: S3Client) -> None:
    root, data = blob_of(4)
    raw.put_object(Bucket=BUCKET, Key=f"runs/7/{root.hex()}", Body=bytes(data))
    store.put(root, data)
    assert writes(raw) == 1


def test_nothing_there_is_missing(store: S3Store) -> None:
    root, _ = blob_of(5)
    assert not store.has(root)
    with pytest.raises(BlobMissing):
        store.get(root, SIZE)


def test_a_bucket_that_is_not_there_names_the_setting(moto: str) -> None:
    root, data = blob_of(6)
    store = S3Store("no-such-bucket", "", moto, attempts=1)
    for attempt in (store.check, lambda: store.get(root, SIZE), lambda: store.put(root, data)):
        with pytest.raises(StoreError, match=r"^store\.bucket: there is no bucket 'no-such-bucket'"):
            attempt()
    store.close()


def test_a_bucket_with_an_impossible_name_names_the_setting(moto: str) -> None:
    store = S3Store("no bucket?", "", moto, attempts=1)
    with pytest.raises(StoreError, match=r"^store\.bucket: "):
        store.check()
    store.close()


def test_an_endpoint_that_refuses_names_the_setting() -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        store = S3Store(BUCKET, "", url, attempts=1)
        root, data = blob_of(7)
        for attempt in (
            store.check,
            lambda: store.get(root, SIZE),
            lambda: store.put(root, data),
            lambda: store.has(root),
        ):
            with pytest.raises(StoreError, match=rf"^store\.endpoint_url: {url} does not answer"):
                attempt()
        store.close()


def test_no_credentials_says_where_they_are_looked_for(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store(BUCKET, "", moto, attempts=1)
    with pytest.raises(StoreError, match=r"^S3 credentials: none found; set AWS_ACCESS_KEY_ID"):
        store.check()
    store.close()


def test_stores_of_a_process_share_one_connection_until_the_last_closes(moto: str, raw: S3Client) -> None:
    one, two = S3Store(BUCKET, "one", moto), S3Store(BUCKET, "two", moto)
    assert one._client is two._client
    root, data = blob_of(8)
    two.close()
    two.close()
    one.put(root, data)
    one.close()
    assert not connection._connections
    assert one.get(root, SIZE) == data  # a store that was closed connects again
    one.close()


def test_its_options_open_it(moto: str, raw: S3Client, tmp_path: Path) -> None:
    options = S3Options(bucket=BUCKET, prefix="p", endpoint_url=moto, region="us-east-1")
    options.check()
    store = options.open(Site(FileStore(tmp_path), "0x"))
    root, data = blob_of(9)
    store.put(root, data)
    assert store.get(root, SIZE) == data
    store.close()


def test_a_confidential_bucket_shows_its_readers_nothing(moto: str, raw: S3Client, tmp_path: Path) -> None:
    federation, cards = "0x" + "fe" * 20, dict[str, Card]()
    options = S3Options(bucket=BUCKET, endpoint_url=moto, region="us-east-1")

    def opened(name: str, keys: ReadingKeys | None, **more: bool) -> SealedStore:
        envelope = Envelope(federation, keys, lambda: cards)
        store = options.open(Site(FileStore(tmp_path / name), federation, envelope=lambda: envelope, **more))
        assert isinstance(store, SealedStore)
        return store

    stores = [opened(name, ReadingKeys((new_key()[0],)), confidential=True) for name in "ab"]
    cards |= {name: store.card() for name, store in zip("ab", stores, strict=True)}
    root, data = blob_of(10)
    with pytest.raises(BlobMissing, match="is not in S3Store"):
        stores[1].get(root, SIZE)
    for store in stores:  # the second one's takes the first one's place
        store.put(root, data)
        assert all(one.get(root, SIZE) == data for one in stores)
        lies = raw.get_object(Bucket=BUCKET, Key=root.hex())["Body"].read()
        assert not any(bytes(data[at : at + 8]) in lies for at in range(0, SIZE, 8))
    auditor = opened("auditor", None, visits=True)
    with pytest.raises(SealedForOthers, match=r"a member's reading\.keys opens it"):
        auditor.get(root, SIZE)
    raw.put_object(Bucket=BUCKET, Key=root.hex(), Body=bytes(SIZE + (1 << 20)))
    with pytest.raises(BlobMissing, match="is not in S3Store"):  # too long to be looked at
        stores[0].get(root, SIZE)
    stores[0].publish(root, data)
    assert auditor.get(root, SIZE) == data
    for one in (*stores, auditor):
        one.close()


@pytest.fixture
def serve() -> Iterator[type[Server]]:
    running: list[Server] = []

    class Started(Server):
        def __init__(self, data: memoryview, habit: str, times: int = 1 << 30) -> None:
            super().__init__(data, habit, times)
            threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
            running.append(self)

    yield Started
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_busy_server_is_asked_again(serve: type[Server]) -> None:
    root, data = blob_of(10)
    server = serve(data, "busy", times=2)
    store = S3Store(BUCKET, "", server.url)
    assert store.get(root, SIZE) == data
    assert len(server.ranges) == 2 + 1
    store.close()


def test_a_broken_connection_goes_on_where_it_stopped(serve: type[Server]) -> None:
    root, data = blob_of(11, 8 << 20)
    server = serve(data, "cuts", times=2)
    store = S3Store(BUCKET, "", server.url, part_bytes=8 << 20)
    assert store.get(root, data.nbytes) == data
    starts = [int(asked.partition("=")[2].partition("-")[0]) for asked in server.ranges]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert len(starts) == 3
    assert starts[1] > 0
    store.close()


def test_a_server_that_never_finishes_an_answer_is_given_up(serve: type[Server]) -> None:
    root, data = blob_of(12)
    server = serve(data, "cuts")
    store = S3Store(BUCKET, "", server.url, attempts=2)
    with pytest.raises(StoreError, match=r"^store\.endpoint_url: "):
        store.get(root, SIZE)
    assert len(server.ranges) == 2
    store.close()


def test_a_server_without_ranges_sends_the_whole(serve: type[Server]) -> None:
    root, data = blob_of(13)
    server = serve(data, "whole")
    store = S3Store(BUCKET, "", server.url, part_bytes=PART)
    assert store.get(root, SIZE) == data
    assert len(server.ranges) == 1
    store.close()


def test_an_endless_object_is_refused_by_its_length_alone(serve: type[Server]) -> None:
    root, data = blob_of(14)
    server = serve(data, "endless")
    store = S3Store(BUCKET, "", server.url)
    with pytest.raises(BlobCorrupt, match=f"{1 << 50} bytes instead of {SIZE}"):
        store.get(root, SIZE)
    store.close()


def test_a_server_without_conditional_writes_is_written_to_anyway(serve: type[Server]) -> None:
    root, data = blob_of(15)
    server = serve(data, "unconditional")
    store = S3Store(BUCKET, "", server.url)
    store.put(root, data)
    assert server.stored == [(bytes(data), False)]
    store.close()


def test_a_write_that_met_another_is_tried_again(serve: type[Server]) -> None:
    root, data = blob_of(17)
    server = serve(data, "conflicts", times=2)
    store = S3Store(BUCKET, "", server.url)
    store.put(root, data)
    assert server.stored == [(bytes(data), True)]
    server.times = 1 << 30
    with pytest.raises(StoreError, match=r"^store\.bucket: others keep writing"):
        store.put(root, data)
    store.close()


def test_refusals_tell_no_secrets(serve: type[Server], caplog: pytest.LogCaptureFixture) -> None:
    root, data = blob_of(16)
    server = serve(data, "denies")
    store = S3Store(BUCKET, "", server.url, attempts=1)
    with caplog.at_level(logging.DEBUG, logger="rayfed"):
        for attempt in (
            store.check,
            lambda: store.get(root, SIZE),
            lambda: store.put(root, data),
            lambda: store.has(root),
        ):
            with pytest.raises(StoreError, match=r"^store\.bucket: .* refuses access .*AWS credentials") as caught:
                attempt()
            assert KEY_ID not in str(caught.value)
            assert SECRET not in str(caught.value)
    said = "".join(record.getMessage() for record in caplog.records if record.name.startswith("rayfed"))
    assert SECRET not in said + repr(store)
    assert KEY_ID not in said + repr(store)
    store.close()
