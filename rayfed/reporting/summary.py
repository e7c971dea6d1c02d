"""What came of a run, as values: ``summary.json``, the images, the page and the final panel are all drawn from it.

``summary.json`` (version 1) names nodes by their address everywhere; ``nodes`` says which slot and which index in the
federation an address has. Roots, hashes and addresses are strings that begin with ``0x``. Keys always come in the same
order, and what is inside a list or a mapping is ordered by round, then by the node's index.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Address, bits
from rayfed.protocol.messages import COIN, NodeRecord, NodeStatus, Outcome, Status, Verb, View

VERSION = 1
ROUND_VERBS = (Verb.COMMIT.value, Verb.VOTE.value, Verb.ATTEST.value)
"""What a node sends in every round; joining and leaving are not counted in ``gas_per_node_round``."""


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """One node over the whole run.

    Attributes:
        slot: its place in the starter's config; -1 for a node that joined by itself.
        index: its index in the federation, None if it never joined.
        examples: training images used in an epoch.
        alone_accuracy: what it reaches without the others, 0..1; None if it was not asked to try.
        alone_curve: the same after each round's epochs.
        gas: gas of all its transactions, joining included.
        stake, earned, slashed: what it has at stake, what it has earned (claimed or not, final rounds that can still
            be challenged included) and what it has lost, in whole coins.
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
    earned: float = 0.0
    slashed: float = 0.0
    error: str = ""
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One node's screen that refused one update; ``score`` is None where it was no finite number."""

    by: Address
    update: Address
    screen: str
    reason: str
    score: float | None


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """One closed round.

    Attributes:
        status: ``final`` or ``void``.
        root: of the merged model, None in a void round.
        included: nodes whose update is in the merge.
        attesters: nodes that attested the final root.
        accuracy: mean of the nodes' accuracies, weighted by their test images; None if nobody measured.
        loss: mean of the nodes' training losses, weighted by their training images; None if nobody trained.
        seconds: wall seconds by step, mean over the nodes that reported the step.
        gas: gas by verb, sum over the nodes.
        accuracies: each node's own, of the merged model on its own test images.
        ballots: the updates that each node accepted. A node that did not vote is not there.
        roots: committed root by node, where it is known.
        transactions: transaction hash by verb, by node.
        refusals: every verdict against an update.
        saturated: values of all updates that did not fit the fixed point.
        epsilons: what each node has spent of its privacy up to this round; empty without DP-SGD.
    """

    round: int
    status: str
    root: str | None
    included: tuple[Address, ...]
    attesters: tuple[Address, ...]
    accuracy: float | None
    loss: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    gas: dict[str, int] = field(default_factory=dict)
    accuracies: dict[Address, float] = field(default_factory=dict)
    ballots: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    roots: dict[Address, str] = field(default_factory=dict)
    transactions: dict[Address, dict[str, str]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    saturated: int = 0
    epsilons: dict[Address, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run.

    Attributes:
        settings: the flat settings that a reader wants beside the figures (name, seed, nodes, rule, ...).
        final_root: of the last final round, None if there was none: the base is still genesis then.
        final_accuracy: the accuracy of the last final round.
        gas_per_node_round: mean gas of commit, vote and attest together, over all (node, round) pairs that sent any.
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

    @property
    def alone_accuracy(self) -> dict[Address, float | None]:
        """What each node reaches without the others."""
        return {node.address: node.alone_accuracy for node in self.nodes}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``summary.json``: plain values in a fixed order."""
        return {
            "version": VERSION,
            "federation": self.federation,
            "chain_id": self.chain_id,
            "charter_hash": self.charter_hash,
            "final_root": self.final_root,
            "final_accuracy": self.final_accuracy,
            "alone_accuracy": self.alone_accuracy,
            "gas_per_node_round": self.gas_per_node_round,
            "wall_seconds": self.wall_seconds,
            "mlflow_run_id": self.mlflow_run_id,
            "settings": dict(self.settings),
            "nodes": [plain(node) for node in self.nodes],
            "rounds": [plain(closed) for closed in self.rounds],
        }

    def to_json(self) -> str:
        """Return the text of ``summary.json``: strict JSON (no NaN), indented, with a newline at its end."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"


def build(
    settings: Mapping[str, Any],
    *,
    federation: Address,
    chain_id: int,
    charter_hash: bytes | str,
    outcomes: Sequence[Outcome],
    records: Sequence[NodeRecord],
    statuses: Sequence[NodeStatus] = (),
    views: Iterable[View] = (),
    members: Sequence[Address] = (),
    wall_seconds: float = 0.0,
    mlflow_run_id: str | None = None,
) -> Summary:
    """Put together what the ledger and the nodes said.

    Args:
        outcomes: the closed rounds, in any order.
        records: what the nodes reported, in any order; of two records of one node and round the later one counts
            (a node that was restarted reports again).
        statuses: what each node last reported.
        views: any views of the federation that were seen on the way; the last one seen of a round counts. From them
            come the ballots and the committed roots; where they are missing, a node's ballot is what its screens
            said.
        members: addresses by index; needed only when neither a view nor a record tells them.

    Returns:
        The summary. An index that nobody can name appears as ``member-<index>``.
    """
    last_view = {view.round: view for view in views if view.round > 0}
    latest = {(record.round, record.address): record for record in records}
    names = _names(members, last_view.values(), latest.values(), statuses)
    rounds = tuple(
        _round(
            outcome,
            sorted((r for r in latest.values() if r.round == outcome.round), key=lambda r: r.index),
            last_view.get(outcome.round),
            names,
        )
        for outcome in sorted(outcomes, key=lambda outcome: outcome.round)
        if outcome.status is not Status.NONE
    )
    finals = [closed for closed in rounds if closed.root is not None]
    return Summary(
        federation=federation,
        chain_id=chain_id,
        charter_hash=hexed(charter_hash),
        settings=dict(settings),
        final_root=finals[-1].root if finals else None,
        final_accuracy=finals[-1].accuracy if finals else None,
        nodes=_nodes(latest.values(), statuses),
        rounds=rounds,
        gas_per_node_round=_gas_per_node_round(latest.values()),
        wall_seconds=round(wall_seconds, 3),
        mlflow_run_id=mlflow_run_id,
    )


def weighted_accuracy(records: Iterable[NodeRecord]) -> float | None:
    """Return the accuracy over all nodes' test images together, or None if no record has one.

    On a test set that is split among the nodes this is exactly the accuracy on the whole set.
    """
    return _weighted((r.accuracy, r.test_examples) for r in records)


def weighted_loss(records: Iterable[NodeRecord]) -> float | None:
    """Return the training loss over all nodes' training images together, or None if no record has one."""
    return _weighted((r.loss, r.examples) for r in records)


def mean_seconds(records: Iterable[NodeRecord]) -> dict[str, float]:
    """Return wall seconds by step, mean over the records that have the step."""
    steps: dict[str, list[float]] = {}
    for record in records:
        for step, seconds in record.seconds.items():
            steps.setdefault(step, []).append(seconds)
    return {step: round(math.fsum(values) / len(values), 4) for step, values in steps.items()}


def summed_gas(records: Iterable[NodeRecord]) -> dict[str, int]:
    """Return gas by verb, sum over the records, in the order of the verbs."""
    gas: dict[str, int] = {}
    for record in records:
        for verb, used in record.gas.items():
            gas[verb] = gas.get(verb, 0) + used
    order = {verb.value: place for place, verb in enumerate(Verb)}
    return dict(sorted(gas.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


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


def _weighted(pairs: Iterable[tuple[float | None, int]]) -> float | None:
    measured = [(value, weight) for value, weight in pairs if value is not None and math.isfinite(value)]
    if not measured:
        return None
    total = sum(weight for _, weight in measured)
    if total == 0:  # nobody said how many: all count alike
        return math.fsum(value for value, _ in measured) / len(measured)
    return math.fsum(value * weight for value, weight in measured) / total


def _names(
    members: Sequence[Address],
    views: Iterable[View],
    records: Iterable[NodeRecord],
    statuses: Iterable[NodeStatus],
) -> dict[int, Address]:
    """Return address by index; what the ledger says comes last and so wins."""
    names = {status.index: status.address for status in statuses if status.index is not None}
    names |= {record.index: record.address for record in records}
    names |= dict(enumerate(members))
    for view in views:
        names |= dict(enumerate(view.members))
    return names


def _named(bitmap: int, names: Mapping[int, Address]) -> tuple[Address, ...]:
    return tuple(names.get(index, f"member-{index}") for index in bits(bitmap))


def _round(
    outcome: Outcome, records: Sequence[NodeRecord], view: View | None, names: Mapping[int, Address]
) -> RoundSummary:
    voted = {} if view is None else {index: view.ballots[index] for index in bits(view.voted)}
    for record in records:
        if record.index not in voted and Verb.VOTE.value in record.transactions:
            voted[record.index] = _screened(record)
    return RoundSummary(
        round=outcome.round,
        status=outcome.status.name.lower(),
        root=None if outcome.root == NO_ROOT else hexed(outcome.root),
        included=_named(outcome.included, names),
        attesters=_named(outcome.attesters, names),
        accuracy=weighted_accuracy(records),
        loss=weighted_loss(records),
        seconds=mean_seconds(records),
        gas=summed_gas(records),
        accuracies={r.address: r.accuracy for r in records if r.accuracy is not None},
        ballots={names.get(i, f"member-{i}"): _named(ballot, names) for i, ballot in sorted(voted.items())},
        roots={} if view is None else {names.get(i, f"member-{i}"): hexed(view.roots[i]) for i in bits(view.committed)},
        transactions={r.address: dict(r.transactions) for r in records if r.transactions},
        refusals=tuple(
            Refusal(
                by=record.address,
                update=names.get(verdict.index, f"member-{verdict.index}"),
                screen=verdict.screen,
                reason=verdict.reason,
                score=verdict.score if math.isfinite(verdict.score) else None,
            )
            for record in records
            for verdict in record.verdicts
            if not verdict.accepted
        ),
        saturated=sum(record.saturated for record in records),
        epsilons={r.address: r.epsilon for r in records if r.epsilon is not None},
    )


def _screened(record: NodeRecord) -> int:
    """Return the ballot that follows from a node's verdicts: what none of its screens refused."""
    seen = {verdict.index for verdict in record.verdicts}
    refused = {verdict.index for verdict in record.verdicts if not verdict.accepted}
    own = {record.index} if Verb.COMMIT.value in record.transactions else set()
    ballot = 0
    for index in (seen | own) - refused:
        ballot |= 1 << index
    return ballot


def _nodes(records: Iterable[NodeRecord], statuses: Sequence[NodeStatus]) -> tuple[NodeSummary, ...]:
    of_node: dict[Address, list[NodeRecord]] = {}
    for record in records:
        of_node.setdefault(record.address, []).append(record)
    said = {status.address: status for status in statuses if status.address}
    nodes = []
    for address in of_node.keys() | said.keys():
        own, status = of_node.get(address, []), said.get(address)
        newest = max(own, key=lambda record: record.round, default=None)
        counted = sum(sum(record.gas.values()) for record in own)
        nodes.append(
            NodeSummary(
                slot=status.slot if status else newest.slot if newest else -1,
                index=newest.index if newest else status.index if status else None,
                address=address,
                examples=newest.examples if newest else 0,
                alone_accuracy=status.alone_accuracy if status else None,
                alone_curve=status.alone_curve if status else (),
                gas=max(counted, status.gas if status else 0),
                stake=status.stake / COIN if status else 0.0,
                earned=status.earned / COIN if status else 0.0,
                slashed=status.slashed / COIN if status else 0.0,
                error=status.error if status else "",
                epsilon=max((record.epsilon for record in own if record.epsilon is not None), default=None),
            )
        )
    late = 1 << 20  # nodes that joined by themselves, or never, come after the starter's own
    return tuple(sorted(nodes, key=lambda n: (n.slot if n.slot >= 0 else late, late if n.index is None else n.index)))


def _gas_per_node_round(records: Iterable[NodeRecord]) -> float | None:
    spent = [sum(r.gas.get(verb, 0) for verb in ROUND_VERBS) for r in records]
    spent = [gas for gas in spent if gas > 0]
    return round(sum(spent) / len(spent), 1) if spent else None
