"""One colour for each thing that takes time or gas, wherever it is shown: live table, page, figures.

Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart; phases, and the messages that belong to
them, have their own pale ones, as in the documents' figures. ``page.css`` says the same under the classes' names.
"""

from __future__ import annotations

COLOURS = {
    "s0": "#0072b2",
    "s1": "#e69f00",
    "s2": "#009e73",
    "s3": "#56b4e9",
    "s4": "#cc79a7",
    "s5": "#d55e00",
    "s6": "#b8a900",
    "s7": "#8c8c8c",
    "s8": "#444444",
    "ph-commit": "#a9d3ee",
    "ph-vote": "#f4cf8a",
    "ph-attest": "#93d5ba",
    "still": "#dfe3e8",
}
"""Colours by class, on white; in the dark the page has lighter ones for the last five."""

OTHER = "s7"

CLASSES = {
    "train": "s0",
    "training": "s0",
    "fetch": "s1",
    "screen": "s2",
    "checking": "s2",
    "encode": "s3",
    "merge": "s4",
    "merging": "s4",
    "evaluate": "s5",
    "adopt": "s6",
    "fetching base": "s6",
    "checking base": "s6",
    "training alone": "s8",
    "commit": "ph-commit",
    "vote": "ph-vote",
    "attest": "ph-attest",
    "relay": "s1",
    "advance": "s3",
    "settle": "s6",
    "claim": "s5",
    "starting": "still",
    "loading data": "still",
    "waiting": "still",
    "waiting for funds": "still",
    "finishing": "still",
    "finished": "still",
}
"""The class of what a node does (``NodeStatus.doing``), of a step of its record, of a phase and its message."""


def css_class(what: str) -> str:
    """Return the class that a step, a phase or a message has on the page."""
    return CLASSES.get(what, OTHER)


def colour(what: str) -> str:
    """Return its colour on white, as ``#rrggbb``."""
    return COLOURS[css_class(what)]


def is_still(what: str) -> bool:
    """Whether a node that does this only waits."""
    return css_class(what) == "still"
