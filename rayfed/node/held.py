"""Which blobs have to stay on a node's disk, written down there: a restart must not let go of what a dispute needs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from rayfed.encoding.primitives import Root
from rayfed.errors import StoreError


class HeldRoots:
    """Roots by round. Safe to use from several threads.

    Args:
        path: the file; what another version wrote there, or a power cut has damaged, counts as nothing: it is found
            out again from ledger and peers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._held: dict[int, set[Root]] = _read(path)

    def add(self, round: int, roots: Iterable[Root]) -> None:
        """Let these stay until the round is released.

        Raises:
            StoreError: the disk is full.
        """
        with self._lock:
            known = self._held.setdefault(round, set())
            if not known.issuperset(new := set(roots)):
                known |= new
                self._write()

    def release(self, round: int) -> None:
        """Let go of what this round needed.

        Raises:
            StoreError: the disk is full.
        """
        with self._lock:
            if self._held.pop(round, None) is not None:
                self._write()

    @property
    def rounds(self) -> tuple[int, ...]:
        """Rounds that something is held for."""
        with self._lock:
            return tuple(sorted(self._held))

    @property
    def roots(self) -> set[Root]:
        """All that has to stay."""
        with self._lock:
            return set().union(*self._held.values())

    def _write(self) -> None:
        text = json.dumps({str(round): sorted(root.hex() for root in roots) for round, roots in self._held.items()})
        aside = self._path.with_suffix(".new")
        try:
            aside.write_text(text)
            os.replace(aside, self._path)
        except OSError as error:
            raise StoreError(f"cluster.state_dir: cannot write {self._path}: {error.strerror}") from error


def _read(path: Path) -> dict[int, set[Root]]:
    try:
        held = json.loads(path.read_text())
        return {int(round): {bytes.fromhex(root) for root in roots} for round, roots in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
