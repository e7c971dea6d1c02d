"""What a run leaves in its folder, and what it returns."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.config.files import REPORT as REPORT
from rayfed.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.messages import NodeStatus, Outcome
    from rayfed.reporting.mlflow import Tracker
    from rayfed.reporting.summary import Summary
    from rayfed.runtime.place import Place

log = logging.getLogger(__name__)

CHARTER = "charter.json"
SUMMARY = "summary.json"

RECORD_OUTAGE_SECONDS = 10.0
"""How long the end of a run waits for a chain that is gone: the record of what was said on it is worth that."""

RUN_ID_SECONDS = 20.0
"""How long the results wait at most for MLflow to have a run for them."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run.

    Attributes:
        summary: its figures; ``summary.json`` in ``folder`` holds the same.
        folder: where everything lies that the run has written.
        failed: the run's own nodes that failed for good and do not hold the final model; empty when all went well.
    """

    summary: Summary
    folder: Path
    failed: tuple[NodeStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Closing:
    """What the ledger says at the end, all of one moment.

    Attributes:
        outcomes: of all closed rounds.
        undone: rounds whose merge lost in court, or whose base did.
        statuses: what the nodes said, with what they have and have earned.
    """

    outcomes: tuple[Outcome, ...]
    undone: frozenset[int]
    statuses: tuple[NodeStatus, ...]

    @classmethod
    def of(cls, connection: Federation, statuses: Sequence[NodeStatus], first: int) -> Closing:
        """Read it, and again where a round was settled meanwhile: what was earned belongs to what is settled.

        Args:
            connection: to the federation.
            statuses: what the nodes said last.
            first: the block that the federation was founded in.
        """
        # Who only looks whether there is a run to carry on does without numpy, which these import.
        from rayfed.ledger.patience import patiently
        from rayfed.reporting.accounts import Earnings

        while True:
            view = patiently(connection.view)
            found = [patiently(partial(connection.outcome, round)) for round in range(1, view.round + 1)]
            fell = patiently(lambda: list(connection.events(first, names=["Undone"])))
            told = patiently(partial(Earnings(connection).added, view, statuses))
            after = patiently(connection.view)
            if (view.unsettled, view.finals) == (after.unsettled, after.finals):
                undone = {round for one in fell for round in range(one.values["round"], one.values["last"] + 1)}
                return cls(tuple(outcome for outcome in found if outcome is not None), frozenset(undone), told)


def nodes_dir(settings: Settings, output_dir: Path) -> Path:
    """Return the folder below which the nodes keep what is theirs."""
    return Path(settings.cluster.state_dir).expanduser() if settings.cluster.state_dir else output_dir / "nodes"


def write(path: Path, content: str | bytes, setting: str = "hydra.run.dir") -> None:
    """Write a file of the run, in one step: it is there whole or not at all.

    Raises:
        ConfigError: naming the setting that led there.
    """
    try:
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(content.encode() if isinstance(content, str) else content)
        new.replace(path)
    except OSError as error:
        raise ConfigError(setting, f"cannot write {path}: {error.strerror}") from error


def check_edition(folder: Path, setting: str) -> None:
    """Check that what a folder may hold of a run was not written by the first edition of the protocol.

    Raises:
        ConfigError: naming the setting that led here.
    """
    from rayfed.protocol.charter import VERSION

    try:
        charter = json.loads((folder / CHARTER).read_text())
    except (OSError, ValueError):
        return  # there is none, or it is not whole: whoever reads it says what is the matter
    version = charter.get("version") if isinstance(charter, dict) else None
    if isinstance(version, int) and version < VERSION:
        raise ConfigError(
            setting,
            f"the run in {folder} is of the first edition of the protocol, which this program does not carry on: take "
            "another folder, or the rayfed that began it",
        )


def finished(folder: Path) -> bool:
    """Whether the run with this output folder came to its end, with all that an audit needs."""
    from rayfed.audit import record

    return (folder / SUMMARY).exists() and (folder / record.FILE).exists()


def keep_record(place: Place, first: int, output_dir: Path) -> None:
    """Write down what the contract has said, however the run ends: for audits, since a devchain ends with the run.

    Args:
        first: the block that the federation was founded in.
    """
    from rayfed.audit import chain, record
    from rayfed.runtime.chain import watched

    try:
        connection = watched(place, RECORD_OUTAGE_SECONDS)
        write(output_dir / record.FILE, chain.read(connection, place.charter, first).to_json())
        connection.close()
    except LedgerError as error:
        log.warning("there is no record for an audit: %s", error)


def run_id_of(tracker: Tracker) -> str | None:
    """Return MLflow's name for the run; a short federation can be over before MLflow has made its database."""
    end = time.monotonic() + RUN_ID_SECONDS
    while tracker.run_id() is None and not tracker.problem() and time.monotonic() < end:
        time.sleep(0.1)
    return tracker.run_id()
