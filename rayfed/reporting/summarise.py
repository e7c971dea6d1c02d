"""Puts a run's summary together from what the ledger and the nodes said."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rayfed.encoding.primitives import NO_ROOT, Address, bits
from rayfed.protocol.messages import COIN, NodeRecord, NodeStatus, Outcome, Status, Verb, View
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.closed_round import Refusal, RoundSummary
from rayfed.reporting.summary import NodeSummary, Summary, hexed
from rayfed.reporting.totals import gas_per_node_round, mean_seconds, summed_gas, weighted_accuracy, weighted_loss


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
    undone: Collection[int] = (),
    wall_seconds: float = 0.0,
    mlflow_run_id: str | None = None,
    metric: Metric = ACCURACY,
    parameters: int | None = None,
    update_bytes: int | None = None,
    frozen: int = 0,
) -> Summary:
    """Put together what the ledger and the nodes said.

    Args:
        outcomes: the closed rounds, in any order, as they stand now.
        records: what the nodes reported, in any order; of two records of one node and round the later one counts
            (a node that was restarted reports again).
        statuses: what each node last reported.
        views: any views of the federation that were seen on the way; the last one seen of a round counts. From them
            come the ballots and the committed roots; where they are missing, a node's ballot is what its screens
            said.
        members: addresses by index; needed only when neither a view nor a record tells them.
        undone: rounds whose merge lost in court, or whose base did.
        metric: by which the model is measured, as the charter says.
        parameters, update_bytes: how large an update is, as the charter says.
        frozen: weights that the model has besides.

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
            outcome.round in undone,
            metric,
        )
        for outcome in sorted(outcomes, key=lambda outcome: outcome.round)
        if outcome.status is not Status.NONE
    )
    finals = [closed for closed in rounds if closed.stands]
    return Summary(
        federation=federation,
        chain_id=chain_id,
        charter_hash=hexed(charter_hash),
        settings=dict(settings),
        final_root=finals[-1].root if finals else None,
        final_accuracy=finals[-1].accuracy if finals else None,
        nodes=_nodes(latest.values(), statuses),
        rounds=rounds,
        gas_per_node_round=gas_per_node_round(latest.values()),
        wall_seconds=round(wall_seconds, 3),
        mlflow_run_id=mlflow_run_id,
        metric=metric,
        parameters=parameters,
        update_bytes=update_bytes,
        frozen=frozen,
    )


def _names(
    members: Sequence[Address],
    views: Iterable[View],
    records: Iterable[NodeRecord],
    statuses: Iterable[NodeStatus],
) -> dict[int, Address]:
    """Return address by index; what the ledger says comes last and so wins."""
    names = {status.index: status.address for status in statuses if status.index is not None}
    names |= {record.index: record.address for record in records}
    for seats in (members, *(view.members for view in views)):
        names |= _seated(seats)
    return names


def _seated(members: Sequence[Address]) -> dict[int, Address]:
    return {index: address for index, address in enumerate(members) if address}


def _named(bitmap: int, names: Mapping[int, Address]) -> tuple[Address, ...]:
    return tuple(names.get(index, f"member-{index}") for index in bits(bitmap))


def _round(
    outcome: Outcome,
    records: Sequence[NodeRecord],
    view: View | None,
    known: Mapping[int, Address],
    was_undone: bool,
    metric: Metric,
) -> RoundSummary:
    names = known if view is None else {**known, **_seated(view.members)}  # a seat may have had others before, or since
    voted = {} if view is None else {index: view.accepts[index] for index in bits(view.voted)}
    missed = {} if view is None else {index: view.misses[index] for index in bits(view.voted) if view.misses[index]}
    for record in records:
        if record.index not in voted and Verb.VOTE.value in record.transactions:
            voted[record.index] = _screened(record)
    return RoundSummary(
        round=outcome.round,
        status=_status(outcome.status, was_undone),
        root=None if outcome.root == NO_ROOT else hexed(outcome.root),
        included=_named(outcome.included, names),
        attesters=_named(outcome.attesters, names),
        accuracy=weighted_accuracy(records, metric) if outcome.status.stands else None,
        loss=weighted_loss(records),
        seconds=mean_seconds(records),
        gas=summed_gas(records),
        accuracies={r.address: r.accuracy for r in records if r.accuracy is not None},
        ballots={names.get(i, f"member-{i}"): _named(ballot, names) for i, ballot in sorted(voted.items())},
        misses={names.get(i, f"member-{i}"): _named(these, names) for i, these in sorted(missed.items())},
        abstained=() if view is None else _named(view.abstained, names),
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


def _status(status: Status, was_undone: bool) -> str:
    if status.stands:
        return status.name.lower()
    return "undone" if was_undone else "void"


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
                bonds=status.bonds / COIN if status else 0.0,
                earned=status.earned / COIN if status else 0.0,
                slashed=status.slashed / COIN if status else 0.0,
                error=status.error if status else "",
                epsilon=max((record.epsilon for record in own if record.epsilon is not None), default=None),
            )
        )
    late = 1 << 20  # nodes that joined by themselves, or never, come after the starter's own
    return tuple(sorted(nodes, key=lambda n: (n.slot if n.slot >= 0 else late, late if n.index is None else n.index)))
