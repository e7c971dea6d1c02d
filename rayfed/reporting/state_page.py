"""How a federation stands, as one HTML file that needs nothing else; ``html_report`` says what a page promises."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from rayfed.protocol.messages import NATIVE
from rayfed.reporting.federation_state import FederationStanding, MemberState
from rayfed.reporting.html_parts import code, table_of
from rayfed.reporting.state_text import at, left_out, seen, state, waited_for
from rayfed.reporting.words import NATIVE_NAME, amount, standing

HEADS = ("seat#", "member", "state", "last seen", "merged#", "stake#", "bonds#", "earned#", "slashed#", "to claim#")


def page(told: FederationStanding, refresh: int = 0) -> str:
    """Return the page's HTML.

    Args:
        told: what is shown.
        refresh: after so many seconds a browser loads it again; 0: never.
    """
    style = files("rayfed.reporting").joinpath("page.css").read_text(encoding="utf-8")
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    body = [_head(told), _tiles(told), _unsettled(told), _members(told), _left_out(told)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{again}'
        f"<title>{escape(told.federation)} · rayfed</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _head(told: FederationStanding) -> str:
    terms = told.terms
    moment = datetime.fromtimestamp(told.view.time, UTC)
    coin = told.coin if terms.coin == NATIVE else f"{told.coin} ({terms.coin})"
    facts = {
        "contract": f"{code(told.federation)} on chain {told.chain_id}",
        "as of": f"{moment:%Y-%m-%d %H:%M:%S} UTC, by the chain's clock",
        "waiting for": escape(waited_for(told)) or "nobody",
        "to join": escape(f"{amount(terms.stake)} {coin} at stake, bonds of {amount(terms.bonds)} {NATIVE_NAME}"),
        "model": code("0x" + told.view.base.hex()),
    }
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{value}</dd>" for key, value in facts.items())
    return f"<header><h1>{escape(standing(told.view, terms.rounds))}</h1>\n<dl>{listed}</dl></header>"


def _tiles(told: FederationStanding) -> str:
    view = told.view
    tiles = [
        (f"{view.finals} / {told.terms.rounds}", "rounds final"),
        (str(view.active.bit_count()), "members"),
        (str(told.needed or ""), "more are needed"),
        (str(len(told.unsettled) or ""), "rounds can still be contested"),
        (amount(told.books.pool), f"{told.coin} in the pool"),
    ]
    inner = "".join(f'<div class="tile"><b>{escape(b)}</b><span>{escape(s)}</span></div>' for b, s in tiles if b)
    return f'<div class="tiles">{inner}</div>'


def _unsettled(told: FederationStanding) -> str:
    rows = [
        (
            str(each.round),
            escape(each.status),
            "its root has lost" if each.is_lost else "yes" if each.is_disputed else "no",
            escape(at(each.settles_at, told.view.time).strip()),
        )
        for each in told.unsettled
    ]
    heads = ("round#", "state", "in dispute", "can be settled")
    return f"<section><h2>Not settled yet</h2>\n{table_of(heads, rows)}</section>" if rows else ""


def _members(told: FederationStanding) -> str:
    if not told.members:
        return ""
    rows = [
        (
            str(member.index),
            _name(member),
            escape(state(member, told)),
            escape(seen(member, told)),
            f"{member.merged} of {member.offered}",
            amount(member.account.stake),
            amount(member.account.bonds),
            amount(member.account.earned),
            amount(member.account.slashed),
            amount(member.account.claimable),
        )
        for member in told.members
    ]
    return f"<section><h2>Members</h2>\n{table_of(HEADS, rows)}</section>"


def _left_out(told: FederationStanding) -> str:
    rows = [(_name(member), escape(why)) for member in told.members if (why := left_out(member, told))]
    return f"<section><h2>What was not merged</h2>\n{table_of(('member', 'why'), rows)}</section>" if rows else ""


def _name(member: MemberState) -> str:
    return f"{escape(member.label)} {code(member.address)}".strip()
