"""Blobs in IPFS, by way of any Kubo node."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError
from rayfed.store.card import Card
from rayfed.store.files.disk import FileStore
from rayfed.store.ipfs.address import best
from rayfed.store.ipfs.announcer import Announcer, free_name
from rayfed.store.ipfs.folder import KuboFolder
from rayfed.store.ipfs.peers import Hint, HintSource
from rayfed.store.ipfs.rpc import Kubo, KuboComplaint
from rayfed.store.verified import short, verified

log = logging.getLogger(__name__)

OLDEST = (0, 42)
"""The version of Kubo that rayfed is tested with; older ones lack options that it needs."""

SLOWEST = 256 << 10
"""Bytes a second: a peer that gives fewer, after the first half minute, is left for the next one."""

CARD_SECONDS = 60.0
"""How often Kubo is asked for its own address."""

MOST_HINTS = 8
"""Downloads for one blob that may turn out to be something else."""


class IpfsStore:
    """A node's Kubo, and by it the Kubos of all other parties.

    What others say about where a blob lies is hearsay (see ``HintSource``), so nothing that comes back is held against
    the blob's owner: a wrong blob is merely another one that is missing.

    Args:
        kubo: the node's own.
        federation: the contract's address.
        disk: the node's own; what it lets go of, Kubo may let go of.
        hints: where to look for what the own Kubo was not given.
    """

    def __init__(self, kubo: Kubo, federation: Address, disk: FileStore, hints: HintSource) -> None:
        self._kubo = kubo
        self._folder = KuboFolder(kubo, federation, disk)
        self._hints = hints
        self._announcer = Announcer(kubo, federation, self._folder)
        self._card = Card()
        self._carded = float("-inf")

    def __repr__(self) -> str:
        return f"IpfsStore({self._kubo.place!r})"

    def put(self, root: Root, blob: memoryview) -> None:
        """Have Kubo keep a blob, and let the other parties know, which happens in the background.

        Raises:
            StoreError: Kubo is full, does not answer, or refuses.
        """
        self._folder.put(root, blob.cast("B"))
        self._announcer.changed()

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked, from the own Kubo or by it from another party's.

        Raises:
            BlobMissing: nobody is known to have it, or what they have is something else.
            StoreError: Kubo does not answer or refuses.
        """
        tried: dict[str, str] = {}
        for cid in self._folder.cids(root):
            blob = self._try(Hint(cid, ("the own Kubo",)), root, size, tried, offline=True)
            if blob is not None:
                return blob
        tried.clear()  # what is cut here may be whole elsewhere
        for hint in islice(self._hints.find(root, holders), MOST_HINTS):
            blob = self._try(hint, root, size, tried)
            if blob is not None:
                return blob
            self._hints.failed(hint)
        why = f": {'; '.join(dict.fromkeys(tried.values()))}" if tried else ""
        raise BlobMissing(f"no party that {self._kubo.place} knows of has blob {short(root)}{why}")

    def lay(self, root: Root, data: memoryview) -> None:
        """See ``OpenPlace``."""
        self.put(root, data)

    def take(self, root: Root, most: int, holders: Sequence[Address]) -> Iterator[tuple[str, memoryview]]:
        """See ``OpenPlace``."""
        for cid in self._folder.cids(root):
            data = self._read(Hint(cid, ("the own Kubo",)), most, offline=True)
            if data is not None:
                yield f"{cid[:16]} of the own Kubo", data
        for hint in islice(self._hints.find(root, holders), MOST_HINTS):
            data = self._read(hint, most)
            if data is not None:
                yield f"{hint.cid[:16]} of {hint.peers[0][:16]}", data
            self._hints.failed(hint)

    def card(self) -> Card:
        """See ``Announces``."""
        if time.monotonic() >= self._carded + CARD_SECONDS:
            answer = self._kubo.call("id")
            addresses = (answer[-1].get("Addresses") if answer else None) or []
            self._card = Card(ipfs=best(map(str, addresses)) or self._kubo.value("ID", "id"))
            self._carded = time.monotonic()
        return self._card

    def tend(self) -> None:
        """See ``Announces``: cards are read when they are needed."""

    def has(self, root: Root) -> bool:
        """Say whether a node that uses this Kubo has put it there.

        Raises:
            StoreError: Kubo does not answer or refuses.
        """
        return bool(self._folder.cids(root))

    def announced(self, seconds: float) -> bool:
        """Wait until what was put can be found by others; say whether it can."""
        return self._announcer.wait(seconds)

    def close(self) -> None:
        """Let others know of what they do not know of yet, if that can be done soon; let go of connections."""
        self._announcer.close()
        self._kubo.close()

    def _read(self, hint: Hint, most: int, **options: object) -> memoryview | None:
        """Return what lies under a CID, unless it is longer."""
        try:
            data = self._kubo.read(hint.cid, most, 30 + most / SLOWEST, **options)
        except KuboComplaint as error:
            log.warning("%s", error)
            return None
        return data if data.nbytes <= most else None

    def _try(self, hint: Hint, root: Root, size: int, tried: dict[str, str], **options: object) -> memoryview | None:
        """Return what lies under a CID if it is the blob; note why not."""
        source = f"{hint.cid[:16]} of {hint.peers[0][:16]}"
        try:
            blob = self._kubo.read(hint.cid, size, 30 + size / SLOWEST, **options)
            if blob.nbytes < size:
                raise BlobCorrupt(f"blob {short(root)} from {source} ends after {blob.nbytes} of {size} bytes")
            return verified(blob, root, size, source)
        except (BlobCorrupt, KuboComplaint) as error:
            log.warning("%s", error)
            tried[hint.cid] = str(error)
            return None


def check(kubo: Kubo) -> None:
    """Ask a Kubo once, so that a wrong setting shows before anything starts.

    Raises:
        ConfigError: it is too old, or its name is taken.
        StoreError: it does not answer, or refuses.
    """
    version = kubo.value("Version", "version")
    found = re.match(r"(\d+)\.(\d+)\.", version)
    if not found:
        raise kubo.nonsense("version")
    if (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ConfigError("store.rpc_url", f"{kubo.place} is of version {version[:20]}; rayfed needs {oldest} or newer")
    free_name(kubo)
