"""A party's host in a process of its own and without Ray: it shares a chain with the others, and nothing else.

``FOLDER SLOT NODES OPTIONS``: the first one founds, and pays for all. Says in JSON what came of it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from rayfed.config import Settings, load
from rayfed.errors import BlobMissing
from rayfed.ledger import registry
from rayfed.runtime import drafting
from rayfed.runtime.assembly import Assembly
from rayfed.runtime.host.carrier import Carrier
from rayfed.runtime.host.spec import HostSpec
from rayfed.runtime.place import Place

SECONDS = 900


class Nobody:
    """A transport of a host that knows no other; follows ``Transport``."""

    name = "host-0"

    def peers(self) -> Sequence[str]:
        return []

    def send(self, peer: str, method: str, *arguments: Any) -> bool:
        return False

    def ask(self, peer: str, method: str, *arguments: Any) -> Future[Any]:
        raise AssertionError("there is nobody to ask")

    def serve(self, endpoint: Any) -> None:
        """Nobody will ask."""

    def fetch(self, root: bytes, size: int, holders: Sequence[str] = ()) -> memoryview:
        raise BlobMissing("there is nobody")


def found(settings: Settings, folder: Path, nodes: int) -> Place:
    """Found a federation, and tell the others; where they have made their accounts, give them what they need."""
    charter = drafting.draft(settings)
    with registry.open(settings.ledger, folder) as backend:
        payer = backend.purse()
        assert payer is not None
        made = backend.found(payer, charter)
        place = Place(made.federation, backend.locator, charter.canonical_json())
        tell(folder / "place.json", json.dumps([place.federation, place.charter]))
        addresses = [hear(folder / f"{slot}.address") for slot in range(1, nodes)]
        addresses.append(Assembly(settings, place, folder / "0").key(0).address)
        federation = backend.connect(made.federation)
        backend.give(payer, federation, addresses, settings.ledger.fund_ether, pool=drafting.pool(settings))
        federation.close()
    return place


def join(settings: Settings, folder: Path, slot: int) -> Place:
    """Take part in what the first one has founded."""
    federation, charter = json.loads(hear(folder / "place.json"))
    with registry.open(settings.ledger, folder) as backend:
        place = Place(federation, backend.locator, charter)
    tell(folder / f"{slot}.address", Assembly(settings, place, folder / str(slot)).key(slot).address)
    return place


def main(folder: Path, slot: int, nodes: int, options: list[str]) -> None:
    """Take part until it is over."""
    settings = load(options)
    place = found(settings, folder, nodes) if slot == 0 else join(settings, folder, slot)
    over = threading.Event()
    carrier = Carrier(HostSpec("host-0", (slot,), place, settings, str(folder / str(slot))), Nobody(), False, over.set)
    over.wait(SECONDS)
    lives = carrier._lives
    said: dict[str, Any] = {"over": over.is_set(), "status": str(carrier.status())}
    if lives is not None:
        [node] = lives.nodes
        ways = node.kit.resources.store.client.paths().values()  # type: ignore[attr-defined]
        said |= {"root": node.ledger.view().base.hex(), "model": node.model.hex()}
        said["ways"] = [[relay for used, relay, _ in paths if used] for paths in ways]
    print(json.dumps(said), flush=True)


def tell(file: Path, text: str) -> None:
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def hear(file: Path) -> str:
    end = time.monotonic() + SECONDS
    while not file.exists():
        if time.monotonic() > end:
            raise SystemExit(f"{file.name} never came")
        time.sleep(0.1)
    return file.read_text()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
