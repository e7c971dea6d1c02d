"""Federations whose blobs lie where anybody can read, encrypted to their members."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rayfed.audit.places import opened
from rayfed.config import load
from rayfed.encoding import merkle
from rayfed.errors import StoreError
from rayfed.ledger.backend import Locator
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.herald import Herald
from rayfed.protocol.messages import NodeRecord, Phase, Status
from rayfed.runtime import drafting, stores
from rayfed.runtime.assembly import Assembly
from rayfed.runtime.place import Place
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.confidential.sealed_store import SealedStore
from rayfed.store.files import FileStore
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger

SMALL = ["federation.rounds=2", "train.threads=1", "model.width=4", "model.hidden=8", "partition=iid"]
STEPS = 3_000

SECOND = 0.03
"""How long the chain's second lasts at least: cards are read once in a real one, and blobs in the background."""


class Party:
    """One party: its node, what keeps its card on the ledger, and its watchtower."""

    def __init__(self, parties: Parties, slot: int) -> None:
        assembly = Assembly(parties.settings, parties.place, parties.folder / f"party-{slot}")
        self.ledger = MemoryLedger(parties.chain, assembly.key(slot).address)
        self.node: EdgeNode = assembly.node(slot, self.ledger, parties.records.append)
        store = self.node.kit.resources.store
        assert isinstance(store, SealedStore)
        self.store = store
        self.herald = Herald(self.ledger.handle(), store)
        honest = self.node.is_honest
        self.tower = assembly.watchtower(self.node, self.ledger.handle()) if honest else None
        self.key_file = assembly.folder(slot) / "reading.keys"

    def step(self) -> bool:
        """Do what is due; say whether that was anything."""
        acted = self.herald.step(self.ledger.view())
        self.node.serve(self.ledger.view())
        acted |= self.node.step(self.ledger.view()) is Progress.ACTED
        return acted | (self.tower is not None and self.tower.step(self.ledger.view()))


class Parties:
    """Parties that share a ledger and a folder that everybody can read."""

    def __init__(self, folder: Path, nodes: int, *words: str) -> None:
        self.folder, self.shared = folder, folder / "shared"
        where = ["store=files", f"store.path={self.shared}", "store.confidential=true", f"federation.nodes={nodes}"]
        self.settings = load([*SMALL, *where, "federation.vote_seconds=3600", *words])
        self.charter = drafting.draft(self.settings)
        self.clock = ManualClock()
        self.chain = MemoryChain(self.charter.terms(), self.clock)
        locator = Locator("rpc", 31337, {"rpc_url": "http://none"})
        self.place = Place("0x" + secrets.token_hex(20), locator, self.charter.canonical_json())
        self.records: list[NodeRecord] = []
        self.all = [Party(self, slot) for slot in range(self.settings.federation.start)]

    @property
    def size(self) -> int:
        return self.charter.blob_layout.blob_size

    def go_on(self) -> Iterator[None]:
        """Let all do what is due, then the time pass, until the federation is done and settled."""
        for _ in range(STEPS):
            yield
            acted = [party.step() for party in self.all]
            view = self.chain.view()
            if view.phase is Phase.DONE and not view.unsettled and not any(acted):
                return
            if not any(acted):
                time.sleep(SECOND)
                self.clock.advance(1)
        raise AssertionError(f"not over after {STEPS} steps: {[party.node.status for party in self.all]}")

    def run(self) -> None:
        for _ in self.go_on():
            pass

    def plain(self) -> dict[bytes, bytes]:
        """Return what is on the parties' own disks."""
        found = {}
        for party in self.all:
            files = party.node.kit.resources.disk
            found |= {root: bytes(files.get(root, self.size)) for root in files.roots()}
        return found

    def included(self, round: int) -> int:
        outcome = self.chain.outcome(round)
        assert outcome is not None
        assert outcome.status is Status.SETTLED
        return outcome.included


def shows(data: bytes, blob: bytes) -> bool:
    """Say whether 16 telling bytes of a blob stand anywhere in what a stranger has."""
    values = np.frombuffer(blob, np.uint8).reshape(-1, 16)
    telling = [row.tobytes() for row in values if len(set(row.tolist())) > 8]
    assert len(telling) > 50
    return any(window in data for window in telling[:: max(1, len(telling) // 200)])


def test_a_federation_of_whose_updates_a_stranger_sees_the_sizes(tmp_path: Path) -> None:
    parties = Parties(tmp_path, 3)
    plain: dict[bytes, bytes] = {}
    for _ in parties.go_on():
        plain |= parties.plain()
    assert [parties.included(round) for round in (1, 2)] == [7, 7]
    final = parties.chain.view().base
    everything = b"".join(f.read_bytes() for f in parties.shared.rglob("*") if f.is_file() and f.name != final.hex())
    roots = {file.name for file in parties.shared.rglob("*") if file.is_file()}
    assert len(roots) == 9, "six updates, the merges, and genesis"
    assert roots <= {root.hex() for root in plain}
    for root, blob in plain.items():
        if root != final:
            assert not shows(everything, blob), root.hex()
    visitor = stores.of_visitor(parties.settings, parties.place.federation, FileStore(tmp_path / "v"), parties.chain)
    assert merkle.root(visitor.get(final, parties.size)) == final, "the final model is for everybody"
    [update] = [root for root in plain if root.hex() in roots and root != final][:1]
    with pytest.raises(StoreError, match=r"encrypted to the federation's members"):
        visitor.get(update, parties.size)


def test_a_final_model_that_is_kept_to_members_and_an_audit_with_a_members_keys(tmp_path: Path) -> None:
    parties = Parties(tmp_path, 2, "federation.final_model=members", "federation.rounds=1")
    parties.run()
    final, size = parties.chain.view().base, parties.size
    federation, uri = parties.place.federation, f"files:{parties.shared}"
    assert not any(shows(file.read_bytes(), blob) for blob in parties.plain().values() for file in files(parties))
    with opened(uri, federation) as places:
        [copy] = [copy for place in places for copy in place.copies(final, size, ())]
        with pytest.raises(StoreError, match=r"^it is encrypted: --key-file with the reading keys of a member"):
            copy.read(lambda: memoryview(bytearray(size)))
    for party in parties.all:
        keys = ReadingKeys.read(party.key_file, "--key-file")
        with opened(uri, federation, keys) as places:
            [copy] = [copy for place in places for copy in place.copies(final, size, ())]
            assert merkle.root(copy.read(lambda: memoryview(bytearray(size)))) == final


def files(parties: Parties) -> list[Path]:
    return [file for file in parties.shared.rglob("*") if file.is_file()]


def test_a_joiner_is_given_the_base_by_the_members(tmp_path: Path) -> None:
    parties = Parties(
        tmp_path, 3, "federation.start_members=2", "federation.rounds=3", "federation.final_model=members"
    )
    for _ in parties.go_on():
        if parties.chain.view().round == 2 and len(parties.all) == 2:
            parties.all.append(Party(parties, 2))
    assert parties.included(1) == 3
    assert parties.included(3) == 7
    assert {party.node.model for party in parties.all} == {parties.chain.view().base}


def test_the_court_judges_what_was_encrypted(tmp_path: Path) -> None:
    parties = Parties(tmp_path, 4, "federation.rounds=1", "attack.kind=forged_merge", "attack.nodes=3")
    wrong = False
    for _ in parties.go_on():
        stands = parties.chain.view().base != parties.charter.genesis
        wrong = wrong or stands  # three of four have made a forged merge final
        slashed = [parties.chain.account(party.node.address).slashed > 0 for party in parties.all]
        if wrong and not stands and any(slashed):
            break
    else:
        raise AssertionError("the forged merge was never undone")
    assert slashed == [False, True, True, True]


def test_who_announces_no_key_is_the_only_one_that_cannot_read(tmp_path: Path) -> None:
    parties = Parties(tmp_path, 4, "federation.rounds=1", "federation.vote_seconds=240")
    deaf = parties.all[3]
    deaf.herald.step = lambda view: False  # type: ignore[method-assign]
    parties.run()
    assert parties.included(1) == 15, "the others have its update, and merge it"
    outcome = parties.chain.outcome(1)
    assert outcome is not None
    assert outcome.attesters == 7
    assert {party.node.model for party in parties.all} == {outcome.root}, "what is for everybody it has, too"
