"""A member of a federation in a process of its own, told line by line what to do; cards lie in a folder.

``put SEED``, ``get SEED HOLDER``, ``paths HOLDER`` are answered with a line of JSON each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from p2p import SIZE, blob_of

from rayfed.encoding.sealed import new_key
from rayfed.errors import RayfedError
from rayfed.store import Site
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.files import FileStore
from rayfed.store.p2p.options import P2pOptions


def main(folder: Path, name: str, options: str) -> None:
    """Join, and do what is told until there is nothing more."""

    def cards() -> dict[str, Card]:
        return {file.stem: Card.decode(file.read_bytes()) for file in folder.glob("*.card")}

    envelope = Envelope("0x" + "fe" * 20, ReadingKeys((new_key()[0],)), cards)
    site = Site(FileStore(folder / name), envelope.federation, cards=cards, envelope=lambda: envelope, member=name)
    store = P2pOptions(**json.loads(options)).open(site)
    card = store.card()
    (folder / f"{name}.new").write_bytes(card.encode())
    (folder / f"{name}.new").rename(folder / f"{name}.card")
    print(json.dumps({"addresses": card.addresses, "sockets": store.endpoint().bound_sockets()}), flush=True)
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            answer: object = None
            if verb == "put":
                store.put(*blob_of(int(words[0])))
            elif verb == "get":
                root, blob = blob_of(int(words[0]))
                began = time.monotonic()
                answer = {"same": store.get(root, SIZE, [words[1]]) == blob, "seconds": time.monotonic() - began}
            elif verb == "paths":
                answer = store.client.paths().get(cards()[words[0]].endpoint, [])
        except RayfedError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
