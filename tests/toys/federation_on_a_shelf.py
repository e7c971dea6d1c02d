"""A process in which there is one more kind of store: a whole federation lives on it, from its settings to its end.

Run by ``tests/unit/store/test_seam.py`` in a process of its own: the settings' schema is made when it is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rayfed.store import options_of, registry
from tests.toys.shelf.options import ShelfOptions

registry.KINDS["shelf"] = ShelfOptions  # the one line

from rayfed.audit.places import opened  # noqa: E402
from rayfed.config import load  # noqa: E402
from rayfed.errors import ConfigError  # noqa: E402
from rayfed.ledger.backend import Locator  # noqa: E402
from rayfed.node.edge_node import Progress  # noqa: E402
from rayfed.protocol.messages import NodeRecord, Phase, Status  # noqa: E402
from rayfed.runtime import drafting  # noqa: E402
from rayfed.runtime.assembly import Assembly  # noqa: E402
from rayfed.runtime.place import Place  # noqa: E402
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger  # noqa: E402
from tests.toys.shelf.store import SHELVES  # noqa: E402

FEDERATION = "0x" + "fe" * 20
SMALL = [
    "federation.nodes=3",
    "federation.rounds=1",
    "train.threads=1",
    "model.width=4",
    "model.hidden=8",
    "partition=iid",
]


def refusal(*words: str) -> str:
    """Return what is said of settings that cannot be."""
    try:
        options_of(load([*SMALL, *words]).store).check()
    except ConfigError as error:
        return str(error)
    raise SystemExit(f"{words} were taken")


def main(folder: Path) -> None:
    """Train a small federation whose blobs lie on the shelf ``upper``; say what came of it, a line each."""
    print(refusal("store.kind=shelf"))
    print(refusal("store.kind=shelf", "store.shelf=broken"))
    print(refusal("store.kind=shelf", "store.shelf=upper", "store.boards=many"))
    settings = load([*SMALL, "store.kind=shelf", "store.shelf=upper", "store.boards=5"])
    charter = drafting.draft(settings)
    clock = ManualClock()
    chain = MemoryChain(charter.terms(), clock)
    place = Place(FEDERATION, Locator("rpc", 31337, {"rpc_url": "http://none"}), charter.canonical_json())
    assembly = Assembly(settings, place, folder)
    records: list[NodeRecord] = []
    nodes = [assembly.node(slot, MemoryLedger(chain, assembly.key(slot).address), records.append) for slot in range(3)]
    for _ in range(300):
        progress = {node.step(chain.view()) for node in nodes}
        if progress == {Progress.FINISHED}:
            break
        if Progress.ACTED not in progress:
            clock.advance(30)
    view = chain.view()
    final = chain.outcome(1)
    assert final is not None
    print(view.phase is Phase.DONE, final.status is Status.FINAL, final.included)
    print(final.root in SHELVES["upper"], assembly.serve(final.root))
    with opened("shelf:upper", FEDERATION) as places:
        copies = [copy for place in places for copy in place.copies(final.root, charter.blob_layout.blob_size, ())]
        print([(copy.place, copy.read(memoryview).nbytes == charter.blob_layout.blob_size) for copy in copies])


main(Path(sys.argv[1]))
