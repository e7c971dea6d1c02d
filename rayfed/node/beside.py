"""Gives the frozen part of a model, which is in no blob, to whoever joins without the file that it comes from."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from rayfed.encoding import merkle
from rayfed.encoding.layout import Frozen
from rayfed.errors import StoreError
from rayfed.store import Publishes, Serves, Store
from rayfed.store.files import FileStore

log = logging.getLogger(__name__)

AGAIN_SECONDS = 30.0
"""How long to wait after a store has refused."""


class Beside:
    """Publishes a frozen part once, in a thread of its own: nothing of a round waits for it.

    Args:
        path: where this machine has it.
        agreed: what the charter says of it.
        store: where it goes; one node's of the process is enough. ``disk``: that node's own.
        opens: whether it is for everybody, as the model is that the federation ends with: then who has no seat yet can
            try the model before it stakes anything.
    """

    def __init__(self, path: Path, agreed: Frozen, store: Store, disk: FileStore, opens: bool) -> None:
        self._path = path
        self._agreed = agreed
        self._store = store
        self._disk = disk
        self._opens = opens
        self._pause = threading.Event()  # never set: the thread ends with the process

    def start(self) -> None:
        """Begin, and return at once."""
        threading.Thread(target=self._run, name="rayfed-beside", daemon=True).start()

    def publish(self) -> None:
        """Publish it, unless the store has it.

        Raises:
            StoreError: the store refuses, or the file is not what was agreed on.
        """
        root, store = self._agreed.root, self._store
        if not isinstance(store, Serves) and store.has(root):
            return
        try:
            text = self._path.read_bytes()
        except OSError as error:
            raise StoreError(f"the model's frozen part: cannot read {self._path}: {error.strerror}") from error
        blob = memoryview(text + bytes(-len(text) % merkle.LEAF))  # as ``learning.frozen.packed``
        if len(text) != self._agreed.size or merkle.root(blob) != root:
            raise StoreError(f"the model's frozen part: {self._path} is damaged")
        self._disk.put(root, blob)  # stores serve from there, or keep what is there
        store.put(root, blob)
        if self._opens and isinstance(store, Publishes):
            store.publish(root, blob)

    def _run(self) -> None:
        while True:
            try:
                return self.publish()
            except StoreError as error:
                log.warning("who joins without the file of weights waits for %s", error)
                self._pause.wait(AGAIN_SECONDS)
