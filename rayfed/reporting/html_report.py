"""A federation's page: one HTML file that tells a whole run and needs nothing else, on a phone and in the dark too.

There is no script in it and nothing is fetched: it can be mailed, archived, and opened in ten years. Whatever comes
from other parties (names, reasons, errors) is escaped; a node cannot write into anybody's page.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from rayfed.encoding.primitives import Address
from rayfed.reporting import svg
from rayfed.reporting.closed_round import RoundSummary
from rayfed.reporting.figures import label as node_label
from rayfed.reporting.figures import matrix
from rayfed.reporting.html_charts import charts
from rayfed.reporting.html_parts import abbreviated, capital, code, key_of, list_of, table_of
from rayfed.reporting.left_out import counts, left_out
from rayfed.reporting.steps import css_class, is_still
from rayfed.reporting.summary import NodeSummary, Summary
from rayfed.reporting.timeline import History, Span
from rayfed.reporting.words import duration, size

MATRICES = 24
"""How many rounds of ballots are shown at most; of more rounds the last ones."""
STATES = {
    "accepted": "accepted",
    "refused": "refused",
    "missing": "no update",
    "silent": "did not vote",
    "missed": "did not get it",
}
MONEY = ("stake#", "bonds#", "earned#", "slashed#")
PHASES = {phase: f"ph-{phase}" for phase in ("forming", "commit", "vote", "attest", "waiting")}


def page(summary: Summary, history: History | None = None) -> str:
    """Return the page's HTML.

    Args:
        summary: what came of the run.
        history: what was seen of it on the way, for the time line; without one there is no time line.
    """
    name = str(summary.settings.get("name") or "federation")
    body = [
        _head(summary, name),
        _left_out(summary),
        _tiles(summary),
        _section(f"{capital(summary.metric)} and cost", charts(summary)),
        _section("Rounds", _rounds(summary)),
        _section("Ballots", _ballots(summary)),
        _section("What was refused, and why", _refusals(summary)),
        _section("Time line", _timeline(summary, history) if history and history.spans else ""),
        _section("Nodes", _nodes(summary)),
        _section("Roots and transactions", _transactions(summary)),
        _section("Settings", list_of({key: str(value) for key, value in summary.settings.items()})),
    ]
    style = files("rayfed.reporting").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)} · rayfed</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}</section>" if content else ""


def _head(summary: Summary, name: str) -> str:
    facts = {
        "contract": code(summary.federation) + f" on chain {summary.chain_id}",
        "final root": code(summary.final_root) if summary.final_root else "none: no round was final",
        "charter": code(summary.charter_hash),
    }
    if summary.mlflow_run_id:
        facts["MLflow run"] = code(summary.mlflow_run_id)
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{value}</dd>" for key, value in facts.items())
    return f"<header><h1>{escape(name)}</h1>\n<dl>{listed}</dl></header>"


def _left_out(summary: Summary) -> str:
    names = _names(summary)
    told = [(each.line(names.get(each.member, each.member)), each.why(names)) for each in left_out(summary.rounds)]
    return "".join(
        f'<p><b class="error">{escape(line)}.</b> <span class="soft">{escape(why)}</span></p>' for line, why in told
    )


def _tiles(summary: Summary) -> str:
    metric, shown = summary.metric, summary.metric.shown
    alone = [value for value in summary.alone_accuracy.values() if value is not None]
    final = sum(closed.stands for closed in summary.rounds)
    gas = summary.gas_per_node_round
    tiles = [
        (shown(summary.final_accuracy) or "none", "merged model" + ("" if metric.percent else f", {metric.words}")),
        (shown(metric.sorted(alone)[-1]), "best node alone") if alone else ("", ""),
        (shown(sum(alone) / len(alone)), "mean node alone") if alone else ("", ""),
        (f"{final} / {len(summary.rounds)}", "rounds final"),
        (str(summary.unsettled or ""), "of them can still be contested"),
        (str(len(summary.nodes)), "nodes"),
        ("" if gas is None else f"{gas / 1000:,.0f} k", "gas a node and round"),
        ("" if summary.parameters is None else f"{summary.parameters:,}", "parameters learned"),
        (f"{summary.frozen:,}" if summary.frozen else "", "parameters frozen, never sent"),
        ("" if summary.update_bytes is None else size(summary.update_bytes), "sent a node and round"),
        (duration(summary.wall_seconds), "in all"),
    ]
    inner = "".join(f'<div class="tile"><b>{escape(b)}</b><span>{escape(s)}</span></div>' for b, s in tiles if b)
    return f'<div class="tiles">{inner}</div>'


def _rounds(summary: Summary) -> str:
    rows = [
        [
            str(closed.round),
            f'<span class="{closed.status}">{closed.status}</span>',
            summary.metric.shown(closed.accuracy),
            "" if closed.loss is None else f"{closed.loss:.3f}",
            str(len(closed.included)),
            str(len(closed.attesters)),
            str(closed.saturated),
            abbreviated(closed.root),
        ]
        for closed in summary.rounds
    ]
    heads = ["round", "status", f"{summary.metric.words}#", "loss#", "included#", "attested#", "clipped#", "root"]
    return table_of(heads, rows)


def _ballots(summary: Summary) -> str:
    nodes = [node for node in summary.nodes if node.index is not None]
    shown = [closed for closed in summary.rounds if closed.ballots][-MATRICES:]
    if not shown or not nodes:
        return ""
    order = f"{node_label(nodes[0])} to {node_label(nodes[-1])}"
    figures = "".join(
        f"<figure><h3>round {closed.round}</h3>"
        + svg.matrix(matrix(closed, nodes), list(STATES), f"Ballots of round {closed.round}")
        + f"<figcaption>{_tally(closed, nodes)}</figcaption></figure>"
        for closed in shown
    )
    key = key_of({words: state for state, words in STATES.items()})
    said = f'<p class="soft">Rows: who votes. Columns: whose update. Both from {escape(order)}.</p>'
    return f'{said}{key}<div class="matrices">{figures}</div>'


def _tally(closed: RoundSummary, nodes: Sequence[NodeSummary]) -> str:
    out = [node_label(node) for node in nodes if closed.roots.get(node.address) and node.address not in closed.included]
    if not closed.stands:
        return closed.status
    return f"{len(closed.included)} merged" + (f", without {escape(', '.join(out[:3]))}" if out else "")


def _refusals(summary: Summary) -> str:
    names = _names(summary)
    groups: dict[tuple[int, Address, str, str], list[tuple[Address, float | None]]] = {}
    for closed in summary.rounds:
        for refusal in closed.refusals:
            told = closed.round, refusal.update, refusal.screen, refusal.reason
            groups.setdefault(told, []).append((refusal.by, refusal.score))
    if not groups:
        return "<p>Nothing: every screen of every node accepted every update.</p>"
    rows = []
    for (number, update, screen, reason), votes in groups.items():
        scores = [score for _, score in votes if score is not None]
        voters = escape(", ".join(names.get(by, by) for by, _ in votes[:6])) + (", …" if len(votes) > 6 else "")
        ends = dict.fromkeys(f"{score:.3g}" for score in (min(scores), max(scores))) if scores else {}
        rows.append(
            [
                str(number),
                escape(names.get(update, update)),
                escape(screen),
                escape(reason),
                f"{len(votes)}: {voters}",
                " to ".join(ends),
            ]
        )
    return table_of(["round", "update of", "screen", "reason", "refused by", "score#"], rows)


def _timeline(summary: Summary, history: History) -> str:
    rows: list[tuple[str, list[tuple[str, float, float, str]]]] = []
    by_slot: dict[int | None, list[Span]] = {}
    for span in history.spans:
        by_slot.setdefault(span.slot, []).append(span)
    steps = list(dict.fromkeys(span.what for span in history.spans if span.slot is not None))
    busy = [step for step in steps if not is_still(step)]
    classes = PHASES | {step: css_class(step) for step in steps}
    for slot in sorted(by_slot, key=lambda slot: (slot is not None, slot or 0)):
        spans = [
            (s.what, s.start, s.end, f"round {s.round}, {s.what}: {duration(s.end - s.start)}") for s in by_slot[slot]
        ]
        rows.append(("phase" if slot is None else f"node {slot}", spans))
    drawn = svg.timeline(rows, max(span.end for span in history.spans), classes)
    opened = {span.what for span in by_slot.get(None, ())}
    key = {f"phase: {phase}": kind for phase, kind in PHASES.items() if phase in opened}
    kinds: dict[str, list[str]] = {}
    for step in busy:
        kinds.setdefault(classes[step], []).append(step)
    key |= {", ".join(alike): kind for kind, alike in kinds.items()}
    key |= {"waiting": "still"} if len(busy) < len(steps) else {}
    return f'{key_of(key)}<figure class="wide">{drawn}</figure>'


def _nodes(summary: Summary) -> str:
    merged = {address: value for closed in summary.rounds for address, value in closed.accuracies.items()}
    out = counts(summary.rounds)
    rows = [
        [
            "" if node.slot < 0 else str(node.slot),
            abbreviated(node.address),
            "" if node.index is None else str(node.index),
            str(node.examples or ""),
            summary.metric.shown(node.alone_accuracy),
            summary.metric.shown(merged.get(node.address)),
            str(out.get(node.address, "")),
            f"{node.gas:,}",
            f"{node.stake:,.6g}",
            f"{node.bonds:,.6g}",
            f"{node.earned:,.6g}",
            f"{node.slashed:,.6g}" if node.slashed else "",
            f'<span class="error">{escape(node.error)}</span>',
        ]
        for node in summary.nodes
    ]
    return table_of(
        ["node#", "address", "index#", "examples#", "alone#", "merged, own test#", "left out#", "gas#", *MONEY, ""],
        rows,
    )


def _transactions(summary: Summary) -> str:
    names = _names(summary)
    parts = []
    for closed in summary.rounds:
        addresses = dict.fromkeys([*closed.roots, *closed.transactions])
        if not addresses:
            continue
        rows = []
        for address in addresses:
            sent = closed.transactions.get(address, {})
            hashes = "<br>".join(f"{escape(verb)} {code(tx)}" for verb, tx in sent.items())
            rows.append([escape(names.get(address, address)), code(closed.roots.get(address, "")), hashes])
        root = code(closed.root) if closed.root else f"{closed.status}, no root"
        table = table_of(["node", "root of its update", "transactions"], rows)
        parts.append(f"<details><summary>round {closed.round}: {root}</summary>{table}</details>")
    return "".join(parts)


def _names(summary: Summary) -> dict[Address, str]:
    return {node.address: node_label(node) for node in summary.nodes}
