"""RayPeers on a real local Ray: who serves, who is asked, what is shared, and what a dead or lying host does."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import ray_hosts
from ray_hosts import ANSWERS, SIZE, TREE, Crank, Federation, Liar, address, blob_of

from rayfed.errors import BlobMissing
from rayfed.runtime.ray_start import patient
from rayfed.store import Site
from rayfed.store.files import FileStore
from rayfed.store.ray import directory
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.ray.peers import RayPeers


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.cloudpickle.register_pickle_by_value(ray_hosts)  # workers cannot import it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", TREE, prepend=os.pathsep)
        with patient():
            ray.init(
                address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=512 << 20
            )
        yield
        ray.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(ray_hosts)


numbers = itertools.count(1)

NEVER = "nothing for an hour"
"""The answer of ``ANSWERS`` that does not come."""

LONG = 120.0
"""Seconds that no test waits for."""


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    """A federation for a test that kills hosts or starts its own."""
    federation = Federation(next(numbers), tmp_path)
    yield federation
    for host in federation.hosts:
        ray.kill(host)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A federation of three hosts for all tests that leave them alive, because starting one takes a second."""
    federation = Federation(next(numbers), tmp_path_factory.mktemp("trio"))
    for number in range(3):
        federation.start(number)
    yield federation
    for host in federation.hosts:
        ray.kill(host)


def wait_until_dead(host: Any) -> None:
    while True:
        try:
            ray.get(host.addresses.remote(), timeout=30)
        except ray.exceptions.RayActorError:
            return
        except ray.exceptions.GetTimeoutError:
            continue


def test_only_what_was_offered_is_served(trio: Federation) -> None:
    root, data = blob_of(1)
    host, store = trio.hosts[0], trio.reader()
    ray.get(host.keep.remote(root, bytes(data)))
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, [address(0)])
    ray.get(host.offer.remote(root))
    assert store.get(root, SIZE, [address(0)]) == data
    assert not store.has(root)  # what was fetched is not kept; that is the node's decision
    ray.get(host.drop.remote(root))
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, [address(0)])


def test_what_was_offered_long_ago_is_served_and_not_kept_in_memory(trio: Federation) -> None:
    """What a round rests on may be asked for as long as the round can be challenged."""
    blobs = [blob_of(seed) for seed in range(10, 16)]
    host, store = trio.hosts[0], trio.reader()
    for root, data in blobs:
        ray.get(host.put.remote(root, bytes(data)))
    for root, data in [*blobs, blobs[0]]:
        assert store.get(root, SIZE, [address(0)]) == data
    assert ray.get(host.in_memory.remote()) == 4


def test_what_everybody_may_see_is_served_after_a_restart_without_being_published(trio: Federation) -> None:
    (mine, data), (other, _) = blob_of(20), blob_of(21)
    host, store = trio.hosts[0], trio.reader()
    ray.get(host.keep.remote(mine, bytes(data)))
    ray.get(host.reveal.remote([mine, other]))
    assert store.get(mine, SIZE, [address(0)]) == data
    with pytest.raises(BlobMissing):
        store.get(other, SIZE, [address(0)])


def mapping_of(view: memoryview) -> str:
    """Return the line of /proc/self/maps that tells whose memory a view lies in."""
    at = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
        if first <= at < last:
            return line
    raise AssertionError("no such memory")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose memory it is")
def test_a_peer_s_blob_is_ray_s_shared_memory_put_there_once(trio: Federation) -> None:
    root, data = blob_of(2)
    host, store = trio.hosts[0], trio.reader()
    ray.get(host.put.remote(root, bytes(data)))
    first, second = store.get(root, SIZE, [address(0)]), store.get(root, SIZE, [address(0)])
    assert first.readonly
    assert "plasma" in mapping_of(first)
    assert mapping_of(second) == mapping_of(first)
    assert np.shares_memory(np.frombuffer(first, np.uint8), np.frombuffer(second, np.uint8))


def test_a_view_outlives_the_offer_the_host_and_the_pressure_for_room(federation: Federation) -> None:
    root, data = blob_of(3)
    host, store = federation.start(0), federation.reader()
    ray.get(host.put.remote(root, bytes(data)))
    view = store.get(root, SIZE, [address(0)])
    ray.get(host.drop.remote(root))
    ray.kill(host)
    wait_until_dead(host)
    gc.collect()
    for _ in range(12):  # 768 MB through 512 MB
        ray.put(np.ones(64 << 20, np.uint8))
    assert view == data


def test_the_next_holder_is_asked_when_one_is_dead(federation: Federation) -> None:
    root, data = blob_of(4)
    hosts = [federation.start(number) for number in range(3)]
    store = federation.reader()
    for host in hosts:
        ray.get(host.put.remote(root, bytes(data)))
    everybody = [address(number) for number in range(3)]
    assert store.get(root, SIZE, everybody) == data
    for host in hosts[:2]:
        ray.kill(host)
        wait_until_dead(host)
    for _ in range(3):  # whoever is first in turn
        assert store.get(root, SIZE, everybody) == data
    ray.kill(hosts[2])
    wait_until_dead(hosts[2])
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, everybody)


def test_a_host_that_was_restarted_serves_what_it_offers_again(federation: Federation) -> None:
    root, data = blob_of(5)
    host, store = federation.start(0, restarts=-1), federation.reader()
    ray.get(host.put.remote(root, bytes(data)))
    assert store.get(root, SIZE, [address(0)]) == data
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(host.die.remote())
    while True:  # Ray brings it back with the same disk
        try:
            ray.get(host.offer.remote(root), timeout=60)
            break
        except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
            continue
    assert store.get(root, SIZE, [address(0)]) == data


def test_a_host_that_was_started_anew_under_its_name_is_found(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "REFRESH_SECONDS", 0.0)
    root, data = blob_of(6)
    old, store = federation.start(0), federation.reader()
    ray.get(old.put.remote(root, bytes(data)))
    assert store.get(root, SIZE, [address(0)]) == data
    ray.kill(old)
    wait_until_dead(old)
    new = federation.start(0)
    ray.get(new.offer.remote(root))
    with pytest.raises(BlobMissing):  # finds out that the old one is dead
        store.get(root, SIZE, [address(0)])
    assert store.get(root, SIZE, [address(0)]) == data


def test_members_that_come_later_are_found(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "REFRESH_SECONDS", 0.0)
    root, data = blob_of(7)
    host, store = federation.start(0), federation.reader()
    ray.get(host.put.remote(root, bytes(data)))
    late = [address(8)]
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, late)
    ray.get(host.carry.remote([address(0), address(8).lower()]))
    assert store.get(root, SIZE, late) == data
    another, more = blob_of(8)
    ray.get(federation.start(1).put.remote(another, bytes(more)))
    assert store.get(another, SIZE, [address(1)]) == more


def test_a_host_with_several_holders_is_asked_once(federation: Federation) -> None:
    root, _ = blob_of(9)
    host, store = federation.start(0, carries=[address(0), address(1)]), federation.reader()
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, [address(0), address(1)])
    assert ray.get(host.times_asked.remote()) == 1


def test_holders_take_turns(trio: Federation) -> None:
    root, data = blob_of(10)
    hosts, store = trio.hosts, trio.reader()
    for host in hosts:
        ray.get(host.put.remote(root, bytes(data)))
    before = ray.get([host.times_asked.remote() for host in hosts])
    for _ in range(6):
        store.get(root, SIZE, [address(number) for number in range(3)])
    after = ray.get([host.times_asked.remote() for host in hosts])
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 2, 2]


def test_nobody_named_means_everybody_is_asked(trio: Federation) -> None:
    root, data = blob_of(11)
    hosts, store = trio.hosts, trio.reader()
    ray.get(hosts[2].put.remote(root, bytes(data)))
    assert store.get(root, SIZE) == data


def test_hosts_fetch_from_each_other_at_the_same_time(trio: Federation) -> None:
    blobs = [blob_of(20 + number) for number in range(3)]
    hosts = trio.hosts
    for host, (root, data) in zip(hosts, blobs, strict=True):
        ray.get(host.put.remote(root, bytes(data)))
    fetches = [
        host.fetch.remote(root, SIZE, [address(holder)]) for host in hosts for holder, (root, _) in enumerate(blobs)
    ]
    answers = ray.get(fetches)
    assert [head for _, head in answers] == [bytes(data[:8]) for _ in hosts for _, data in blobs]
    assert len({pid for pid, _ in answers}) == 3


def test_federations_do_not_see_each_other(trio: Federation, tmp_path: Path) -> None:
    root, data = blob_of(12)
    ray.get(trio.hosts[0].put.remote(root, bytes(data)))
    stranger = RayPeers(FileStore(tmp_path / "stranger"), "0x" + "9" * 40)
    with pytest.raises(BlobMissing):
        stranger.get(root, SIZE, [address(0)])
    assert trio.reader().get(root, SIZE, [address(0)]) == data


@pytest.fixture(scope="module")
def liar(trio: Federation) -> Any:
    return trio.add(3, Liar, address(3))


@pytest.mark.parametrize("answer", ANSWERS)
def test_nonsense_is_a_verdict_and_the_next_holder_is_asked(trio: Federation, liar: Any, answer: str) -> None:
    root, data = blob_of(13)
    ray.get([liar.say.remote(answer), trio.hosts[0].put.remote(root, bytes(data))])
    seconds = 10.0 if answer == NEVER else LONG  # who answers with nonsense does answer
    store = trio.reader(answer_seconds=seconds, transfer_seconds=LONG)
    with pytest.raises(ANSWERS[answer][1]):
        store.get(root, SIZE, [address(3)])
    for _ in range(2):
        assert store.get(root, SIZE, [address(3), address(0)]) == data


def test_hosts_that_say_nonsense_of_whom_they_carry_harm_nobody(federation: Federation) -> None:
    root, data = blob_of(14)
    ray.get(federation.start(9).put.remote(root, bytes(data)))
    for number, says in enumerate(["nonsense", [1, None], {"0x": 1}, None, "hangs", "raises"]):
        federation.add(number, Crank, says)
    store = federation.reader(answer_seconds=20.0)
    assert store.get(root, SIZE, [address(9)]) == data
    with pytest.raises(BlobMissing):
        store.get(root, SIZE, [address(0)])
    assert store.get(root, SIZE, [address(0), address(9)]) == data


def test_an_own_disk_that_rotted_is_made_good_by_the_peers(trio: Federation) -> None:
    root, data = blob_of(14)
    ray.get(trio.hosts[0].put.remote(root, bytes(data)))
    store = trio.reader("rotten")
    store.put(root, memoryview(bytes(SIZE)))
    assert store.get(root, SIZE, [address(0)]) == data
    store.put(root, data)
    assert store.local.get(root, SIZE) == data


def test_its_options_open_it(trio: Federation, tmp_path: Path) -> None:
    root, data = blob_of(15)
    ray.get(trio.hosts[0].put.remote(root, bytes(data)))
    store = RayPeersOptions().open(Site(FileStore(tmp_path / "own"), trio.address))
    assert isinstance(store, RayPeers)
    assert store.get(root, SIZE, [address(0)]) == data
    store.close()


OUTSIDE = """
import ray, sys
from rayfed.errors import StoreError
from rayfed.store.files import FileStore
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.ray.peers import RayPeers
try:
    RayPeers(FileStore(sys.argv[1]), "0x" + "1" * 40).get(bytes(32), 4096)
except StoreError as error:
    print(error, ray.is_initialized())
"""


def test_outside_a_cluster_it_says_so_and_starts_none(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", OUTSIDE, str(tmp_path)], capture_output=True, text=True, cwd=TREE, check=True
    )
    assert run.stdout == "store.kind: ray_peers works inside a Ray cluster only; use files or s3 here False\n"
