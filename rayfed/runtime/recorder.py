"""The recorder: a Ray actor beside the nodes that watches and writes down, and that nobody waits for.

It runs in the federation's own cluster, so the records are complete even if the process that started the federation
is gone. It holds no key and no vote: it reads the ledger and asks the nodes what they say of themselves. When all are
finished it fetches the final model from the store by its root, like anybody else could, and hands it to MLflow. It goes
on looking for as long as the nodes stay: where the chain goes back behind the end, or the court undoes the last round,
what came of the run is another thing when it is over again, and is told and recorded anew.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerUnreachable, RayfedError
from rayfed.protocol.messages import NodeRecord, NodeStatus, Phase, View
from rayfed.reporting.accounts import Earnings
from rayfed.reporting.notices import Notices
from rayfed.reporting.timeline import History
from rayfed.runtime import cluster, log_files
from rayfed.runtime.facts import Ending, facts
from rayfed.runtime.lost import LostHosts
from rayfed.runtime.place import Place
from rayfed.runtime.recording import Recording
from rayfed.runtime.results import Closing, run_id_of
from rayfed.runtime.transport import RayTransport, Transport

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.reporting.mlflow import Tracker
    from rayfed.reporting.summary import Summary

log = logging.getLogger(__name__)

RECORDER = "recorder"
"""The recorder's name in the federation's namespace."""

WATCH_SECONDS = 0.25
"""How often the recorder looks at the ledger and the nodes."""

OVER_SECONDS = 1.0
"""The same once all is over."""

ASK_SECONDS = 5.0
"""How long a host may take to answer before it counts as away for this look."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the recorder sees right now.

    Attributes:
        notices: lines on members that are left out, all so far, the oldest first.
        summary, page: what came of the run, and the page that tells it, once everything is over; None and empty again
            while the chain has gone back behind that.
        recorded: MLflow has been told all of it, or cannot be told.
        error: the last trouble, in one line.
        failed: the recorder cannot go on.
    """

    view: View | None
    statuses: tuple[NodeStatus, ...]
    notices: tuple[str, ...] = ()
    summary: Summary | None = None
    page: str = ""
    recorded: bool = False
    error: str = ""
    failed: bool = False


class Recorder:
    """Watches a federation; keeps its records in MLflow."""

    def __init__(
        self,
        settings: Settings,
        config: dict[str, Any],
        place: Place,
        started: float,
        folder: str,
        state_dir: str,
        only: str | None = None,
    ) -> None:
        """Start watching in the background and return at once.

        Args:
            settings: the run's.
            config: the same as plain containers, for the records.
            place: where the federation lives.
            started: when the run was started, seconds since the epoch.
            folder: the starter's working folder, where the default MLflow database is.
            state_dir: folder for what the recorder fetches.
            only: the host whose nodes are recorded, where a party has just that one; None: all that there are.
        """
        log_files.begin(log_files.of_process(Path(state_dir), place.federation, RECORDER))
        self._settings = settings
        self._config = config
        self._place = place
        self._started = started
        self._folder = folder
        self._state_dir = state_dir
        self._snapshot = Snapshot(None, ())
        self._history = History()
        self._statuses: dict[Address | int, NodeStatus] = {}
        self._records: list[NodeRecord] = []
        self._read: dict[str, int] = {}
        self._only = only
        self._end: Ending | None = None
        self._transport: Transport = RayTransport(place.federation, RECORDER)
        self._carries: dict[str, list[Address | int]] = {}  # whose statuses came from a host, by its name
        self._lost = LostHosts()
        threading.Thread(target=self._run, name="rayfed-recorder", daemon=True).start()

    def snapshot(self) -> Snapshot:
        """Return what there is to see."""
        return self._snapshot

    def settled(self) -> tuple[Summary, str] | None:
        """Return summary and page anew, with what has been settled and earned since all was over; None: it is not."""
        end = self._end
        return None if end is None else self._tell(end)

    # -- the loop ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            # The thread ends here: the starter shows this line.
            log.exception("the recorder failed")
            line = str(error) if isinstance(error, RayfedError) else f"{type(error).__name__}: {error}"
            self._snapshot = dataclasses.replace(self._snapshot, error=line, failed=True)
            time.sleep(self._settings.cluster.linger_seconds)
        _leave()

    def _watch(self) -> None:
        from rayfed.ledger import registry
        from rayfed.ledger.patience import patiently
        from rayfed.protocol.charter import Charter

        charter = Charter.from_json(self._place.charter)
        place = self._place
        backend = registry.at(place.locator)
        connection = patiently(lambda: backend.connect(place.federation, charter.hash, follow=True))
        notices = Notices(connection.outcome)
        recording = Recording(self._settings, self._config, place, charter, self._started, self._folder, self._only)
        tracker, earnings, leaves = recording.begin(), Earnings(connection), math.inf
        while time.monotonic() < leaves:
            time.sleep(WATCH_SECONDS if self._end is None else OVER_SECONDS)
            self._ask_hosts(tracker)
            try:
                view = connection.view()
                statuses = earnings.added(view, sorted(self._statuses.values(), key=lambda s: (s.slot, s.address)))
                self._history.observe(view, statuses, time.monotonic())
                lines = notices.look(view, self._history.views, self._records, statuses)
            except LedgerUnreachable as error:
                if self._end is None:
                    self._snapshot = dataclasses.replace(self._snapshot, error=str(error))
                continue
            if self._end is not None and self._end.holds(view):
                self._snapshot = dataclasses.replace(self._snapshot, view=view)
                continue
            if self._end is not None:
                log.warning("the last round is open again, or another one: what came of it is told anew")
                self._end, tracker = None, recording.begin()
                leaves = math.inf if self._carries else leaves  # without hosts nobody may ever end it
            self._snapshot = Snapshot(view, statuses, lines)
            if view.phase is Phase.DONE:
                self._give_up()
            if view.phase is Phase.DONE and statuses and all(s.doing in ("finished", "failed") for s in statuses):
                run_id = run_id_of(tracker) if tracker else None
                self._end = Ending(charter, connection, view, max(0.0, time.time() - self._started), run_id)
                self._write_down(self._end, recording, tracker)
                leaves = time.monotonic() + self._settings.cluster.linger_seconds

    def _ask_hosts(self, tracker: Tracker | None) -> None:
        names = [name for name in self._transport.peers() if self._only in (None, name)]
        for name in self._carries.keys() - set(names):
            self._bury(name, "its host is gone")
        asked = {
            name: (
                self._transport.ask(name, "status"),
                self._transport.ask(name, "records", self._read.get(name, 0)),
                self._transport.ask(name, "machine"),
            )
            for name in names
        }
        wait([answer for three in asked.values() for answer in three], ASK_SECONDS)
        answered: dict[str, str] = {}
        for name, (statuses, records, machine) in asked.items():
            if all(answer.done() and answer.exception() is None for answer in (statuses, records, machine)):
                self._heard(name, statuses.result(), records.result(), tracker)
                answered[name] = machine.result()
            # Else it was killed and is not yet there again, or it is busy starting: what it said last still stands.
        self._lost.look(names, answered)

    def _heard(
        self, name: str, statuses: Sequence[NodeStatus], records: Sequence[NodeRecord], tracker: Tracker | None
    ) -> None:
        known = {self._statuses[who].slot: who for who in self._carries.get(name, []) if isinstance(who, str)}
        # A host that has just started again does not know its nodes' accounts yet.
        statuses = [dataclasses.replace(one, address=one.address or known.get(one.slot, "")) for one in statuses]
        self._carries[name] = [status.address or status.slot for status in statuses]
        self._statuses.update({status.address or status.slot: status for status in statuses})
        for status in statuses:
            if status.address:
                self._statuses.pop(status.slot, None)
        self._read[name] = self._read.get(name, 0) + len(records)
        self._records += records
        if tracker is not None:
            for record in records:
                tracker.record(record)

    def _give_up(self) -> None:
        """Wait no longer, in a federation that is done, for hosts that cannot finish any more; see ``LostHosts``."""
        carried = {name: [self._statuses[who] for who in whose] for name, whose in self._carries.items()}
        for name, why in self._lost.hopeless(carried, cluster.machines).items():
            log.warning("%s is given up: %s", name, why)
            cluster.end_actor(self._place.namespace, name)
            self._bury(name, why)

    def _bury(self, name: str, why: str) -> None:
        """Nobody waits for the nodes of a host that has ended for good: one that left, or was stopped by its party."""
        for who in self._carries.pop(name, []):
            last = self._statuses.get(who)
            if last is not None and last.doing not in ("finished", "failed"):
                self._statuses[who] = dataclasses.replace(last, doing="failed", error=why)

    # -- the end ----------------------------------------------------------------------------------------------------

    def _tell(self, end: Ending) -> tuple[Summary, str]:
        """Return what came of the run by what the ledger says now, and the page that tells it."""
        from rayfed.ledger.patience import patiently
        from rayfed.reporting.html_report import page
        from rayfed.reporting.summarise import build

        frozen = end.charter.layout.frozen
        closing = Closing.of(end.connection, self._snapshot.statuses, patiently(end.connection.founded))
        told = build(
            facts(self._settings),
            federation=self._place.federation,
            chain_id=self._place.chain_id,
            charter_hash=end.charter.hash,
            outcomes=closing.outcomes,
            members=end.view.members,
            undone=closing.undone,
            records=self._records,
            statuses=closing.statuses,
            views=self._history.views.values(),
            wall_seconds=end.seconds,
            mlflow_run_id=end.run_id,
            metric=end.charter.data.metric,
            parameters=end.charter.layout.size,
            update_bytes=end.charter.blob_layout.update_size,
            frozen=frozen.parameters if frozen else 0,
        )
        return told, page(told, self._history)

    def _write_down(self, end: Ending, recording: Recording, tracker: Tracker | None) -> None:
        told, html = self._tell(end)
        self._snapshot = dataclasses.replace(self._snapshot, summary=told, page=html)
        if tracker is not None:
            problem = recording.end(tracker, end, told, html, Path(self._state_dir) / "recorder")
            self._snapshot = dataclasses.replace(self._snapshot, error=problem)
        self._snapshot = dataclasses.replace(self._snapshot, recorded=True)


def _leave() -> None:
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
