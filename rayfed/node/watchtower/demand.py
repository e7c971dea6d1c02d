"""Demands: asking on the ledger for what no peer gives, and showing what is asked for. Pure."""

from __future__ import annotations

from rayfed.encoding import merkle
from rayfed.node import fraud_proofs
from rayfed.node.watchtower.closed import Closed
from rayfed.node.watchtower.inputs import Missing
from rayfed.protocol.commands import Answer, Demand
from rayfed.protocol.judgement import Case, Kind, State
from rayfed.protocol.messages import Terms


def demand(missing: Missing, closed: Closed, terms: Terms) -> Demand:
    """Return the demand for a blob. Any leaf will do: who has one has all, and who asks for one that nobody has undoes
    the merge."""
    leaves = 1 + -(-terms.values // (merkle.LEAF // fraud_proofs.VALUE))
    leaf = int.from_bytes(missing.root[8:16], "big") % leaves
    return Demand(missing.round, missing.which, leaf, closed.included)


def can_be_answered(case: Case, closed: Closed, time: int) -> bool:
    """Say whether a case is a demand that still stands and whose time is not over."""
    open_demand = case.kind is Kind.DEMAND and case.state is State.OPEN
    return open_demand and time <= case.deadline and not closed.record.undone


def answer(case: Case, closed: Closed, blob: memoryview) -> Answer:
    """Return what shows a demanded leaf, given the whole blob."""
    proof = fraud_proofs.prove(blob, case.which, case.leaf, weighted=False)
    return Answer(case.id, closed.included, proof.data, proof.path)
