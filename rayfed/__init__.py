"""rayfed: federated learning among nodes that need not trust each other.

Equal nodes train one model on data that never leaves its owner. They share a ledger, which holds roots and ballots,
and a store, which keeps bytes by their hash; there is no server.

The way of the data is config, federation, node, train, encode, commit, publish, screen, vote, merge, attest, adopt,
track, and the modules follow it:

    __main__.py      command line: run (default), join, chain, ui
    config/          frozen schemas for every Hydra group; cross-field checks
    federation.py    starts N equal nodes on Ray, waits, reports; knows no weights and no keys
    node.py          EdgeNode, plain Python: asks the protocol what to do next, does it
    host.py          the Ray actor: one edge node each by default, several where a simulation needs hundreds
    protocol.py      pure: (ledger view, me) -> next action; the phase table as data; no I/O, no Ray, no clock
    messages.py      frozen values: Root, View, Terms, Outcome, ...
    codec.py         weights <-> blob; layout
    charter.py       what all nodes agree on, as canonical JSON
    merkle.py        tree, proof, verify
    learning/        data, partition, models, train, evaluate
    rules/           how updates become one model: mean, trimmed_mean, median; clipping, geometric median, mixing
    gram.py          exact inner products of whole updates, which rules and screens rest on
    screens/         how a node decides its ballot
    behaviour.py     the seam at which a node could be dishonest; attacks/ holds the ways, for experiments
    ledger/          the door to Ethereum
    store/           the doors to where blobs are kept
    track.py         MLflow
    report.py        the pictures
    errors.py        the exception tree, drawn at its top
    testing.py       in-memory ledger and store, manual clock, scenario runner: for users' tests too

Importing this package imports nothing heavy; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rayfed.config import Settings, check, load
    from rayfed.errors import ConfigError, RayfedError

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "rayfed.errors",
    "RayfedError": "rayfed.errors",
    "Settings": "rayfed.config",
    "check": "rayfed.config",
    "load": "rayfed.config",
}

__all__ = ["ConfigError", "RayfedError", "Settings", "__version__", "check", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
