"""A whole federation through the seam for ledgers: what runs it knows only ``rayfed.ledger.backend``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rayfed.config.groups.machines import LedgerSettings
from rayfed.encoding.primitives import Address, Root
from rayfed.ledger import registry
from rayfed.ledger.backend import Backend, Federation
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.journal import Journal
from rayfed.node.parts import Membership, Resources
from rayfed.node.watchtower import claim
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.commands import Settle
from rayfed.protocol.messages import Phase, Status
from rayfed.store.files import FileStore
from rayfed.testing import MemoryStore
from tests.unit.node.test_edge_node import Pull, charter

NODES, ROUNDS, STAKE, REWARD = 3, 2, 1000, 300
STEPS = 40_000


@dataclass
class Life:
    """What came of a federation."""

    final: Root
    members: tuple[Address, ...]
    claimed: dict[Address, int]
    federation: Address


def lived(kind: str, folder: Path, tick: Callable[[Backend], None], later: Callable[[Backend, int], None]) -> Life:
    """Found a federation on a ledger, train it to its end, and have paid out what was earned.

    Args:
        kind: of the ledger.
        folder: for all that is kept.
        tick: lets happen what was submitted.
        later: lets so many seconds pass.
    """
    stake = StakeTerms(stake=STAKE, reward=REWARD, bond=10)
    seconds = {"commit_seconds": 600, "vote_seconds": 600, "attest_seconds": 300}
    agreed = replace(charter(start_members=NODES, rounds=ROUNDS, **seconds), stake=stake)
    settings = LedgerSettings(kind=kind)
    registry.check(settings)
    with registry.open(settings, folder) as backend:
        payer = backend.purse()
        assert payer is not None
        founded = backend.found(payer, agreed)
        assert backend.exists(founded.federation)
        # A node knows where the ledger is, and nothing else.
        there = registry.at(backend.locator, settings)
        federation = there.connect(founded.federation, agreed.hash, follow=True)
        assert federation.terms() == agreed.terms()
        signers = [there.signer(founded.federation, _made(folder / f"node-{slot}"), slot + 1) for slot in range(NODES)]
        again = there.signer(founded.federation, folder / "node-0", 1)
        assert again.address == signers[0].address
        assert there.secret(again, b"x") == there.secret(signers[0], b"x") != there.secret(signers[0], b"y")
        addresses = [signer.address for signer in signers]
        assert len(set(addresses)) == NODES
        backend.give(payer, federation, addresses, 1.0, pool=REWARD * ROUNDS)
        assert all(federation.balance(address) > 0 for address in addresses)
        assert federation.books().pool == REWARD * ROUNDS
        store: Any = MemoryStore()
        nodes = [
            EdgeNode(
                Membership(agreed, backend.locator.chain_id, founded.federation, slot),
                Resources(
                    ledger=federation.ledger(signer),
                    store=store,
                    disk=FileStore(folder / f"node-{slot}" / "blobs"),
                    journal=Journal(folder / f"node-{slot}" / "journal.jsonl"),
                    learner=Pull(slot),  # type: ignore[arg-type]
                    screens=[],
                ),
            )
            for slot, signer in enumerate(signers)
        ]
        _train(nodes, federation, backend, tick)
        view = federation.view()
        assert [federation.outcome(round).status for round in (1, 2)] == [Status.FINAL] * ROUNDS  # type: ignore[union-attr]
        assert set(view.members) == set(addresses)
        evidence = federation.merge_evidence(1)
        assert evidence is not None
        assert len(evidence.roots) == evidence.included.bit_count() == NODES
        names = [event.name for event in federation.events(founded.block, names=["RoundClosed"])]
        assert names == ["RoundClosed"] * ROUNDS
        later(backend, 1_000)
        watcher = nodes[0].ledger.handle()
        for round in range(1, ROUNDS + 1):
            watcher.submit(Settle(round))
            _mined(watcher, backend, tick)
        earned = {node.address: federation.account(node.address).claimable for node in nodes}
        for node in nodes:
            handle = node.ledger.handle()
            assert claim(handle, node.address)
            _mined(handle, backend, tick)
        assert not any(federation.account(address).claimable for address in addresses)
        federation.close()
        there.close()
        return Life(view.base, view.members, earned, founded.federation)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _train(nodes: list[EdgeNode], federation: Federation, backend: Backend, tick: Callable[[Backend], None]) -> None:
    for _ in range(STEPS):
        view = federation.view()
        for node in nodes:
            node.serve(view)
        progress = {node.step(view) for node in nodes}
        tick(backend)
        if progress == {Progress.FINISHED} and federation.view().phase is Phase.DONE:
            return
    raise AssertionError(f"not over: {federation.view()}, {[node.status for node in nodes]}")


def _mined(handle: Any, backend: Backend, tick: Callable[[Backend], None]) -> None:
    """Wait until all that was submitted through a handle went through."""
    for _ in range(STEPS):
        tick(backend)
        assert [receipt.error for receipt in handle.receipts() if receipt.error] == []
        if not handle.is_sending:
            return
    raise AssertionError("not mined")
