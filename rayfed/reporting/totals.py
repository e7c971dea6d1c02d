"""Figures of many nodes in one: means weighted as they have to be, and sums."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rayfed.protocol.messages import NodeRecord, Verb

ROUND_VERBS = (Verb.COMMIT.value, Verb.VOTE.value, Verb.ATTEST.value, Verb.ADVANCE.value)
"""What makes a round; joining, leaving and what comes after it are not counted in ``gas_per_node_round``."""


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


def gas_per_node_round(records: Iterable[NodeRecord]) -> float | None:
    """Return the mean gas of commit, vote, attest and advance together, over the records that sent any."""
    spent = [sum(r.gas.get(verb, 0) for verb in ROUND_VERBS) for r in records]
    spent = [gas for gas in spent if gas > 0]
    return round(sum(spent) / len(spent), 1) if spent else None


def _weighted(pairs: Iterable[tuple[float | None, int]]) -> float | None:
    measured = [(value, weight) for value, weight in pairs if value is not None and math.isfinite(value)]
    if not measured:
        return None
    total = sum(weight for _, weight in measured)
    if total == 0:  # nobody said how many: all count alike
        return math.fsum(value for value, _ in measured) / len(measured)
    return math.fsum(value * weight for value, weight in measured) / total
