"""What a node has signed, on its own disk before it is sent: a restart repeats itself and never contradicts itself.

The reason is that of EIP-3076 (slashing protection in Ethereum's validators): a node that forgot what it said and says
something else is indistinguishable from a dishonest one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rayfed.errors import RayfedError
from rayfed.protocol.messages import Verb


class Contradiction(RayfedError):
    """The node was about to sign something else than what it signed before for the same round and verb."""


class Journal:
    """An append-only file of ``(round, verb, value)``, synced to disk on every entry.

    ``value`` is what the message says: a root or a ballot, in hex. Opening the file of a node that was killed in the
    middle of an entry drops that entry: it was not sent, because sending comes after.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the journal at ``path``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._said: dict[tuple[int, str], str] = {}
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                self._said[entry["round"], entry["verb"]] = entry["value"]
                whole += len(line)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def said(self, round: int, verb: Verb) -> str | None:
        """Return what was signed for this round and verb, or None."""
        return self._said.get((round, verb.value))

    def say(self, round: int, verb: Verb, value: str) -> None:
        """Note what is about to be signed; returns once it is on the disk.

        Raises:
            Contradiction: something else was noted for the same round and verb.
        """
        before = self.said(round, verb)
        if before == value:
            return
        if before is not None:
            raise Contradiction(f"round {round}: already signed {verb} {before}, refusing to sign {value}")
        entry = {"round": round, "verb": verb.value, "value": value}
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._said[round, verb.value] = value

    def close(self) -> None:
        """Close the file."""
        self._file.close()
