"""How long does 45 MB take from one party to another, by each store?

``python -m benchmarks.stores`` measures all stores in turn, repeat by repeat, so that whatever else the machine does
hits them alike. Every blob is new; every get hashes what it got. Parties have a process each where the store has one of
its own: two Kubo nodes, an S3 server, an actor of Ray.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import Figure, Unavailable, report
from rayfed.encoding import merkle
from rayfed.encoding.sealed import new_key
from rayfed.errors import StoreError
from rayfed.store import Site, Store, StoreOptions
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.files import FileStore
from rayfed.store.files.options import FilesOptions
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.s3.options import S3Options
from rayfed.store.several.options import SeveralOptions

SIZE = 11_000 * 4096
FEDERATION = "0x" + "fe" * 20
OWNER, READER = "0x" + "aa" * 20, "0x" + "bb" * 20
BUCKET = "blobs"
TARGET = 0.6
"""Seconds from peer to peer by IPFS, hashing and all."""


@dataclass
class Way:
    """One store between two parties: ``put`` and ``get`` take a root and its blob, and ``ready`` waits in between."""

    name: str
    put: Callable[[bytes, memoryview], object]
    get: Callable[[bytes], memoryview]
    ready: Callable[[], object] = lambda: None
    note: str = ""
    target: float | None = None
    puts: list[float] = field(default_factory=list)
    gets: list[float] = field(default_factory=list)
    both: list[float] = field(default_factory=list)

    def run(self, root: bytes, blob: memoryview) -> None:
        """Take the time of one blob."""
        begin = time.perf_counter()
        self.put(root, blob)
        put = time.perf_counter()
        self.ready()
        ready = time.perf_counter()
        got = self.get(root)
        end = time.perf_counter()
        if got != blob:
            raise AssertionError(f"{self.name} gave something else")
        self.puts.append(put - begin)
        self.gets.append(end - ready)
        self.both.append(end - begin)

    def figures(self) -> list[Figure]:
        """Return the lines of the table."""
        return [
            Figure(self.name, "s", self.both, self.note, self.target),
            Figure("  put", "s", self.puts),
            Figure("  get", "s", self.gets),
        ]


class Carrier:
    """A party of ``ray_peers`` in an actor: it makes the blob itself, as a node does."""

    def __init__(self, folder: str) -> None:
        from rayfed.store.ray.peers import RayPeers

        self.store = RayPeers(FileStore(folder), FEDERATION)

    def addresses(self) -> list[str]:
        """Say whom it carries."""
        return [OWNER]

    def blob(self, root: bytes) -> Any:
        """Answer a peer."""
        return self.store.server.blob(root)

    def put(self, seed: int) -> float:
        """Put the blob of a seed; return how many seconds that took."""
        root, blob = blob_of(seed)
        begin = time.perf_counter()
        self.store.put(root, blob)
        return time.perf_counter() - begin


def blob_of(seed: int) -> tuple[bytes, memoryview]:
    """Return (root, blob) of random bytes."""
    blob = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8).data
    return merkle.root(blob), blob


def pair(
    options: tuple[StoreOptions, StoreOptions], folder: Path, stack: ExitStack, changed: Callable[[Site], Site]
) -> tuple[Store, Store]:
    """Open a store for two parties."""
    stores = []
    for number, one in enumerate(options):
        folder.mkdir(exist_ok=True)
        stores.append(one.open(changed(Site(FileStore(folder / str(number)), FEDERATION))))
        stack.callback(stores[-1].close)
    return stores[0], stores[1]


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Options]:
    """Run moto's server with one bucket."""
    import boto3
    from botocore.exceptions import BotoCoreError

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    os.environ |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "moto.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as server:
        try:
            client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
            for left in reversed(range(100)):
                try:
                    client.create_bucket(Bucket=BUCKET)
                    break
                except BotoCoreError:
                    if not left:
                        raise
                    time.sleep(0.2)
            yield S3Options(bucket=BUCKET, endpoint_url=url, region="us-east-1")
        finally:
            server.terminate()


def bare_kubo(urls: tuple[str, str]) -> Way:
    """Return Kubo alone, without rayfed: what the store can reach at best."""
    from rayfed.store.ipfs.rpc import Kubo

    author, reader = Kubo(urls[0]), Kubo(urls[1])
    cids: dict[bytes, str] = {}

    def put(root: bytes, blob: memoryview) -> None:
        options: dict[str, Any] = {"cid_version": 1, "raw_leaves": True, "chunker": "size-1048576", "progress": False}
        cids[root] = author.value("Hash", "add", blob=blob, seconds=60, quieter=True, **options)

    return Way("Kubo alone", put, lambda root: reader.read(cids[root], SIZE, 60), note="add and cat, nothing is hashed")


def ray_way(folder: Path, stack: ExitStack) -> tuple[Way, Callable[[int], None]]:
    """Return ``ray_peers``, and what tells it the seed of the next blob."""
    import ray

    from rayfed.store.ray import directory
    from rayfed.store.ray.peers import RayPeers

    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=1 << 30)
    stack.callback(ray.shutdown)
    name, namespace = directory.host_name(0), directory.namespace(FEDERATION)
    actor = ray.remote(Carrier).options(name=name, namespace=namespace, max_concurrency=4, num_cpus=0)
    host = actor.remote(str(folder / "ray-author"))
    reader = RayPeers(FileStore(folder / "ray-reader"), FEDERATION)
    way = Way(
        "ray_peers",
        lambda root, blob: None,
        lambda root: reader.get(root, SIZE, [OWNER]),
        note="one machine: shared memory",
    )
    return way, put_elsewhere(way, lambda seed: ray.get(host.put.remote(seed)))


def put_elsewhere(way: Way, put: Callable[[int], float]) -> Callable[[int], None]:
    """Have a way's blobs made and put by another process; return what tells it the seed of the next one.

    Args:
        way: whose ``get`` is measured here.
        put: has the blob of a seed put; returns how many seconds that took.
    """
    seeds: list[int] = []

    def run(root: bytes, blob: memoryview) -> None:
        took = put(seeds[-1])
        begin = time.perf_counter()
        if way.get(root) != blob:
            raise AssertionError(f"{way.name} gave something else")
        get = time.perf_counter() - begin
        way.puts.append(took)
        way.gets.append(get)
        way.both.append(took + get)

    way.run = run  # type: ignore[method-assign]
    return seeds.append


def encrypted(site: Site) -> Site:
    """Return the same place for a member of eight, whose blobs are encrypted to all of them."""
    keys = [new_key() for _ in range(7)]
    cards = {str(number): Card(key=public) for number, (_, public) in enumerate(keys)}
    cards["own"] = Card(key=SHARED[1])
    envelope = Envelope(FEDERATION, ReadingKeys((SHARED[0],)), lambda: cards)
    return replace(site, cards=lambda: cards, envelope=lambda: envelope, confidential=True)


SHARED = new_key()
"""One member's, with which both parties read."""


def ways(folder: Path, stack: ExitStack) -> tuple[list[Way], Callable[[int], None]]:
    """Return all stores, running, and what has to be told the seed of the next blob."""
    from benchmarks import p2p_party
    from tests.integration.kubo import MISSING, find, running

    if find() is None:
        raise Unavailable(MISSING)
    for name in ("kubo-0", "kubo-1"):
        (folder / name).mkdir()
    nodes = [stack.enter_context(running(folder / name)) for name in ("kubo-0", "kubo-1")]
    nodes[1].knows(nodes[0])
    s3 = stack.enter_context(s3_server(folder))
    files = FilesOptions(path=str(folder / "shared"))
    secret = FilesOptions(path=str(folder / "secret"))
    ipfs = (IpfsOptions(rpc_url=nodes[0].url), IpfsOptions(rpc_url=nodes[1].url))
    found: list[Way] = []

    def add(
        name: str,
        options: tuple[StoreOptions, StoreOptions],
        changed: Callable[[Site], Site] = lambda site: site,
        **more: Any,
    ) -> None:
        author, reader = pair(options, folder / name.replace(" ", ""), stack, changed)
        ready = getattr(getattr(author, "_shelf", author), "announced", lambda seconds: None)
        found.append(Way(name, author.put, lambda root: reader.get(root, SIZE), lambda: ready(60), **more))

    add("files", (files, files), note="one folder on this disk")
    add("files, encrypted", (secret, secret), encrypted, note="to eight members")
    ray, seed = ray_way(folder, stack)
    p2p, seed_too = p2p_party.way(folder, stack)
    found.extend((ray, p2p))
    add("s3", (s3, s3), note="moto, a server written in Python, on this machine")
    found.append(bare_kubo((nodes[0].url, nodes[1].url)))
    add("ipfs", ipfs, note="two Kubo nodes on loopback; found by the root, hashed", target=TARGET)
    add("ipfs, encrypted", ipfs, encrypted, note="to eight members, as it is by default")
    both = tuple(SeveralOptions(["ipfs", "files"], parts=(one, files)) for one in ipfs)
    add("several", (both[0], both[1]), note="ipfs and files: put into both, then whichever is found first")

    def tell(number: int) -> None:
        seed(number)
        seed_too(number)

    return found, tell


def main(repeats: int = 9) -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            stores, tell = ways(Path(folder), stack)
        except StoreError as error:
            raise Unavailable(str(error)) from error
        for repeat in range(-1, repeats):
            for number, way in enumerate(stores):
                seed = 1000 * (repeat + 1) + number
                tell(seed)
                way.run(*blob_of(seed))
                if repeat < 0:  # to warm up
                    way.puts.clear(), way.gets.clear(), way.both.clear()
        figures = [figure for way in stores for figure in way.figures()]
    load = f"load of the machine at the end, other work included: {os.getloadavg()[0]:.1f}"
    question = "how long does a blob of 45 MB take from one party to another, by each store"
    report(
        "stores",
        question,
        figures,
        ("numpy", "ray", "boto3", "moto", "iroh", "cryptography"),
        {"bytes": SIZE, "load": load},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    main(parser.parse_args().repeats)
