"""What one node keeps in its Kubo: a folder in Kubo's own file system, which is at once list, index and protection.

``/rayfed/<federation>-<node>/<root in hex>`` is the blob as a file; one more folder on the way would cost whoever looks
another 10 ms. Kubo's garbage collection leaves alone what lies in that file system; the pin beside it covers the moment
between the two commands, and is what people look for.
"""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import threading
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import StoreError
from rayfed.store.files.disk import FileStore
from rayfed.store.ipfs.rpc import Kubo, KuboComplaint
from rayfed.store.verified import short

log = logging.getLogger(__name__)

TOP = "/rayfed"

MARK = "about-rayfed.txt"
"""A file that says what the folder is; by it a folder that rayfed has published is known."""

MARK_TEXT = b"Blobs of rayfed federations: <contract>-<node>/<root>. See the page on IPFS in rayfed's documents.\n"

CHUNK_BYTES = 1 << 20
"""The longest block that every IPFS implementation takes; the fewer blocks, the faster they travel."""

_CID = re.compile(r"[A-Za-z0-9]{46,128}")


class KuboFolder:
    """Puts blobs into one Kubo and takes them out again. Safe to use from several threads.

    What goes in stays until the node's own disk has let go of it: ``store.keep_rounds`` rules both. Only what this
    object saw on that disk is ever taken out, so a lost disk costs no blob here.

    Args:
        kubo: where.
        federation: the contract's address.
        disk: the node's own.
    """

    def __init__(self, kubo: Kubo, federation: Address, disk: FileStore) -> None:
        self._kubo = kubo
        self._disk = disk
        node = hashlib.sha256(f"{socket.gethostname()}:{disk.path}".encode()).hexdigest()[:12]
        self._federation = federation.lower()
        self._own = f"{TOP}/{self._federation}-{node}"
        self._lock = threading.Lock()
        self._ours: dict[Root, str] = {}  # CIDs of what lies there and on the disk

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob; what lay under its root before is replaced.

        Raises:
            StoreError: Kubo is full, does not answer, or refuses.
        """
        cid = self._kubo.value(
            "Hash",
            "add",
            blob=blob,
            seconds=30 + blob.nbytes / 1e6,
            cid_version=1,
            raw_leaves=True,
            chunker=f"size-{CHUNK_BYTES}",
            pin=True,
            pin_name=f"rayfed/{short(root)}",
            progress=False,
            quieter=True,
        )
        path = self._path(root)
        before = self._cid(path)
        if before != cid:
            self._kubo.call("files/cp", f"/ipfs/{plain_cid(cid)}", path, parents=True, force=True)
            if before is not None:
                self._unpin(root, before)
        if self._disk.has(root):
            with self._lock:
                self._ours[root] = cid

    def cids(self, root: Root) -> list[str]:
        """Return where any node that uses this Kubo has put a blob, each once; empty if none has.

        Raises:
            StoreError: Kubo does not answer.
        """
        try:
            top = plain_cid(self._kubo.value("Hash", "files/stat", TOP))
            return listed(self._kubo, f"/ipfs/{top}", self._federation, root, offline=True)
        except KuboComplaint:  # there is no such folder yet
            return []

    def top(self) -> str:
        """Return the CID of the folder that others may look into, as it is now.

        Raises:
            StoreError: Kubo does not answer.
        """
        mark = f"{TOP}/{MARK}"
        if self._cid(mark) is None:
            self._kubo.call(
                "files/write",
                mark,
                blob=memoryview(MARK_TEXT),
                create=True,
                parents=True,
                truncate=True,
            )
        return plain_cid(self._kubo.value("Hash", "files/stat", TOP))

    def tidy(self) -> int:
        """Take out what the node's own disk has let go of; return how many blobs went.

        Raises:
            StoreError: Kubo does not answer.
        """
        with self._lock:
            ours = dict(self._ours)
        gone = [root for root in ours if not self._disk.has(root)]
        for root in gone:
            try:
                self._kubo.call("files/rm", self._path(root))
            except KuboComplaint as error:
                log.info("%s", error)  # somebody took it out by hand
            self._unpin(root, ours[root])
            with self._lock:
                self._ours.pop(root, None)
        return len(gone)

    def adopt(self) -> None:
        """Note what lies there and on the disk since an earlier start.

        Raises:
            StoreError: Kubo does not answer.
        """
        try:
            answer = self._kubo.call("files/ls", self._own, long=True)
        except KuboComplaint:
            return  # no such folder yet
        entries = answer[-1].get("Entries") if answer else None
        for entry in entries or []:
            root = bytes.fromhex(entry["Name"])
            if self._disk.has(root):
                with self._lock:
                    self._ours.setdefault(root, entry["Hash"])

    def _unpin(self, root: Root, cid: str) -> None:
        """Let go of what lay under a root, unless another node that uses this Kubo keeps it."""
        if cid in self.cids(root):
            return
        try:
            self._kubo.call("pin/rm", cid)
        except KuboComplaint as error:
            log.info("%s", error)

    def _path(self, root: Root) -> str:
        return f"{self._own}/{root.hex()}"

    def _cid(self, path: str) -> str | None:
        try:
            return self._kubo.value("Hash", "files/stat", path)
        except KuboComplaint:
            return None


def plain_cid(text: str) -> str:
    """Return a CID that can stand in a path.

    Raises:
        StoreError: it is something else.
    """
    if not _CID.fullmatch(text):
        raise StoreError(f"store.rpc_url: {text[:20]!r} is no CID")
    return text


def listed(kubo: Kubo, folder: str, federation: Address, root: Root, most: int = 64, **options: Any) -> list[str]:
    """Return the CIDs that the folders of a federation's nodes have for a root, each once.

    Args:
        kubo: the own one.
        folder: the path ``/ipfs/...`` of what a party's Kubo has published.
        federation: the contract's address, in lower case.
        root: of the blob.
        most: nodes whose folders are looked into.

    Raises:
        KuboComplaint: there is no such folder, or not in time.
        StoreError: Kubo does not answer.
    """
    answer = kubo.call("ls", folder, resolve_type=False, size=False, **options)
    try:
        links = answer[0]["Objects"][0]["Links"] or []
        nodes = [plain_cid(link["Hash"]) for link in links if link["Name"].startswith(f"{federation}-")]
    except (LookupError, TypeError, AttributeError) as error:
        raise kubo.nonsense("ls") from error
    found: list[str] = []
    for node in nodes[:most]:
        try:
            path = kubo.value("Path", "resolve", f"/ipfs/{node}/{root.hex()}", **options)
        except KuboComplaint:
            continue  # this one has not got it
        found.append(plain_cid(path.removeprefix("/ipfs/")))
    return list(dict.fromkeys(found))
