"""A federation that has been trained in memory, as an auditor finds it: its record, and folders with its blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayfed.audit import ChainRecord, Entry
from rayfed.audit.places import Folder
from rayfed.encoding.primitives import Address
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
        entries = tuple(
            Entry(said.name, said.values, said.time, n, 0, f"0x{n:064x}") for n, said in enumerate(self.chain.events)
        )
        return ChainRecord(
            chain_id=31337,
            federation=FEDERATION,
            terms=self.chain.terms,
            founded=FOUNDED,
            entries=entries,
            outcomes=tuple(self.chain.outcomes[number] for number in sorted(self.chain.outcomes)),
            view=self.chain.view(),
            block=len(entries),
            block_hash="0x" + "ab" * 32,
            charter=self.charter.canonical_json(),
        )
