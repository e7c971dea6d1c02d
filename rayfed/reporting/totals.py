"""Figures of many nodes in one: means weighted as they have to be, and sums."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rayfed.protocol.messages import NodeRecord, Verb
from rayfed.protocol.metric import ACCURACY, Metric

ROUND_VERBS = (Verb.COMMIT.value, Verb.VOTE.value, Verb.ATTEST.value, Verb.ADVANCE.value)
"""What makes a round; joining, leaving and what comes after it are not counted in ``gas_per_node_round``."""


def weighted_accuracy(records: Iterable[NodeRecord], metric: Metric = ACCURACY) -> float | None:
    """Return the metric over all nodes' test examples together, or None if no record has one.

    On a test set that is split among the nodes this is exactly the metric on the whole set.
    """
    return metric.pooled((r.accuracy, r.test_examples) for r in records)


def weighted_loss(records: Iterable[NodeRecord]) -> float | None:
    """Return the training loss over all nodes' training examples together, or None if no record has one."""
    return ACCURACY.pooled((r.loss, r.examples) for r in records)


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


def gas_per_node_round(records: Iterable[NodeRecord]) -> float | None:
    """Return the mean gas of commit, vote, attest and advance together, over the records that sent any."""
    spent = [sum(r.gas.get(verb, 0) for verb in ROUND_VERBS) for r in records]
    spent = [gas for gas in spent if gas > 0]
    return round(sum(spent) / len(spent), 1) if spent else None
