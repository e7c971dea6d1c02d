"""Blobs from the peers within one Ray cluster, by way of the host actors that carry them."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.store.ray.directory import Directory
from rayfed.store.verified import short, verified

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
TRANSFER_SECONDS = 120.0


class PeerFetch:
    """Asks hosts for blobs. Safe to use from several threads.

    Hosts are found by a ``Directory``, and have two methods:

    - ``addresses() -> list[str]``: the members that the host carries now;
    - ``blob(root) -> list[ObjectRef] | None``: the first answer that is not None of its nodes' ``server.blob(root)``.

    Both must be answered while the host's nodes are at work (``max_concurrency`` above 1): nodes wait for each other.

    Trust: every answer is hashed, so a peer cannot pass off other bytes. But Ray unpickles whatever comes out of an
    actor, and unpickling runs code, here as in anything else that uses Ray: one cluster is one trust domain. Parties
    that distrust each other bring a cluster each and share a ``files`` or ``s3`` store, out of which only bytes come.

    Args:
        directory: finds the hosts.
        answer_seconds: how long a host has to answer.
        transfer_seconds: how long a blob may be on its way from another machine.
    """

    def __init__(
        self,
        directory: Directory,
        answer_seconds: float = ANSWER_SECONDS,
        transfer_seconds: float = TRANSFER_SECONDS,
    ) -> None:
        self._directory = directory
        self._answer_seconds = answer_seconds
        self._transfer_seconds = transfer_seconds
        self._turn = itertools.count(secrets.randbelow(1 << 16))

    def fetch(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked: a view of Ray's shared memory, which stays as long as the view.

        Holders are asked one after the other, each caller beginning with another one; all of them together have the
        time of one transfer, or a few that stall would keep a node from its phase.

        Args:
            root: what to fetch.
            size: how long it must be.
            holders: members that should have it; none means to ask every host.

        Raises:
            BlobMissing: no holder handed it over, and one of them may yet do so.
            BlobCorrupt: every holder answered, and with another size or another hash.
            StoreError: this process is in no Ray cluster.
        """
        start = next(self._turn) % len(holders) if holders else 0
        corrupt: BlobCorrupt | None = None
        hosts = self._directory.hosts([*holders[start:], *holders[:start]])
        later = not self._directory.knows(holders)  # whether somebody may still come up with it
        end = time.monotonic() + self._answer_seconds + self._transfer_seconds
        for name, host in hosts:
            if time.monotonic() >= end:
                later = True
                break
            try:
                blob = self._ask(host, root, end)
                if blob is not None:
                    return verified(_plain(blob, root, name), root, size, name)
                later = True
            except RayError as error:  # first: what a peer raised is a RayError and of the class that it raised
                log.info("%s did not hand over blob %s (%s)", name, short(root), type(error).__name__)
                self._directory.forget(name)
                later = True
            except BlobCorrupt as error:
                log.warning("%s", error)
                corrupt = error
        if corrupt is not None and not later:
            raise corrupt
        raise BlobMissing(f"none of the peers has blob {short(root)}")

    def _ask(self, host: Any, root: Root, end: float) -> object | None:
        """Return what the host has under this root, not looked at yet, or None.

        Raises:
            RayError: it is dead, starting again, too slow, or failed.
        """
        seconds = min(self._answer_seconds, max(0.0, end - time.monotonic()))
        answer: object = ray.get(host.blob.remote(root), timeout=seconds)
        if not (isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], ray.ObjectRef)):
            return answer  # None, or nonsense that ``_plain`` finds out
        blob: object = ray.get(answer[0], timeout=max(0.0, end - time.monotonic()))
        return blob


def _plain(blob: object, root: Root, source: str) -> memoryview:
    """Return the bytes of a plain array of bytes; a peer may have sent anything."""
    # ``type(...) is``, not isinstance: a subclass could behave differently from one read to the next.
    if not (type(blob) is np.ndarray and blob.dtype == np.uint8 and blob.ndim == 1 and blob.flags.c_contiguous):
        raise BlobCorrupt(f"{source} answered with something other than bytes for blob {short(root)}")
    return blob.data
