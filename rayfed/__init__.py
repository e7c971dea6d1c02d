"""rayfed: federated learning among nodes that need not trust each other.

Equal nodes train one model on data that never leaves its owner. They share a ledger, which holds roots and ballots,
and a store, which keeps bytes by their hash; there is no server.

The folders tell a round. Each imports only from those above it:

    errors.py        everything that rayfed raises on purpose
    encoding/        weights to blobs and back: layout, header, codec; Merkle trees and their hashes
    store/           where blobs are kept by their root: files, s3, peers within a Ray cluster
    aggregation/     how updates become one model (rules), and how a node judges them (screens)
    protocol/        what is agreed and what comes next: charter, values, honest policy, court; no I/O, no clock
    attacks/         how a node may be dishonest, for experiments
    config/          the settings: schema, checks, Hydra's side
    learning/        images, partition, models, training, evaluation, differential privacy
    ledger/          the shared record of who said what: Ethereum, and one in memory
    node/            one participant: its rounds, what it has signed and sent, its watchtower
    audit/           replays a whole federation from ledger and store, without key or stake
    reporting/       what people see: live table, summary, HTML report, MLflow
    runtime/         federations on Ray: founding, launching, hosts, supervision
    testing/         clock, ledger and store in memory for users' tests; chaos
    cli/             the command line: a module a command
    __main__.py      ``python -m rayfed``

For scripts and notebooks (``examples/from_a_notebook.py``):

    result = rayfed.run(["federation.nodes=3", "federation.rounds=2"])
    model = rayfed.load_model(result.folder)
    assert rayfed.audit(result.folder).clean

Importing this package imports nothing heavy; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rayfed.audit.folder import audit_folder as audit
    from rayfed.config import Settings, check, load
    from rayfed.errors import ConfigError, RayfedError
    from rayfed.runtime.api import join, load_model, run
    from rayfed.runtime.results import RunResult

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "rayfed.errors",
    "RayfedError": "rayfed.errors",
    "RunResult": "rayfed.runtime.results",
    "Settings": "rayfed.config",
    "check": "rayfed.config",
    "join": "rayfed.runtime.api",
    "load": "rayfed.config",
    "load_model": "rayfed.runtime.api",
    "run": "rayfed.runtime.api",
}

__all__ = [
    "ConfigError",
    "RayfedError",
    "RunResult",
    "Settings",
    "__version__",
    "audit",
    "check",
    "join",
    "load",
    "load_model",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "audit":
        return import_module("rayfed.audit")  # the package is the function, too
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
