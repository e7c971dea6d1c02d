"""Lets other parties know what a Kubo has: in the background, since the public network takes seconds for that."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError, StoreError
from rayfed.store.ipfs.folder import MARK, KuboFolder
from rayfed.store.ipfs.peers import meeting_block, meeting_cid
from rayfed.store.ipfs.rpc import Kubo, KuboComplaint

log = logging.getLogger(__name__)

PUBLISH_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0

TTL = "1s"
"""How long others may believe an old folder: lookups are by the root, and a new one appears every round."""

EMPTY = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
"""The empty folder, which a new Kubo publishes."""

CLOSE_SECONDS = 10.0
"""How long ``close`` waits for what is not announced yet."""


class Announcer:
    """Publishes a Kubo's folder under its name again after every change; a failure is logged, and tried again.

    Args:
        kubo: the party's own.
        federation: the contract's address.
        folder: what is published.
    """

    def __init__(self, kubo: Kubo, federation: Address, folder: KuboFolder) -> None:
        self._kubo = kubo
        self._federation = federation
        self._folder = folder
        self._state = threading.Condition()
        self._wanted = self._done = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        """Have the folder published as it is from now on; returns at once."""
        with self._state:
            self._wanted += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rayfed-ipfs-announcer", daemon=True)
                self._thread.start()
            self._state.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until all changes are published; say whether they are."""
        with self._state:
            wanted = self._wanted
            return self._state.wait_for(lambda: self._done >= wanted, seconds)

    def close(self) -> None:
        """Publish what is not published yet, if that can be done soon, and end."""
        self.wait(CLOSE_SECONDS)
        with self._state:
            self._closed = True
            self._state.notify_all()

    def _run(self) -> None:
        begun = met = False
        pause = FIRST_PAUSE
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closed or self._wanted > self._done)
                if self._closed:
                    return
                wanted = self._wanted
            try:
                if not begun:
                    free_name(self._kubo)
                    self._folder.adopt()
                    begun = True
                self._folder.tidy()
                self._publish()
                if not met:
                    self._meet()
                    met = True
                pause = FIRST_PAUSE
                with self._state:
                    self._done = wanted
                    self._state.notify_all()
            except (StoreError, ConfigError) as error:
                log.warning("%s; others cannot find what this node keeps until that is over", error)
                with self._state:
                    self._state.wait_for(lambda: self._closed, pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _publish(self) -> None:
        """Publish the folder, until it is the one that is there: another process may have changed it meanwhile."""
        published = None
        while (top := self._folder.top()) != published:
            options: dict[str, Any] = {"key": "self", "allow_offline": True, "resolve": False, "ttl": TTL}
            began = time.monotonic()
            self._kubo.call("name/publish", f"/ipfs/{top}", seconds=PUBLISH_SECONDS, **options)
            log.debug("published %s in %.1f s", top, time.monotonic() - began)
            published = top

    def _meet(self) -> None:
        """Say to provide the block by which parties of a federation meet."""
        block = memoryview(meeting_block(self._federation))
        cid = self._kubo.value("Key", "block/put", blob=block, pin=True)
        if cid != meeting_cid(self._federation):
            raise self._kubo.nonsense("block/put")
        try:
            self._kubo.call("routing/provide", cid, seconds=PUBLISH_SECONDS)
        except KuboComplaint as error:  # no routing, or nobody else there yet; Kubo itself goes on trying
            log.info("%s", error)


def free_name(kubo: Kubo) -> str:
    """Return a Kubo's own name, under which nothing but a folder of rayfed's is published.

    Raises:
        ConfigError: something else is.
        StoreError: Kubo does not answer.
    """
    name = kubo.value("ID", "id")
    try:
        there = kubo.value("Path", "name/resolve", name, offline=True)
    except KuboComplaint:
        return name  # nothing published yet
    if there == f"/ipfs/{EMPTY}":
        return name
    try:
        kubo.call("resolve", f"{there}/{MARK}", offline=True)
    except KuboComplaint as error:
        raise ConfigError(
            "store.rpc_url",
            f"{kubo.place} has published something else under its own name (/ipns/{name}), which rayfed would replace; "
            "give rayfed a Kubo of its own",
        ) from error
    return name
