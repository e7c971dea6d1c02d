"""Things as people are told of them: where a federation stands, durations, sizes, paths, addresses, amounts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address, bits
from rayfed.protocol.messages import COIN, NodeStatus, Outcome, Phase, Round, Terms, View
from rayfed.protocol.metric import ACCURACY, Metric

if TYPE_CHECKING:
    from rayfed.reporting.summary import NodeSummary


NATIVE_NAME = "ether"
"""What people call the chain's own currency."""


NAMED = 6
"""Members at most that are named as those for whom a phase waits."""

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
"""Seconds of each unit of time."""


def duration(seconds: float) -> str:
    """Return a time in its two largest units: ``0.3 s``, ``34 s``, ``2 min 5 s``, ``3 h 7 min``, ``2 d``."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}".removesuffix(".0") + " s"
    left, parts = round(seconds), list[str]()
    for length, unit in UNITS:
        if left >= length or parts:
            count, left = divmod(left, length)
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def near(path: Path) -> str:
    """Return a path the shorter way: from here, or from the root where the user's shell is elsewhere (a run that is
    carried on moves to where it was begun)."""
    if os.path.realpath(os.environ.get("PWD", ".")) != os.path.realpath("."):
        return str(path.absolute())
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)


def size(count: float) -> str:
    """Return a number of bytes with its unit, in powers of 1,000: ``512 B``, ``19.5 kB``, ``44.7 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:,.3g} GB" if count < 999.5 else f"{count:,.0f} GB"


def last_round(view: View, rounds: int) -> int:
    """Return the number of the round with which all is over at the earliest; void ones come on top of the final ones.

    Args:
        rounds: how many final rounds there are to be.
    """
    return view.round - view.is_open + rounds - view.finals


def standing(view: View, rounds: int) -> str:
    """Return in a few words where a federation stands."""
    if view.phase is Phase.FORMING:
        return f"forming · {view.active.bit_count()} joined"
    if view.phase is Phase.DONE:
        return f"done after {rounds_in_words(view.round)}{f', {view.unsettled} unsettled' if view.unsettled else ''}"
    place = f"round {view.round}/{last_round(view, rounds)}"
    if view.phase is Phase.WAITING:
        return f"{place} · {view.unsettled} rounds are to be settled first"
    return f"{place} · {view.phase.name.lower()} {_of(view.spoken, view.roster)} · {_rest(view)} at most"


def rounds_in_words(count: int) -> str:
    """Return ``1 round``, ``2 rounds``."""
    return f"{count} round{'' if count == 1 else 's'}"


def awaited(view: View) -> int:
    """Return the members who have not said yet what is to be said in this phase, as a bitmap; who is excused need not.

    Between rounds nobody is waited for by name.
    """
    return view.roster & ~view.spoken & ~view.excused if view.is_open else 0


def awaited_names(view: View, names: Mapping[Address, str]) -> str:
    """Return for whom the open phase waits, in words; empty if for nobody.

    Args:
        names: what nodes are called, by address; who is not there is named by its address.
    """
    who = [names.get(view.members[index]) or short(view.members[index]) for index in bits(awaited(view))]
    return ", ".join(who[:NAMED]) + (f" and {len(who) - NAMED} more" if len(who) > NAMED else "")


def lacking(view: View, terms: Terms) -> int:
    """Return how many more members are needed for a round to open; once forming has lasted its time, fewer are."""
    if view.phase is not Phase.FORMING:
        return 0
    enough = terms.min_members if view.time >= view.deadline else terms.start_members
    return max(0, enough - view.active.bit_count())


def opening(view: View, rounds: int) -> str:
    """Return in one line which phase has opened."""
    if view.phase in (Phase.DONE, Phase.WAITING):
        return standing(view, rounds)
    return (
        f"round {view.round}/{last_round(view, rounds)}: {view.phase.name.lower()} opened, closes within {_rest(view)}"
    )


def closing(outcome: Outcome | Round) -> str:
    """Return in one line what became of a round."""
    if not outcome.status.stands:
        return f"round {outcome.round}: void, the base stays"
    merged = f"{outcome.included.bit_count()} updates merged"
    return f"round {outcome.round}: final, {merged}, root 0x{outcome.root.hex()[:16]}…"


def mean_accuracy(statuses: Sequence[NodeStatus], metric: Metric = ACCURACY) -> float | None:
    """Return what the nodes measured last together, all counted alike; the exact figure is in the summary."""
    return metric.pooled((status.accuracy, 1) for status in statuses)


def short(address: Address) -> str:
    """Return an address as people recognise it, in 11 characters."""
    return f"{address[:6]}…{address[-4:]}" if address else ""


def coins(amount: int) -> str:
    """Return an amount in the coin's smallest unit as whole coins, or nothing."""
    return f"{amount / COIN:,.4g}" if amount else ""


def amount(units: int) -> str:
    """Return an amount in the smallest unit as whole coins, exactly."""
    return f"{(Decimal(units) / COIN).normalize():f}"


def node_name(node: NodeSummary | NodeStatus) -> str:
    """Return what people call a node: its slot, or its address if it joined by itself."""
    return f"node {node.slot}" if node.slot >= 0 else short(node.address)


def _rest(view: View) -> str:
    """Return for how long the phase is open at most; it closes as soon as all have spoken."""
    return duration(max(0, view.deadline - view.time))


def _of(bitmap: int, roster: int) -> str:
    return f"{bitmap.bit_count()}/{roster.bit_count()}"
