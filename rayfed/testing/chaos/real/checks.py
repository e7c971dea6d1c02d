"""What must hold after a run over real parts, whatever hit it: one named function a claim."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable

from rayfed.audit.folder import audit_folder
from rayfed.errors import LedgerError, RayfedError
from rayfed.testing.chaos.checks import Broken
from rayfed.testing.chaos.real.testbed import NODES, Testbed

STANDS = ("final", "settled")
"""Statuses of a round whose merge stands."""


def a_round_is_final(testbed: Testbed) -> None:
    """Some round is, and the last one among them."""
    rounds = testbed.summary().get("rounds", [])
    if not rounds or rounds[-1]["status"] not in STANDS:
        raise Broken(f"how the rounds ended: {[closed['status'] for closed in rounds]}")


def all_hold_the_final_model(testbed: Testbed) -> None:
    """Every node has the model that the ledger names on its own disk."""
    root = testbed.summary().get("final_root", "0x?").removeprefix("0x")
    holding = list((testbed.output / "nodes").glob(f"0x*/node-*/blobs/{root[:2]}/{root}"))
    if len(holding) != NODES:
        raise Broken(f"{len(holding)} of {NODES} nodes hold {root[:8]}")


def no_journal_contradicts_itself(testbed: Testbed) -> None:
    """No node wrote down two things for the same round, verb and context."""
    for path in (testbed.output / "nodes").glob("0x*/node-*/journal.jsonl"):
        said: dict[tuple[int, str, str], str] = {}
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            key = entry["round"], entry["verb"], entry["context"]
            if said.setdefault(key, entry["value"]) != entry["value"]:
                raise Broken(f"{path.parent.name} signed two things with {entry['verb']} in round {entry['round']}")


def the_audit_finds_nothing(testbed: Testbed) -> None:
    """A strict audit recomputes every merge from the record and the nodes' blobs."""
    try:
        report = audit_folder(testbed.output, strict=True)
    except RayfedError as error:  # no record, say
        raise Broken(f"there is nothing to audit: {error}") from error
    if not report.clean:
        raise Broken(f"the audit finds {[finding.line() for finding in report.findings][:10]}")


def no_round_is_lost(testbed: Testbed) -> None:
    """Where nothing happened that could cost a round, all are final."""
    lost = [closed["round"] for closed in testbed.summary().get("rounds", ()) if closed["status"] not in STANDS]
    if lost and not testbed.scenario.loses:
        raise Broken(f"rounds {lost} are lost")


def no_honest_stake_is_lost(testbed: Testbed) -> None:
    """Once all rounds are settled, every member has what it had put down."""
    try:
        stake = testbed.settled()
    except (TimeoutError, LedgerError) as error:
        raise Broken(f"the books cannot be closed: {error}") from error
    poor = [account for account in testbed.accounts if account.slashed or account.stake != stake]
    if poor or len(testbed.accounts) != NODES:
        raise Broken(f"{len(testbed.accounts)} members put down {stake} each; what is not so: {poor}")


def mlflow_knows_all(testbed: Testbed) -> None:
    """Every run in MLflow is finished and the federation's knows of every round, or the user was told that it is not.

    Its database is read, not its server asked: what was confirmed before the server was killed has to be there.
    """
    if testbed.ground.mlflow is None or WARNING in testbed.run.out:
        return
    with contextlib.closing(sqlite3.connect(f"file:{testbed.ground.mlflow.database}?mode=ro", uri=True)) as database:
        ended = [status for (status,) in database.execute("SELECT status FROM runs")]
        steps = {step for (step,) in database.execute("SELECT DISTINCT step FROM metrics WHERE key = 'included'")}
    rounds = {closed["round"] for closed in testbed.summary().get("rounds", ())}
    if ended != ["FINISHED"] * (1 + NODES) or steps != rounds:
        raise Broken(f"runs end as {ended}, and of rounds {sorted(rounds)} MLflow knows {sorted(steps)}")


def no_process_is_left(testbed: Testbed) -> None:
    """Nothing that the run started outlives it."""
    left = testbed.left()
    if left:
        raise Broken(f"still there: {sorted(left.values())}")


def no_file_is_left(testbed: Testbed) -> None:
    """No half-written file in the run's folder, nothing of rayfed's in the folder for temporary files."""
    left = [*testbed.output.rglob("*.part"), *testbed.output.rglob("*.new"), *testbed.temporary()]
    if left:
        raise Broken(f"still there: {sorted(path.name for path in left)}")


WARNING = "rayfed: track.tracking_uri:"
"""How the line begins that tells that not everything was recorded."""

Check = Callable[[Testbed], None]
CHECKS: tuple[Check, ...] = (
    a_round_is_final,
    all_hold_the_final_model,
    no_journal_contradicts_itself,
    the_audit_finds_nothing,
    no_round_is_lost,
    no_honest_stake_is_lost,
    mlflow_knows_all,
    no_process_is_left,
    no_file_is_left,
)
