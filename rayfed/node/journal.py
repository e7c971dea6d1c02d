"""What a node has signed, on its own disk before it is sent: a restart repeats itself and never contradicts itself.

The reason is that of EIP-3076 (slashing protection in Ethereum's validators): a node that forgot what it said and says
something else is indistinguishable from a dishonest one. What was said rests on a context. Where the chain has gone
back, the context is another one, and the node may speak anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rayfed.errors import RayfedError
from rayfed.protocol.messages import Verb


class Contradiction(RayfedError):
    """The node was about to sign something else than what it signed before for the same round, verb and context."""


class Journal:
    """An append-only file of ``(round, verb, context, value)``, synced to disk before anything is sent.

    ``value`` is what the message says: a root, or a ballot's two bitmaps, in hex. Opening the file of a node that was
    killed in the middle of an entry drops that entry: it was not sent, because sending comes after.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the journal at ``path``.

        Raises:
            RayfedError: it is of the first edition of the protocol, whose entries name no context.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._said: dict[tuple[int, str, str], str] = {}
        self._unsynced: list[tuple[int, str, str]] = []
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                if "context" not in entry:
                    raise RayfedError(f"cluster.state_dir: {path} is of rayfed's first edition; use another folder")
                self._said[entry["round"], entry["verb"], entry["context"]] = entry["value"]
                whole += len(line)
        self._rounds = {round for round, _, _ in self._said}
        self._file = path.open("ab")
        self._file.truncate(whole)

    def said(self, round: int, verb: Verb, context: bytes) -> str | None:
        """Return what was signed for this round, verb and context, or None."""
        return self._said.get((round, verb.value, context.hex()))

    def spoke_in(self, round: int) -> bool:
        """Say whether anything was signed for this round, on whatever branch of the chain."""
        return round in self._rounds

    def attested(self) -> dict[bytes, bytes]:
        """Return all roots that were ever attested, by the context that they rest on, in the order of their rounds."""
        said = sorted(self._said.items(), key=lambda entry: entry[0][0])
        return {bytes.fromhex(c): bytes.fromhex(root) for (_, verb, c), root in said if verb == Verb.ATTEST.value}

    def roots(self, rounds: range) -> set[bytes]:
        """Return all roots that were committed to, or attested, in these rounds."""
        verbs = (Verb.COMMIT.value, Verb.ATTEST.value)
        return {
            bytes.fromhex(value) for (round, verb, _), value in self._said.items() if round in rounds and verb in verbs
        }

    def say(self, round: int, verb: Verb, context: bytes, value: str, *, sync: bool = True) -> None:
        """Note what is about to be signed; returns once it is on the disk.

        Args:
            sync: else it is on the disk after the next ``sync``, and is not to be sent before.

        Raises:
            Contradiction: something else was noted for the same round, verb and context.
        """
        before = self.said(round, verb, context)
        if before is not None and before != value:
            raise Contradiction(f"round {round}: already signed {verb} {before}, refusing to sign {value}")
        if before is None:
            entry = {"round": round, "verb": verb.value, "context": context.hex(), "value": value}
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            self._unsynced.append((round, verb.value, context.hex()))
            self._said[self._unsynced[-1]] = value
            self._rounds.add(round)
        if sync:
            self.sync()

    @property
    def is_synced(self) -> bool:
        """Whether all that was noted is on the disk."""
        return not self._unsynced

    def sync(self) -> None:
        """Return once all that was noted is on the disk. May be called in another thread, while this one waits.

        Raises:
            OSError: the disk refuses; what may not be on it counts as not noted.
        """
        if self._unsynced:
            try:
                os.fsync(self._file.fileno())
            except OSError:
                for key in self._unsynced:
                    del self._said[key]
                raise
            finally:
                self._unsynced.clear()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
