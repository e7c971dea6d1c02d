"""What the process that has started a federation does while it runs: it looks, shows, and sees to the nodes' gas."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rayfed.errors import LedgerUnreachable, RayfedError
from rayfed.ledger.patience import patiently
from rayfed.protocol.court_policy import unsettled
from rayfed.protocol.messages import Phase
from rayfed.runtime.cluster import Actor, ask

if TYPE_CHECKING:
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.messages import NodeStatus, View
    from rayfed.reporting.live_table import LiveDisplay
    from rayfed.reporting.summary import Summary
    from rayfed.runtime.recorder import Snapshot

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
"""How often the display is brought up to date."""

SETTLED_SECONDS = 1.0
"""How often to look whether all is settled."""

CLAIM_SECONDS = 60.0
"""How long the starter waits at the end for the nodes to claim what is theirs."""

RECORD_SECONDS = 600
"""How long the starter waits at the end for what goes to MLflow; the recorder gives up long before, if nothing goes."""


def until_over(
    recorder: Actor, display: LiveDisplay, look: Callable[[View | None], None], since: int = 0
) -> tuple[Snapshot, Summary]:
    """Show what the recorder sees until all is over.

    Args:
        look: told of each view, to see to it that the nodes have what they were given.
        since: chain time; that all is over by what it saw before does not count.

    Raises:
        RayfedError: all nodes have failed, or the recorder has.
    """
    while True:
        seen: Snapshot = ask(recorder.snapshot)
        display.update(seen.view, seen.statuses)
        display.notices(seen.notices)
        look(seen.view)
        if seen.summary is not None and seen.view is not None and seen.view.time >= since:
            return seen, seen.summary
        if seen.failed:
            raise RayfedError(f"the recorder failed: {seen.error}")
        failed = [status for status in seen.statuses if status.doing == "failed"]
        if failed and len(failed) == len(seen.statuses):
            more = f"; likewise or otherwise, all {len(failed)} nodes of this run have failed" if failed[1:] else ""
            raise RayfedError(f"{failed[0].error}{more}")
        time.sleep(LOOK_SECONDS)


def until_settled(connection: Federation, display: LiveDisplay, seconds: float) -> None:
    """Keep the nodes until all that they attested is settled: a merge that nobody stands up for can lose in court, and
    whoever attested it its stake.

    Args:
        connection: to the federation.
        display: tells what is waited for.
        seconds: how long to wait at most, but for what is in dispute.
    """
    end, told = time.monotonic() + seconds, 0
    while left := (view := patiently(connection.view)).unsettled:
        if time.monotonic() >= end and not patiently(partial(_is_disputed, connection, view)):
            return
        if left != told:
            rounds = "1 round" if left == 1 else f"{left} rounds"
            display.say(f"the nodes stay until all is settled: {rounds} can still be contested")
            told = left
        time.sleep(SETTLED_SECONDS)


def until_done_again(hosts: Sequence[Actor], connection: Federation, display: LiveDisplay) -> bool:
    """Wait for the end once more where the chain has gone back behind it, or the court has undone the last round: the
    nodes go on, and others count on them. Return whether there was anything to wait for.

    Raises:
        RayfedError: a host has gone.
    """
    if patiently(connection.view).phase is Phase.DONE:
        return False
    display.say("the last round is open again: the nodes go on")
    while patiently(connection.view).phase is not Phase.DONE:
        doing = {status.doing for host in hosts for status in ask(host.status)}
        if doing == {"failed"}:
            return False
        time.sleep(SETTLED_SECONDS)
    return True


def until_claimed(connection: Federation, addresses: Sequence[Address]) -> None:
    """Give the nodes the time to have paid out what was settled last; see ``Watchtower.claim``."""
    end = time.monotonic() + CLAIM_SECONDS
    while time.monotonic() < end:
        accounts = patiently(partial(connection.accounts, addresses))
        if not any(account.claimable or account.native_claimable for account in accounts):
            return
        time.sleep(SETTLED_SECONDS)


def until_departed(hosts: Sequence[Actor], connection: Federation, addresses: Sequence[Address]) -> None:
    """Have the nodes leave and take back stakes and bonds, if all is over and settled; give them the time for it. What
    is not back then (no money for gas, a chain that is slow) comes back by its owner's command, which is told.

    Raises:
        RayfedError: a host has gone.
    """
    view = patiently(connection.view)
    if view.phase is not Phase.DONE or view.unsettled:
        return
    for host in hosts:
        ask(host.depart)
    end = time.monotonic() + CLAIM_SECONDS
    while time.monotonic() < end:
        accounts = patiently(partial(connection.accounts, addresses))
        if not any(one.stake or one.bonds or one.claimable or one.native_claimable for one in accounts):
            return
        time.sleep(SETTLED_SECONDS)


def _is_disputed(connection: Federation, view: View) -> bool:
    """Say whether some round is before the court."""
    if not connection.terms().rule:
        return False
    return any(connection.tournament(round.round) is not None for round in unsettled(connection, view))


@contextmanager
def defending(
    connection: Federation, display: LiveDisplay, addresses: Sequence[Address], seconds: float
) -> Iterator[None]:
    """Keep nodes that have failed, and are members, until all is settled, and fail then: what stops a node's rounds, a
    ledger that refuses them say, does not stop its watchtower.

    Args:
        connection, display, seconds: as for ``until_settled``.
        addresses: the nodes' accounts.
    """
    try:
        yield
    except LedgerUnreachable:
        raise
    except RayfedError as error:
        view = patiently(connection.view)
        if view.unsettled and any(view.index_of(address) is not None for address in addresses):
            display.say(f"failed: {error}")
            until_settled(connection, display, seconds)
        raise


def without_model(seen: Snapshot) -> tuple[NodeStatus, ...]:
    """Return the run's own nodes that failed for good, and so hold no final model; others' nodes are their affair."""
    return tuple(status for status in seen.statuses if status.slot >= 0 and status.doing == "failed")


def until_recorded(recorder: Actor, told: str = "") -> str:
    """Give the recorder the time to hand the model and the figures to MLflow; nobody had to wait for it until now. One
    that has gone by now, because all this took longer than it lingers, had done so: that is no reason to fail.

    Returns:
        What is not recorded, which is printed unless it was ``told`` before.
    """
    trouble, end = f"not all was recorded within {RECORD_SECONDS} s", time.monotonic() + RECORD_SECONDS
    while time.monotonic() < end:
        try:
            seen: Snapshot = ask(recorder.snapshot)
        except RayfedError as error:
            log.warning("the recorder has gone before it was asked whether all was recorded: %s", error)
            return told
        if seen.recorded or seen.failed:
            trouble = seen.error
            break
        time.sleep(LOOK_SECONDS)
    if trouble and trouble != told:
        print(f"rayfed: track.tracking_uri: {trouble}", file=sys.stderr)
    return trouble
