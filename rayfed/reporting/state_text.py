"""How a federation stands, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import Phase
from rayfed.reporting import contested
from rayfed.reporting.federation_state import FederationStanding, MemberState
from rayfed.reporting.words import NATIVE_NAME, amount, duration, short, standing

NAMED = 6
"""Members that are named at most in one line."""

HEADS = ("seat", "member", "state", "last seen", "merged", "stake", "earned", "to claim")


def lines(told: FederationStanding) -> Iterator[str]:
    """Yield where the federation stands, a line each, then its members."""
    view, terms = told.view, told.terms
    yield f"federation   {told.federation} (chain {told.chain_id}): {standing(view, terms.rounds)}"
    yield f"rounds       {view.finals} of {terms.rounds} final" + (
        f"; {view.voids} void in a row" if view.voids else ""
    )
    if waits := waited_for(told):
        yield f"waiting for  {waits}"
    for each in told.unsettled:
        court = "; its root has lost" if each.is_lost else "; in dispute" if each.is_disputed else ""
        yield f"unsettled    round {each.round} ({each.status}{court}), can be settled{at(each.settles_at, view.time)}"
    yield f"pool         {amount(told.books.pool)} {told.coin}; burned: {amount(told.books.burned)} {told.coin}"
    yield f"to join      {amount(terms.stake)} {told.coin} at stake, bonds of {amount(terms.bonds)} {NATIVE_NAME}"
    if not told.members:
        return
    yield ""
    rows = [HEADS, *(_row(member, told) for member in told.members)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for member in told.members:
        if why := left_out(member, told):
            yield f"{name(member)}: {why}"


def waited_for(told: FederationStanding) -> str:
    """Return for whom, or for what, the federation waits; empty if for nothing."""
    view = told.view
    if view.phase is Phase.FORMING and told.needed:
        return f"{told.needed} more member{'s' if told.needed > 1 else ''}"
    if view.phase is Phase.WAITING:
        return f"{view.unsettled} rounds to be settled"
    if view.due:
        return "anybody to take the next step, which is due"
    names = [name(member) for member in told.awaited]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def left_out(member: MemberState, told: FederationStanding) -> str:
    """Return by whom a member's updates were refused, and why where this party's own files say; or nothing."""
    if not member.refused and not member.missed:
        return ""
    names = {each.address: name(each) for each in told.members}
    said = f"{member.offered - member.merged} of its last {member.offered} updates were not merged"
    for verb, counts in (("refused by", member.refused), ("not had by", member.missed)):
        if counts:
            said += f"; {verb} {_counted(counts, names)}"
    return said + (f"; last reason here: {member.reason}" if member.reason else "")


def name(member: MemberState) -> str:
    """Return what people call a member."""
    return f"{member.label} ({short(member.address)})" if member.label else short(member.address)


def state(member: MemberState, told: FederationStanding) -> str:
    """Return in a few words how a member is there."""
    if member.account.paused_until > told.view.time and not member.is_active:
        return f"dropped, back in {duration(member.account.paused_until - told.view.time)}"
    if not member.is_active:
        return "left or dropped"
    return "awaited" if member.is_awaited else "active"


def seen(member: MemberState, told: FederationStanding) -> str:
    """Return when a member was heard of last."""
    if member.seen is None:
        return "never"
    ago = f", {duration(max(0, told.view.time - member.seen_at))} ago" if member.seen_at else ""
    return f"{member.seen.did}{f' of round {member.seen.round}' if member.seen.round else ''}{ago}"


def at(when: float, now: float) -> str:
    """Return a time as words that follow others."""
    return contested.at(when, now, " from {moment} on ({wait})")


def _row(member: MemberState, told: FederationStanding) -> tuple[str, ...]:
    has = member.account
    merged = f"{member.merged} of {member.offered}"
    if member.included:
        merged += f", round {member.included}"
    lost = f" -{amount(has.slashed)}" if has.slashed else ""
    return (
        str(member.index),
        name(member),
        state(member, told),
        seen(member, told),
        merged,
        amount(has.stake),
        amount(has.earned) + lost,
        amount(has.claimable),
    )


def _counted(counts: Mapping[Address, int], names: Mapping[Address, str]) -> str:
    told: Sequence[str] = [f"{names.get(by, short(by))} ({rounds})" for by, rounds in counts.items()]
    return ", ".join(told[:NAMED]) + (", …" if len(told) > NAMED else "")
