"""The page's tables, lists and legends, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from rayfed.protocol.metric import Metric


def table_of(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; a ``#`` after a head aligns its column as numbers."""
    kind = [' class="n"' if head.endswith("#") else "" for head in heads]
    top = "".join(f"<th{k}>{escape(head.rstrip('#'))}</th>" for head, k in zip(heads, kind, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{k}>{cell}</td>" for cell, k in zip(row, kind, strict=True)) + "</tr>\n" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{lines}</tbody></table></div>'


def list_of(values: Mapping[str, str]) -> str:
    """Return a list of names and values, which are text; nothing if there are none."""
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in values.items())
    return f"<dl>{listed}</dl>" if listed else ""


def key_of(classes: Mapping[str, str]) -> str:
    """Return a legend: class by name."""
    entries = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for name, kind in classes.items())
    return f'<div class="key">{entries}</div>'


def code(text: str) -> str:
    """Return text as code; nothing if it is empty."""
    return f"<code>{escape(text)}</code>" if text else ""


def abbreviated(text: str | None) -> str:
    """Return the ends of a root or an address as code, all of it where one points at it; nothing if there is none."""
    return f'<code title="{escape(text, quote=True)}">{escape(text[:6])}…{escape(text[-4:])}</code>' if text else ""


def capital(metric: Metric) -> str:
    """Return the metric's name as a heading begins: abbreviations are capitals."""
    return metric.words.upper() if len(metric.name) <= 4 else metric.words.capitalize()
