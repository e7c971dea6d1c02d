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
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rayfed import blocks
from rayfed.errors import LedgerUnreachable, RayfedError
from rayfed.messages import Address, NodeRecord, NodeStatus, Root, Verdict
from rayfed.place import Place

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.ethereum import EthereumFederation
    from rayfed.messages import View
    from rayfed.node import EdgeNode, Progress

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.02, 1.0)
"""First and longest pause before asking again for something that no event announces."""

LAST_WORDS_SECONDS = 10
"""A host stays at least so long when all is over: the scribe has to hear that it is."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host is told: settings and places, never a key, a weight or a picture.

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
        self._statuses = {slot: NodeStatus(slot, "", None, 0, "starting") for slot in spec.slots}
        self._failed: dict[int, str] = {}
        self._records: list[NodeRecord] = []
        self._serve: Callable[[Root], Any] = lambda root: None
        self._stop = threading.Event()
        self._addresses: list[Address] = []
        threading.Thread(target=self._run, name="rayfed-host", daemon=True).start()

    # -- what peers and the starter may ask -------------------------------------------------------------------------

    def addresses(self) -> list[Address]:
        """Return the accounts of the nodes carried here; empty until their keys are made."""
        return list(self._addresses)

    def blob(self, root: Root) -> Any:
        """Return [ObjectRef of uint8 (size,)] of a blob that may be served, or None."""
        return self._serve(root)

    def status(self) -> list[NodeStatus]:
        """Return what each node says of itself right now."""
        for node in self._nodes:
            if node.slot not in self._failed:
                self._statuses[node.slot] = node.status
        return list(self._statuses.values())

    def records(self, since: int = 0) -> list[NodeRecord]:
        """Return the closed rounds' records, oldest first, from number ``since`` on."""
        return self._records[since:]

    def stop(self) -> None:
        """Stop stepping; the process may then be killed without harm."""
        self._stop.set()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._build()
            self._step_until_finished()
        except Exception as error:
            # The thread's last words: what is not said here would be lost with it.
            log.exception("host %s failed", self._spec.name)
            line = _line(error)
            for slot in self._spec.slots:
                self._fail(slot, line)
        self._stop.wait(max(LAST_WORDS_SECONDS, self._spec.settings.cluster.linger_seconds))
        self._exit()

    def _build(self) -> None:
        from rayfed.ledger.ethereum import EthereumFederation
        from rayfed.wiring import Wiring

        settings = self._spec.settings
        # A party of its own (slot -1) has the machine to itself; the hosts of a simulation share it.
        shared = -1 not in self._spec.slots
        hosts = math.ceil(settings.federation.nodes / settings.cluster.nodes_per_actor) if shared else 1
        blocks.set_threads(max(1, blocks.cores() // hosts))
        wiring = Wiring(settings, self._spec.place, Path(self._spec.state_dir))
        self._connection = EthereumFederation.open(
            self._spec.place.rpc_url,
            self._spec.place.federation,
            chain_id=self._spec.place.chain_id,
            ws_url=self._spec.place.ws_url,
            charter_hash=wiring.charter.hash,
            confirmations=settings.ledger.confirmations + 1,  # the block that holds it counts here
        )
        keys = {slot: wiring.key(slot) for slot in self._spec.slots}
        self._addresses = [key.address for key in keys.values()]
        for slot, key in keys.items():
            self._statuses[slot] = NodeStatus(slot, key.address, None, 0, "loading data")
            self._load_records(wiring.folder(slot))
        self._serve = wiring.serve
        for slot, key in keys.items():
            on_record = self._recorder(wiring.folder(slot))
            self._nodes.append(wiring.node(slot, self._connection.ledger(key, wiring.proof(key.address)), on_record))
        for node in self._nodes:
            self._wait_for_funds(node)

    def _wait_for_funds(self, node: EdgeNode) -> None:
        assert self._connection is not None
        pause = 0.05
        while self._connection.balance(node.address) == 0 and not self._stop.is_set():
            node.status = dataclasses.replace(node.status, doing="waiting for funds")
            self._stop.wait(pause)
            pause = min(2 * pause, 2.0)

    def _step_until_finished(self) -> None:
        from rayfed.node import Progress

        assert self._connection is not None
        pause, longest = RETRY_SECONDS
        while not self._stop.is_set():
            nodes = [node for node in self._nodes if node.slot not in self._failed]
            try:
                view = self._connection.view()
                for node in nodes:
                    self._guarded(node, partial(node.serve, view))
                progress = {self._step(node, view) for node in nodes if node.slot not in self._failed}
                if progress <= {Progress.FINISHED}:
                    return
                if Progress.ACTED in progress:
                    pause = RETRY_SECONDS[0]
                elif Progress.RETRY in progress:
                    self._stop.wait(pause)
                    pause = min(2 * pause, longest)
                else:
                    flying = any(node.in_flight for node in nodes)
                    self._connection.wait(view, 0.2 if flying else 30.0)
            except LedgerUnreachable as error:
                # The chain may come back at any time; until then there is nothing that a node could do.
                for node in nodes:
                    node.status = dataclasses.replace(node.status, error=str(error))
                self._stop.wait(longest)

    def _step(self, node: EdgeNode, view: View) -> Progress:
        from rayfed.node import Progress

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
