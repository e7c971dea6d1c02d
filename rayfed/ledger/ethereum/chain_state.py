"""The file in which Anvil keeps a chain, and a copy of it that is always whole."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

SUFFIX = ".whole"


class ChainState:
    """Copies the state whenever it has been written, for as long as the chain runs.

    Anvil writes its state in place. Killed in the middle of that (it takes up to a tenth of a second for a small chain,
    and longer where the machine is busy) it leaves half a file, with which no chain can be started again.

    Args:
        path: the state's file.
        seconds: how often Anvil writes it.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._copy = path.with_name(path.name + SUFFIX)
        self._copied = (0, 0)  # when that was written, in nanoseconds, and how long it is
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Put the copy in the place of a state that is not whole, and begin to make copies."""
        if not self._path.exists():  # somebody wants a new chain
            self._copy.unlink(missing_ok=True)
        elif self._copy.exists() and not self._is_document():
            os.replace(self._copy, self._path)
        self._over.clear()
        self._thread = threading.Thread(target=self._keep, name="rayfed-chain-state", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Make no more copies; the last one goes, if the state itself is whole. The chain has ended by now."""
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        self._thread = None
        if self._is_document():
            self._copy.unlink(missing_ok=True)

    def copy(self) -> None:
        """Copy the state, if it has changed and is whole."""
        try:
            told = self._path.stat()
            written = told.st_mtime_ns, told.st_size
            if written == self._copied or not is_whole(state := self._path.read_bytes()):
                return
        except FileNotFoundError:
            return
        part = self._copy.with_name(self._copy.name + ".part")
        part.write_bytes(state)
        os.replace(part, self._copy)
        self._copied = written

    def _keep(self) -> None:
        while not self._over.wait(self._seconds):
            self.copy()

    def _is_document(self) -> bool:
        try:
            json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return False
        return True


def is_whole(state: bytes) -> bool:
    """Say whether this is all of a JSON object that may have been cut off; no string in Anvil's states has braces."""
    return bool(state) and state.count(b"{") == state.count(b"}")
