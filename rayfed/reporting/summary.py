"""What came of a run, as values: ``summary.json``, the figures, the page and the final panel are all drawn from it.

``summary.json`` (version 2) names nodes by their address everywhere; ``nodes`` says which slot and which index in the
federation an address has. What is called accuracy here is the run's metric, and ``summary.json`` calls it by its name.
Roots, hashes and addresses are strings that begin with ``0x``. Keys always come in the same order, and what is inside a
list or a mapping is ordered by round, then by the node's index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.closed_round import RoundSummary
from rayfed.reporting.left_out import counts, screens

VERSION = 2


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """One node over the whole run.

    Attributes:
        slot: its place in the starter's config; -1 for a node that joined by itself.
        index: its index in the federation, None if it never joined.
        examples: training examples used in an epoch.
        alone_accuracy: what it reaches without the others; None if it was not asked to try.
        alone_curve: the same after each round's epochs.
        gas: gas of all its transactions, joining included.
        stake, earned, slashed: what it has at stake, what settled rounds have brought it (claimed or not) and what it
            has lost, in whole coins.
        bonds: what it has put down in the chain's own currency, in whole coins of that.
        error: one line, empty when all went well.
        epsilon: what it has spent of its privacy over all rounds; None without DP-SGD.
    """

    slot: int
    index: int | None
    address: Address
    examples: int = 0
    alone_accuracy: float | None = None
    alone_curve: tuple[float, ...] = ()
    gas: int = 0
    stake: float = 0.0
    bonds: float = 0.0
    earned: float = 0.0
    slashed: float = 0.0
    error: str = ""
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run.

    Attributes:
        settings: the flat settings that a reader wants beside the figures (name, seed, nodes, rule, ...).
        final_root: of the last round that stands, None if there was none: the base is still genesis then.
        final_accuracy: the accuracy of that round.
        metric: what is called accuracy above, which it is where nothing else is said.
        parameters: values of the model that a node's update holds, and so the federation learns.
        frozen: weights that the model has besides, and that are in no update.
        update_bytes: bytes of an update's blob, which a node publishes once a round; each of the others fetches it.
        gas_per_node_round: mean gas of commit, vote, attest and advance together, over all (node, round) that sent any.
    """

    federation: Address
    chain_id: int
    charter_hash: str
    settings: dict[str, Any]
    final_root: str | None
    final_accuracy: float | None
    nodes: tuple[NodeSummary, ...]
    rounds: tuple[RoundSummary, ...]
    gas_per_node_round: float | None
    wall_seconds: float
    mlflow_run_id: str | None
    metric: Metric = ACCURACY
    parameters: int | None = None
    update_bytes: int | None = None
    frozen: int = 0

    @property
    def alone_accuracy(self) -> dict[Address, float | None]:
        """What each node reaches without the others."""
        return {node.address: node.alone_accuracy for node in self.nodes}

    @property
    def unsettled(self) -> int:
        """How many rounds were final when the run ended and could still be contested: the model stands if they do."""
        return sum(closed.status == "final" for closed in self.rounds)

    @property
    def left_out(self) -> dict[Address, dict[str, Any]]:
        """In how many rounds each member's update was not merged (``rounds``), by ``screens``; over all rounds."""
        by_screen = screens(self.rounds)
        found = counts(self.rounds)
        return {
            member: {"rounds": found[member], "screens": by_screen.get(member, {})} for member in self._in_order(found)
        }

    def _in_order(self, members: Iterable[Address]) -> list[Address]:
        """Return members by their node's place; who is no node of this run comes last."""
        place = {node.address: number for number, node in enumerate(self.nodes)}
        return sorted(members, key=lambda member: (place.get(member, len(place)), member))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``summary.json``: plain values in a fixed order, the metric by its name."""
        told = {
            "version": VERSION,
            "federation": self.federation,
            "chain_id": self.chain_id,
            "charter_hash": self.charter_hash,
            "final_root": self.final_root,
            "final_accuracy": self.final_accuracy,
            "unsettled": self.unsettled,
            "alone_accuracy": self.alone_accuracy,
            "left_out": self.left_out,
            "parameters": self.parameters,
            "update_bytes": self.update_bytes,
            "frozen": self.frozen,
            "gas_per_node_round": self.gas_per_node_round,
            "wall_seconds": self.wall_seconds,
            "mlflow_run_id": self.mlflow_run_id,
            "settings": dict(self.settings),
            "metric": plain(self.metric),
            "nodes": [plain(node) for node in self.nodes],
            "rounds": [plain(closed) for closed in self.rounds],
        }
        if self.metric.name == ACCURACY.name:
            return told
        told["nodes"], told["rounds"] = ([_renamed(each, self.metric) for each in told[key]] for key in PARTS)
        return _renamed(told, self.metric)

    def to_json(self) -> str:
        """Return the text of ``summary.json``: strict JSON (no NaN), indented, with a newline at its end."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"


PARTS = ("nodes", "rounds")
"""Keys of ``summary.json`` under which there are lists of objects."""


def _renamed(told: Mapping[str, Any], metric: Metric) -> dict[str, Any]:
    """Return the keys that speak of accuracy with the metric's name in its place."""
    several = {"accuracies": f"{metric.name}_by_node"}
    return {several.get(key, key.replace("accuracy", metric.name)): value for key, value in told.items()}


def hexed(value: bytes | str) -> str:
    """Return bytes, or hexadecimal text with or without ``0x``, as text that begins with ``0x``."""
    text = value.hex() if isinstance(value, bytes) else value
    return text if text.startswith("0x") else f"0x{text}"


def plain(value: Any) -> Any:
    """Return a frozen value of this module as dicts and lists, fields in the order of the class."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value
