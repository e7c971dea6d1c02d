"""IpfsStore over real Kubo nodes, each a party's: they share nothing but the federation's address."""

from __future__ import annotations

import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from kubo import Node, running

from rayfed.audit.places import opened
from rayfed.config import Settings, load
from rayfed.encoding import merkle
from rayfed.errors import BlobMissing, ConfigError, StoreError
from rayfed.ledger.backend import Locator
from rayfed.node.edge_node import Progress
from rayfed.node.herald import Herald
from rayfed.protocol.messages import NodeRecord, Phase, Status
from rayfed.runtime import drafting
from rayfed.runtime.assembly import Assembly
from rayfed.runtime.place import Place
from rayfed.store import Site, options_of, visit
from rayfed.store.card import Card
from rayfed.store.files import FileStore
from rayfed.store.ipfs import peers
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.ipfs.peers import meeting_block, meeting_cid
from rayfed.store.ipfs.rpc import KuboComplaint
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger

SIZE = 600 * 4096  # three blocks of IPFS

PATIENCE = 200.0
"""Seconds for what must happen; only a test that fails ever waits so long."""


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYFED_IPFS_AUTH", raising=False)
    monkeypatch.setattr(peers, "AGAIN_SECONDS", 0.0)  # who was not there a moment ago may be there now
    monkeypatch.setattr(peers, "FIND_SECONDS", 30.0)  # these tests ask once where a node asks again


@pytest.fixture(scope="module")
def kubos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(tmp_path_factory.mktemp(f"kubo{number}"))) for number in range(3)]
        nodes[1].knows(nodes[0])
        nodes[2].knows(nodes[1])
        nodes[2].knows(nodes[0])
        yield nodes


@pytest.fixture
def federation() -> str:
    return f"0x{secrets.token_hex(20)}"


class Party:
    """A node with a disk of its own, at some Kubo."""

    def __init__(self, kubo: Node, federation: str, disk: Path, **options: object) -> None:
        self.disk = FileStore(disk)
        self.site = Site(self.disk, federation)
        self.store = IpfsOptions(rpc_url=kubo.url, **options).open(self.site)  # type: ignore[arg-type]

    def put(self, root: bytes, blob: memoryview) -> None:
        """Put what lies on the own disk, as nodes do, and have it known."""
        self.disk.put(root, blob)
        self.store.put(root, blob)
        assert self.store.announced(PATIENCE)


@pytest.fixture
def party(federation: str, tmp_path: Path) -> Iterator[object]:
    with ExitStack() as stack:

        def make(kubo: Node, name: str, **options: object) -> Party:
            made = Party(kubo, federation, tmp_path / name, **options)
            stack.callback(made.store.close)
            return made

        yield make


def test_a_blob_is_found_from_federation_and_root_alone(kubos, party) -> None:
    author, reader = party(kubos[0], "author"), party(kubos[1], "reader")
    root, blob = blob_of(1)
    with pytest.raises(BlobMissing, match=r"no party that Kubo at .* knows of has blob"):
        reader.store.get(root, SIZE)
    author.put(root, blob)
    got = reader.store.get(root, SIZE)
    assert got == blob
    assert got.readonly
    assert author.store.has(root)
    assert not reader.store.has(root)


def test_a_latecomer_finds_the_model_when_its_first_author_is_gone(kubos, party, tmp_path, federation) -> None:
    root, blob = blob_of(2)
    with running(tmp_path) as fourth:
        fourth.knows(kubos[0])
        author = party(fourth, "author")
        author.put(root, blob)
        member = party(kubos[0], "member")
        member.put(root, member.store.get(root, SIZE))
        fourth.kill()
        author.store._kubo.close()
    latecomer = party(kubos[2], "latecomer")
    assert latecomer.store.get(root, SIZE) == blob
    with visit(f"ipfs:{kubos[1].url}", Site(FileStore(tmp_path / "auditor"), federation)) as store:
        assert store.get(root, SIZE) == blob


def test_peers_that_a_setting_or_a_card_names_need_no_meeting(tmp_path, federation) -> None:
    root, blob = blob_of(3)
    homes = [tmp_path / name for name in "abc"]
    for home in homes:
        home.mkdir()
    with running(homes[0]) as first, running(homes[1]) as second, running(homes[2]) as third:
        author = Party(first, federation, tmp_path / "author")
        author.put(root, blob)  # nobody is connected to it yet
        told = Party(second, federation, tmp_path / "told", peers=[first.address])
        assert told.store.get(root, SIZE) == blob
        cards = {"0x" + "11" * 20: author.store.card(), "0x" + "22" * 20: Card(ipfs="/ip4/not a peer")}
        site = Site(FileStore(tmp_path / "carded"), federation, cards=lambda: cards)
        carded = IpfsOptions(rpc_url=third.url).open(site)
        assert carded.get(root, SIZE, ["0x" + "11" * 20]) == blob
        assert cards["0x" + "11" * 20].ipfs == first.address
        for store in (author.store, told.store, carded):
            store.close()


def pinned(kubo: Node) -> set[str]:
    return set(kubo.rpc.call("pin/ls", type="recursive")[0].get("Keys") or ())


def here(kubo: Node, cid: str) -> bool:
    try:
        kubo.rpc.call("block/stat", cid, offline=True)
    except KuboComplaint:
        return False
    return True


def test_kubo_keeps_what_the_disk_keeps_and_lets_go_of_the_rest(kubos, party) -> None:
    node, kubo = party(kubos[0], "node"), kubos[0]
    (old, old_blob), (new, new_blob), (newer, newer_blob) = (blob_of(seed) for seed in (4, 5, 6))
    node.put(old, old_blob)
    node.put(new, new_blob)
    [old_cid], [new_cid] = node.store._folder.cids(old), node.store._folder.cids(new)
    kubo.rpc.call("repo/gc", seconds=PATIENCE)
    assert {old_cid, new_cid} <= pinned(kubo)
    assert node.store.get(old, SIZE) == old_blob
    node.disk.prune({new})
    node.put(newer, newer_blob)  # with what is new, what is old goes
    kubo.rpc.call("repo/gc", seconds=PATIENCE)
    assert old_cid not in pinned(kubo)
    assert not here(kubo, old_cid)
    assert not node.store.has(old)
    assert node.store.get(new, SIZE) == new_blob


def test_what_one_node_lets_go_of_another_one_at_the_same_kubo_keeps(kubos, party) -> None:
    one, other = party(kubos[0], "one"), party(kubos[0], "other")
    (root, blob), (next_root, next_blob) = blob_of(7), blob_of(8)
    one.put(root, blob)
    other.put(root, blob)
    [cid] = one.store._folder.cids(root)
    one.disk.prune(set())
    one.put(next_root, next_blob)
    kubos[0].rpc.call("repo/gc", seconds=PATIENCE)
    assert cid in pinned(kubos[0])
    assert one.store.get(root, SIZE) == blob


def test_a_node_that_starts_again_knows_what_it_kept_and_a_lost_disk_costs_nothing(kubos, party) -> None:
    first = party(kubos[0], "node")
    (root, blob), (lost, lost_blob), (new, new_blob) = (blob_of(seed) for seed in (9, 10, 11))
    first.put(root, blob)
    first.put(lost, lost_blob)
    first.store.close()
    first.disk.file(lost).unlink()
    again = party(kubos[0], "node")
    again.put(new, new_blob)
    again.disk.file(root).unlink()
    again.put(new, new_blob)
    assert not again.store.has(root)  # it was on the disk when this process began
    assert again.store.has(lost)


def test_a_liar_costs_a_download_and_is_asked_last(kubos, party) -> None:
    liar, honest, reader = party(kubos[0], "liar"), party(kubos[1], "honest"), party(kubos[2], "reader")
    root, blob = blob_of(12)
    _, other = blob_of(13)
    liar.store.put(root, other)
    assert liar.store.announced(PATIENCE)
    with pytest.raises(BlobMissing, match="does not hash to its root"):
        reader.store.get(root, SIZE)
    honest.put(root, blob)
    assert reader.store.get(root, SIZE) == blob
    lies = dict(reader.store._hints._faults)
    assert lies[kubos[0].id] >= 1
    root, blob = blob_of(14)
    liar.store.put(root, other)
    honest.put(root, blob)
    assert liar.store.announced(PATIENCE)
    assert reader.store.get(root, SIZE) == blob
    assert reader.store._hints._faults == lies  # it was not even tried


@pytest.mark.parametrize("size", [SIZE - 4096, SIZE + 4096])
def test_a_blob_of_another_size_is_none(kubos, party, size: int) -> None:
    liar, reader = party(kubos[0], "liar"), party(kubos[1], "reader")
    root, blob = blob_of(15, size)
    liar.put(root, blob)
    with pytest.raises(BlobMissing, match=r"(ends after \d+ of|bytes instead of)"):
        reader.store.get(root, SIZE)


def test_the_meeting_point_is_where_everybody_computes_it(kubos, federation) -> None:
    block = memoryview(meeting_block(federation))
    assert kubos[0].rpc.value("Key", "block/put", blob=block) == meeting_cid(federation)


def test_credentials_open_kubo_and_are_in_no_setting(tmp_path, federation, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "bearer:a-very-secret-token"
    allowed = {"rayfed": {"AuthSecret": secret, "AllowedPaths": ["/api/v0"]}}
    with running(tmp_path, API__Authorizations=allowed) as kubo:
        with pytest.raises(StoreError, match=r"^store\.auth_file: Kubo at .* refuses whoever gives no credentials"):
            IpfsOptions(rpc_url=kubo.url).check()
        (tmp_path / "wrong").write_text("basic:somebody:else\n")
        with pytest.raises(StoreError, match=r"^store\.auth_file: .* refuses the credentials that it was given"):
            IpfsOptions(rpc_url=kubo.url, auth_file=str(tmp_path / "wrong")).check()
        root, blob = blob_of(16)
        with pytest.raises(StoreError, match=r"^store\.auth_file: "):
            Party(kubo, federation, tmp_path / "refused").store.put(root, blob)
        monkeypatch.setenv("RAYFED_IPFS_AUTH", secret)
        IpfsOptions(rpc_url=kubo.url).check()
        (tmp_path / "right").write_text(f"{secret}\n")
        monkeypatch.delenv("RAYFED_IPFS_AUTH")
        options = IpfsOptions(rpc_url=kubo.url, auth_file=str(tmp_path / "right"))
        options.check()
        assert "secret-token" not in f"{options}{options.uri}"
        party = Party(kubo, federation, tmp_path / "member", auth_file=str(tmp_path / "right"))
        party.put(root, blob)
        assert party.store.get(root, SIZE) == blob
        party.store.close()


def test_a_full_kubo_is_named(tmp_path, federation) -> None:
    with running(tmp_path, file_bytes=900_000) as kubo:
        root, blob = blob_of(17)
        store = Party(kubo, federation, tmp_path / "disk").store
        with pytest.raises(StoreError, match=r"^store\.rpc_url: Kubo at .* has no room left: "):
            store.put(root, blob)


def test_a_kubo_that_goes_away_is_named_and_comes_back(tmp_path, federation) -> None:
    root, blob = blob_of(18)
    with running(tmp_path) as kubo:
        store = Party(kubo, federation, tmp_path / "disk").store
        store.put(root, blob)
        kubo.kill()
        for call in (lambda: store.put(root, blob), lambda: store.get(root, SIZE), lambda: store.has(root)):
            with pytest.raises(StoreError, match=r"^store\.rpc_url: Kubo at http://127.* does not answer \("):
                call()
        with pytest.raises(StoreError, match=r"^store\.rpc_url: .* does not answer \(connection refused\)"):
            IpfsOptions(rpc_url=kubo.url).check()


def test_a_name_that_is_used_for_something_else_stays(tmp_path) -> None:
    with running(tmp_path) as kubo:
        site = kubo.rpc.value("Hash", "add", blob=memoryview(b"a page"), wrap_with_directory=True)
        kubo.rpc.call("name/publish", f"/ipfs/{site}", allow_offline=True)
        with pytest.raises(ConfigError, match=r"^store\.rpc_url: .* has published something else under its own name"):
            IpfsOptions(rpc_url=kubo.url).check()
        assert kubo.rpc.value("Path", "name/resolve", kubo.id) == f"/ipfs/{site}"


def test_a_federation_whose_parties_share_a_ledger_and_ipfs(kubos, federation, tmp_path) -> None:
    def settings(kubo: Node, other: Node) -> Settings:
        small = ["federation.nodes=3", "federation.rounds=2", "train.threads=1", "model.width=4", "model.hidden=8"]
        where = ["store=ipfs", f"store.rpc_url={kubo.url}", f"store.peers=[{other.address}]", "store.keep_rounds=1"]
        return load([*small, "partition=iid", "federation.vote_seconds=3600", *where])

    charter = drafting.draft(settings(kubos[0], kubos[1]))
    clock = ManualClock()
    chain = MemoryChain(charter.terms(), clock)
    place = Place(federation, Locator("rpc", 31337, {"rpc_url": "http://none"}), charter.canonical_json())
    records: list[NodeRecord] = []
    nodes = []
    for slot, (kubo, other) in enumerate(((kubos[0], kubos[1]), (kubos[0], kubos[1]), (kubos[1], kubos[0]))):
        assembly = Assembly(settings(kubo, other), place, tmp_path / f"party-{slot}")
        nodes.append(assembly.node(slot, MemoryLedger(chain, assembly.key(slot).address), records.append))
    heralds = [Herald(node.ledger.handle(), node.kit.resources.store) for node in nodes]  # type: ignore[arg-type]
    for count in range(6000):
        for herald in heralds:
            herald.step(chain.view())
        progress = {node.step(chain.view()) for node in nodes}
        if progress == {Progress.FINISHED}:
            break
        if Progress.ACTED not in progress:
            time.sleep(0.1)
            clock.advance(count % 5 == 0)  # blobs take real time, and nodes wait for them by the chain's
    assert chain.view().phase is Phase.DONE
    outcomes = [chain.outcome(one) for one in (1, 2)]
    assert [outcome and (outcome.status, outcome.included) for outcome in outcomes] == 2 * [(Status.FINAL, 7)]
    root, size = chain.view().base, charter.blob_layout.blob_size
    with opened(f"ipfs:{kubos[2].url}", federation) as places:
        [copy] = [copy for found in places for copy in found.copies(root, size, ())]
        assert merkle.root(copy.read(lambda size: memoryview(bytearray(size)))) == root, "it is for everybody"
    updates = list(chain.merge_evidence(2).roots)
    with opened(f"ipfs:{kubos[2].url}", federation) as places:
        [copy] = [copy for found in places for copy in found.copies(updates[0], size, ())]
        with pytest.raises(StoreError, match=r"encrypted to the federation's members"):
            copy.read(lambda: memoryview(bytearray(size)))
    blocks = [nodes[0].kit.tools.disk.own(one) for one in updates]
    stored = b"".join(file.read_bytes() for kubo in kubos for file in kubo.repo.glob("blocks/*/*.data"))
    for blob in filter(None, blocks):
        assert len(stored) > 3 * size
        assert not any(bytes(blob[at : at + 24]) in stored for at in range(4096, size - 4096, 997))


def test_several_go_on_while_kubo_hangs_and_when_it_is_gone(federation, tmp_path) -> None:
    root, blob = blob_of(19)
    disk = FileStore(tmp_path / "disk")
    disk.put(root, blob)
    with running(tmp_path) as kubo:
        order = [
            "store=several",
            "store.order=[ipfs,files]",
            f"store.rpc_url={kubo.url}",
            f"store.path={tmp_path}/shared",
        ]
        store = options_of(load(order).store).open(Site(disk, federation))
        kubo.process.send_signal(signal.SIGSTOP)
        put = threading.Thread(target=store.put, args=(root, blob))
        put.start()
        shared = FileStore(tmp_path / "shared")
        until = time.monotonic() + PATIENCE
        while not shared.has(root):
            assert time.monotonic() < until
            time.sleep(0.05)
        kubo.process.send_signal(signal.SIGCONT)
        put.join(PATIENCE)
        alone = IpfsOptions(rpc_url=kubo.url).open(Site(disk, federation))
        while not alone.has(root):
            assert time.monotonic() < until
            time.sleep(0.05)
        kubo.kill()
        assert store.get(root, SIZE) == blob
        assert store.faults["ipfs"] == 1
        store.close()
        alone.close()
