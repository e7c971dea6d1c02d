"""A party of ``store=p2p`` in a process of its own, for ``benchmarks.stores``: it makes a blob and serves it.

``python -m benchmarks.p2p_party FOLDER``: says its card in hexadecimal; is given the other party's card, then a seed a
line, which it answers with how many seconds the put took.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.stores import FEDERATION, OWNER, READER, SIZE, Way, blob_of, put_elsewhere
from rayfed.store import Site
from rayfed.store.card import Card
from rayfed.store.files import FileStore
from rayfed.store.p2p.options import P2pOptions
from rayfed.store.p2p.store import PeerToPeerStore


def opened(folder: Path, cards: dict[str, Card]) -> PeerToPeerStore:
    """Return a party's store; ``cards`` may be filled later."""
    return P2pOptions(listen="127.0.0.1:0").open(Site(FileStore(folder), FEDERATION, cards=lambda: cards))


def way(folder: Path, stack: ExitStack) -> tuple[Way, Callable[[int], None]]:
    """Return ``p2p``, and what tells it the seed of the next blob."""
    cards: dict[str, Card] = {}
    reader = opened(folder / "p2p-reader", cards)
    stack.callback(reader.close)
    words = [sys.executable, "-m", "benchmarks.p2p_party", str(folder / "p2p-author")]
    author = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    stack.callback(author.terminate)
    assert author.stdin is not None
    assert author.stdout is not None
    asks, answers = author.stdin, author.stdout
    cards[OWNER], cards[READER] = Card.decode(bytes.fromhex(answers.readline())), reader.card()
    print(cards[READER].encode().hex(), file=asks, flush=True)
    made = Way("p2p", lambda root, blob: None, lambda root: reader.get(root, SIZE, [OWNER]), note="iroh over loopback")

    def put(seed: int) -> float:
        print(seed, file=asks, flush=True)
        return float(answers.readline())

    return made, put_elsewhere(made, put)


def main(folder: Path) -> None:
    """Serve until there is nothing more to put."""
    cards: dict[str, Card] = {}
    store = opened(folder, cards)
    cards[OWNER] = store.card()
    print(cards[OWNER].encode().hex(), flush=True)
    cards[READER] = Card.decode(bytes.fromhex(sys.stdin.readline()))
    for line in sys.stdin:
        root, blob = blob_of(int(line))
        begin = time.perf_counter()
        store.put(root, blob)
        print(time.perf_counter() - begin, flush=True)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
