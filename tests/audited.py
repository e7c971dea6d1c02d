"""A federation that has been trained in memory, as an auditor finds it: its record, and folders with its blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayfed.audit import ChainRecord, RecordEntry
from rayfed.audit.events import EVENTS
from rayfed.audit.places import Folder
from rayfed.encoding.primitives import Address
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.messages import NATIVE
from rayfed.store.files import FileStore
from tests.unit.node.test_edge_node import FEDERATION, World

FOUNDED = 1_000_000
"""When a ``ManualClock`` begins."""


class AuditedWorld(World):
    """A world whose nodes share a folder."""

    def __init__(self, tmp: Path, nodes: int = 4, **changes: Any) -> None:
        self.shared = FileStore(tmp / "shared", mapped=False)
        super().__init__(tmp, nodes, **changes)

    def start(self, slot: int, **changes: Any) -> Any:
        return super().start(slot, **({"store": self.shared} | changes))

    @staticmethod
    def address(slot: int) -> Address:
        return f"0x{slot + 1:040x}"

    @property
    def folder(self) -> Folder:
        return Folder(self.shared.path)

    def record(self) -> ChainRecord:
        """Return what a contract would have said."""
        return record_of(self.chain, self.charter.canonical_json())


def record_of(chain: MemoryChain, charter: str = "") -> ChainRecord:
    """Return the record of a federation in memory; each event is a block of its own."""
    entries = tuple(
        RecordEntry(said.name, said.values, said.time, n, 0, f"0x{n:064x}") for n, said in enumerate(chain.events)
    )
    view = chain.view()
    found = [chain.outcome(number) for number in range(1, view.round + 1)]
    addresses = {
        entry.values[key]
        for entry in entries
        for key, kind in EVENTS[entry.name].items()
        if kind == "address" and entry.values[key] != NATIVE
    }
    return ChainRecord(
        chain_id=31337,
        federation=FEDERATION,
        terms=chain.terms(),
        founded=FOUNDED,
        entries=entries,
        outcomes=tuple(outcome for outcome in found if outcome is not None),
        view=view,
        block=len(entries),
        block_hash="0x" + "ab" * 32,
        charter=charter,
        accounts={address: chain.account(address) for address in sorted(addresses)},
        books=chain.books(),
    )
