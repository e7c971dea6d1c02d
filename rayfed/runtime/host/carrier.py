"""A process that carries edge nodes: what it answers to others, and its course from the start to the end.

It has three lives that never wait for each other: rounds, relay, watchtower. The course starts in the constructor, not
by a call from outside: whoever starts a killed process again has its nodes carry on from ledger, store and their own
disks, whether or not the process that started the federation still lives.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.messages import NodeRecord, NodeStatus, Receipt, Signed, Verb
from rayfed.runtime.host.failure import STARVED, in_one_line, starved
from rayfed.runtime.host.records import RecordBook
from rayfed.runtime.host.spec import HostSpec

if TYPE_CHECKING:
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.messages import View
    from rayfed.runtime.host.build import Builder, Lives
    from rayfed.runtime.model_files import ModelFiles
    from rayfed.runtime.transport import Transport

log = logging.getLogger(__name__)

LAST_SECONDS = 10
"""A host stays at least so long when all is over: the recorder has to hear that it is."""

LOOK_SECONDS = 0.25
"""How often it is looked at whether all is over."""


class Carrier:
    """Follows ``HostService``.

    Args:
        spec: what it is told.
        transport: reaches the other hosts.
        restarted: whether this process was there before and died.
        leave: called at the very end, to end the process.
    """

    def __init__(self, spec: HostSpec, transport: Transport, restarted: bool, leave: Callable[[], None]) -> None:
        """Start in the background and return at once."""
        from rayfed.runtime.host.relay import RelayLife

        self._spec = spec
        self._transport = transport
        self._restarted = restarted
        self._leave = leave
        self._connection: Federation | None = None
        self._builder: Builder | None = None
        self._lives: Lives | None = None
        self._relay = RelayLife(self._view, transport, self._note, self._wake_rounds)
        self._book = RecordBook()
        self._before: dict[int, NodeStatus] = {}  # statuses of nodes that are not built yet
        self._serve: Callable[[Root], Any] = lambda root: None
        self._addresses: list[Address] = []
        for slot in spec.slots:
            self._show(NodeStatus(slot, "", None, 0, "starting"))
        transport.serve(self)
        threading.Thread(target=self._run, name="rayfed-host", daemon=True).start()

    # -- what others may ask ----------------------------------------------------------------------------------------

    def addresses(self) -> list[Address]:
        """See ``HostService``."""
        return list(self._addresses)

    def blob(self, root: Root) -> Any:
        """See ``HostService``."""
        return self._serve(root)

    def take(self, verb: Verb, round: int, context: bytes, messages: Mapping[int, Signed]) -> None:
        """See ``HostService``."""
        self._relay.take(verb, round, context, messages)

    def told(self, verb: Verb, round: int, context: bytes, receipts: Mapping[int, Receipt]) -> None:
        """See ``HostService``."""
        self._relay.told(verb, round, context, receipts)

    def status(self) -> list[NodeStatus]:
        """See ``HostService``."""
        lives = self._lives
        return list(self._before.values()) if lives is None else [node.status for node in lives.nodes]

    def records(self, since: int = 0) -> list[NodeRecord]:
        """See ``HostService``."""
        return self._book.since(since)

    def model(self, root: Root) -> ModelFiles | None:
        """Return the whole model of this root, if a node here holds it: for the starter, which knows no weights.

        Raises:
            ConfigError: see ``model_files.held``.
        """
        from rayfed.runtime import model_files

        return None if self._lives is None else model_files.held(self._lives.nodes, root, self._spec.place)

    def depart(self) -> None:
        """Have the nodes leave, and their stakes and bonds paid out, once all is over; returns at once."""
        if self._lives is not None:
            self._lives.watch.begin_to_depart()

    # -- the course -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._live(self._build())
        except Exception as error:
            # What is not said here would be lost with the thread.
            log.exception("host %s failed", self._spec.name)
            if self._builder is not None and self._builder.has_built and starved(error):
                os._exit(STARVED)
            for status in list(self._before.values()):
                self._show(dataclasses.replace(status, doing="failed", error=in_one_line(error)))
            time.sleep(_linger_seconds(self._spec))
        self._leave()

    def _build(self) -> Lives:
        from rayfed.runtime.assembly import Assembly
        from rayfed.runtime.host.build import Builder

        spec = self._spec
        assembly = Assembly(spec.settings, spec.place, Path(spec.state_dir), self._transport.fetch)
        builder = self._builder = Builder(spec, assembly, self._relay, self._book, self._show)
        self._connection = builder.connect(self._restarted)
        self._addresses = [assembly.key(slot).address for slot in spec.slots]
        self._serve = assembly.serve
        return builder.lives(self._connection, self._wake_rounds)

    def _live(self, lives: Lives) -> None:
        """Let the lives run until nothing is left to be done, and has been left for a while.

        In that while others may still want a blob or an answer, and what was earned is claimed; and a chain that goes
        back has the nodes go on.
        """
        self._lives = lives
        lives.start()
        while True:
            while not lives.are_over:
                time.sleep(LOOK_SECONDS)
            lives.watch.begin_to_claim()
            end = time.monotonic() + _linger_seconds(self._spec)
            while lives.are_over:
                if time.monotonic() > end:
                    return
                time.sleep(LOOK_SECONDS)

    # -- what the lives ask -----------------------------------------------------------------------------------------

    def _view(self) -> View:
        if self._connection is None:
            raise RuntimeError("a life began before there was a connection")
        return self._connection.view()

    def _wake_rounds(self) -> None:
        if self._lives is not None:
            self._lives.rounds.wake()

    def _note(self, line: str) -> None:
        if self._lives is not None:
            for node in self._lives.nodes:
                node.kit.board.hear(line)

    def _show(self, status: NodeStatus) -> None:
        self._before[status.slot] = status


def _linger_seconds(spec: HostSpec) -> float:
    return max(LAST_SECONDS, spec.settings.cluster.linger_seconds)
