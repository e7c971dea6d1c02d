"""The Ray actor: a process that carries edge nodes, one by default, several where a simulation needs hundreds.

All hosts are equal and none is needed by another. The loop starts in the constructor, not by a call from outside: when
Ray restarts a killed host, the constructor runs again and the nodes carry on from ledger, store and their own disks,
whether or not the process that started the federation still lives.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding import blocks
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError, LedgerUnreachable, RayfedError
from rayfed.ledger.relay import RelayPool
from rayfed.protocol.messages import NodeRecord, NodeStatus, Receipt, Signed, Verb
from rayfed.runtime.peers import Peers
from rayfed.runtime.place import Place

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger import Ledger
    from rayfed.ledger.ethereum.connection import EthereumFederation
    from rayfed.node.edge_node import EdgeNode, Progress
    from rayfed.node.watchtower import Watchtower
    from rayfed.protocol.messages import View

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.02, 1.0)
"""First and longest pause before asking again for something that no event announces."""

LAST_WORDS_SECONDS = 10
"""A host stays at least so long when all is over: the recorder has to hear that it is."""

IDLE_SECONDS = 10.0
"""How long a host rests at most: somebody may have gone to court, which changes no phase."""

FLYING_SECONDS = 0.2
"""How long a host rests at most while it does not know what became of something that it has sent."""

LOOK_SECONDS = 2.0
"""How often a host looks after the federation when all is over."""

STARVED = 137
"""A host's exit code where it found no memory; the one that the kernel's own killer would leave."""

NO_MEMORY = ("can't start new thread", "can't allocate memory", "cannot allocate memory", "not enough memory")
"""What Python, the kernel and torch say in a RuntimeError where there is none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host is told: settings and places, never a key, a weight or an image.

    Attributes:
        name: the actor's name in the federation's namespace.
        slots: which parts of the data its nodes own (-1: all that is at ``data.root``).
        state_dir: folder on the host's own disk; each node has its own folder below it.
    """

    name: str
    slots: tuple[int, ...]
    place: Place
    settings: Settings
    state_dir: str


class Host:
    """Carries ``EdgeNode``s: steps them in turn, waits without using the processor, serves their blobs to peers."""

    def __init__(self, spec: HostSpec) -> None:
        """Start the loop in the background and return at once."""
        self._spec = spec
        self._nodes: list[EdgeNode] = []
        self._connection: EthereumFederation | None = None
        self._watch: Watchtower | None = None
        self._pool = RelayPool(self._hand, self._tell)
        self._poster: Ledger | None = None
        self._peers = Peers(spec.place.namespace, spec.name)
        self._statuses = {slot: NodeStatus(slot, "", None, 0, "starting") for slot in spec.slots}
        self._failed: dict[int, str] = {}
        self._records: list[NodeRecord] = []
        self._serve: Callable[[Root], Any] = lambda root: None
        self._addresses: list[Address] = []
        threading.Thread(target=self._run, name="rayfed-host", daemon=True).start()

    # -- what peers and the starter may ask -------------------------------------------------------------------------

    def addresses(self) -> list[Address]:
        """Return the accounts of the nodes carried here; empty until their keys are made."""
        return list(self._addresses)

    def blob(self, root: Root) -> Any:
        """Return [ObjectRef of uint8 (size,)] of a blob that may be served, or None."""
        return self._serve(root)

    def take(self, verb: Verb, round: int, messages: dict[int, Signed]) -> None:
        """Take a peer's signed messages to post them; see ``rayfed.ledger.relay``."""
        self._pool.take(verb, round, messages)
        if self._connection is not None:
            self._connection.nudge()

    def told(self, verb: Verb, round: int, receipts: dict[int, Receipt]) -> None:
        """Learn from a peer what became of messages that it was given."""
        self._pool.told(verb, round, receipts)
        if self._connection is not None:
            self._connection.nudge()

    def status(self) -> list[NodeStatus]:
        """Return what each node says of itself right now."""
        for node in self._nodes:
            if node.slot not in self._failed:
                self._statuses[node.slot] = node.status
        return list(self._statuses.values())

    def records(self, since: int = 0) -> list[NodeRecord]:
        """Return the closed rounds' records, oldest first, from number ``since`` on."""
        return self._records[since:]

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._build()
            self._step_until_finished()
        except Exception as error:
            # The thread ends here: what is not said now would be lost with it.
            log.exception("host %s failed", self._spec.name)
            if self._nodes and starved(error):
                os._exit(STARVED)
            line = _line(error)
            for slot in self._spec.slots:
                self._fail(slot, line)
        self._linger()
        self._exit()

    def _linger(self) -> None:
        """Stay for a while, for those who still want a blob or an answer; settle, and claim what was earned."""
        from rayfed.node.watchtower import claim

        end = time.monotonic() + max(LAST_WORDS_SECONDS, self._spec.settings.cluster.linger_seconds)
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            if self._connection is None:
                continue
            try:
                view = self._connection.view()
                for node in self._nodes:
                    node.collect(view)
                if not self._look_after(view):
                    for node in self._nodes:
                        claim(node.ledger, self._spec.settings.ledger.payout_address or node.address)
            except LedgerError as error:
                log.warning("after the end: %s", error)

    def _build(self) -> None:
        from rayfed.ledger.ethereum.accounts import open_door
        from rayfed.ledger.ethereum.connection import EthereumFederation
        from rayfed.ledger.patience import OUTAGE_SECONDS, patiently
        from rayfed.node.training import ThreadWorker
        from rayfed.runtime.assembly import Assembly

        settings = self._spec.settings
        # A party of its own (slot -1) has the machine to itself; the hosts of a simulation share it.
        shared = -1 not in self._spec.slots
        hosts = math.ceil(settings.federation.nodes / settings.cluster.nodes_per_actor) if shared else 1
        blocks.set_threads(max(1, blocks.cores() // hosts))
        assembly = Assembly(settings, self._spec.place, Path(self._spec.state_dir))
        place = self._spec.place
        self._connection = patiently(
            lambda: EthereumFederation.open(
                place.rpc_url,
                place.federation,
                chain_id=place.chain_id,
                ws_url=place.ws_url,
                charter_hash=assembly.charter.hash,
                confirmations=settings.ledger.confirmations + 1,  # the block that holds it counts here
            ),
            # Who starts again was connected before: whatever keeps the chain away is not a wrong setting.
            math.inf if _was_restarted() else OUTAGE_SECONDS,
        )
        keys = {slot: assembly.key(slot) for slot in self._spec.slots}
        self._addresses = [key.address for key in keys.values()]
        for slot, key in keys.items():
            self._statuses[slot] = NodeStatus(slot, key.address, None, 0, "loading data")
            self._load_records(assembly.folder(slot))
        self._serve = assembly.serve
        for slot, key in keys.items():
            on_record = self._recorder(assembly.folder(slot))
            pool = self._pool if settings.cluster.relay else None
            ledger = open_door(self._connection, key, assembly.proof(key.address), pool)
            node = assembly.node(slot, ledger, on_record, self._distrusts, ThreadWorker(self._connection.nudge))
            self._nodes.append(node)
            if pool is not None and self._poster is None:
                self._poster = ledger.handle()
            if self._watch is None:  # one looks after the federation for all nodes of a process
                self._watch = assembly.watchtower(node)
        for node in self._nodes:
            self._wait_for_funds(node)

    def _wait_for_funds(self, node: EdgeNode) -> None:
        from rayfed.ledger.patience import patiently

        assert self._connection is not None
        balance, pause = partial(self._connection.balance, node.address), 0.05
        while patiently(balance, math.inf) == 0:
            node.kit.board.show(doing="waiting for funds")
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _step_until_finished(self) -> None:
        from rayfed.node.edge_node import Progress

        assert self._connection is not None
        pause, longest = RETRY_SECONDS
        while True:
            nodes = [node for node in self._nodes if node.slot not in self._failed]
            try:
                view = self._connection.view()
                for node in nodes:
                    self._guarded(node, partial(node.serve, view))
                progress = {self._step(node, view) for node in nodes if node.slot not in self._failed}
                again = None if self._poster is None else self._pool.step(view, self._poster)
                watched = self._look_after(view)
                if progress <= {Progress.FINISHED} and again is None:
                    if self._watch is None or self._watch.is_satisfied(view):
                        return
                    progress = {Progress.RETRY}
                if watched:
                    progress.add(Progress.ACTED)
                if Progress.ACTED in progress:
                    pause = RETRY_SECONDS[0]
                elif Progress.RETRY in progress:
                    time.sleep(pause)
                    pause = min(2 * pause, longest)
                else:
                    rest = IDLE_SECONDS if again is None else again
                    flying = any(node.in_flight or node.ledger.is_sending for node in nodes)
                    if flying or (self._watch is not None and self._watch.is_sending):
                        rest = min(rest, FLYING_SECONDS)
                    self._connection.wait(view, rest)
            except LedgerUnreachable as error:
                # The chain may come back at any time; until then there is nothing that a node could do.
                for node in nodes:
                    node.kit.board.note(str(error))
                time.sleep(longest)

    def _hand(self, turn: int, verb: Verb, round: int, messages: Mapping[int, Signed]) -> bool:
        peer = self._peers.whose(turn)
        if peer is None:
            return False
        peer.take.remote(verb, round, dict(messages))
        return True

    def _tell(self, verb: Verb, round: int, receipts: Mapping[int, Receipt]) -> None:
        for peer in self._peers.others():
            peer.told.remote(verb, round, dict(receipts))

    def _distrusts(self) -> bool:
        return self._watch is not None and self._watch.distrusts()

    def _look_after(self, view: View) -> bool:
        """Check what has become final, and answer those who ask; say whether anything was done."""
        if self._watch is None:
            return False
        try:
            return self._watch.step(view)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            # No coins for a bond, say. Rounds go on without, and it is tried again at the next look.
            log.warning("watching the federation: %s", error)
            return False

    def _step(self, node: EdgeNode, view: View) -> Progress:
        from rayfed.node.edge_node import Progress

        progress = self._guarded(node, partial(node.step, view))
        return Progress.FINISHED if progress is None else progress

    def _guarded(self, node: EdgeNode, work: Callable[[], T]) -> T | None:
        """Let a node work; None if it failed, which is told in its status."""
        try:
            return work()
        except LedgerUnreachable:
            raise
        except Exception as error:
            # One node's trouble (a full disk, diverged training) is not its neighbours': it stops, they go on.
            log.exception("node %s failed", node.address)
            if starved(error):
                os._exit(STARVED)
            self._fail(node.slot, _line(error))
            return None

    def _fail(self, slot: int, line: str) -> None:
        self._failed[slot] = line
        known = {node.slot: node.status for node in self._nodes}.get(slot, self._statuses[slot])
        self._statuses[slot] = dataclasses.replace(known, doing="failed", error=line)

    def _exit(self) -> None:
        import ray

        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)

    # -- records: on disk, so that a restart forgets nothing; to the tracker, which is never waited for -------------

    def _recorder(self, folder: Path) -> Callable[[NodeRecord], None]:
        def keep(record: NodeRecord) -> None:
            with (folder / "records.jsonl").open("a") as file:
                file.write(json.dumps(dataclasses.asdict(record)) + "\n")
            self._records.append(record)

        return keep

    def _load_records(self, folder: Path) -> None:
        path = folder / "records.jsonl"
        if path.exists():
            for line in path.read_text().splitlines(keepends=True):
                if not line.endswith("\n"):
                    break  # killed in the middle of it
                fields = json.loads(line)
                fields["verdicts"] = tuple(Verdict(**v) for v in fields["verdicts"])
                self._records.append(NodeRecord(**fields))


def starved(error: BaseException | None) -> bool:
    """Say whether there was no memory for something: Python, the kernel and torch each have words of their own for it.

    Nothing is wrong with the node then. Its process ends, as the kernel might have ended it a moment later, which gives
    all of its memory back; Ray starts it again, and it carries on from its disk.
    """
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _was_restarted() -> bool:
    import ray

    return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _line(error: Exception) -> str:
    """Return in one line what ended a node, with the setting to change where that is known."""
    if isinstance(error, RayfedError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EACCES,
        errno.EROFS,
    ):
        return f"cluster.state_dir: a node cannot write to its own folder: {error.strerror}"
    return f"{type(error).__name__}: {error}"
