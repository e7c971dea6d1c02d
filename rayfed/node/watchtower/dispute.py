"""Going to court about a wrong merge: the next move, whoever opened the case. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.node import fraud_proofs
from rayfed.node.watchtower.closed import Closed
from rayfed.protocol.commands import Challenge, Conclude, Prove
from rayfed.protocol.judgement import MERGED, Case, Kind, State
from rayfed.protocol.messages import Terms

PROOFS_AT_ONCE = 8
"""Leaves proved in one transaction; each costs about 170,000 gas, most of it for its 4096 bytes."""

MEAN = 1
"""The rule's number in the terms; the only one that asks for weights."""


def next_move(
    closed: Closed,
    updates: Mapping[Root, memoryview],
    claimed: memoryview,
    true: memoryview,
    cases: Sequence[Case],
    terms: Terms,
    address: Address,
) -> Challenge | Prove | Conclude | None:
    """Return what is next: open a challenge, prove what it lacks, or have it concluded.

    Args:
        closed: the round whose merge is wrong.
        updates: its included ones by root.
        claimed, true: the merge that is final, and the one that it should be.
        cases: the open ones.
        terms: the federation's.
        address: who asks.
    """
    of_this = [case for case in cases if case.round == closed.round and case.state is State.OPEN]
    for case in of_this:
        # One that challenges what is right there is not helped; the bond is theirs to lose.
        if case.kind is Kind.CHALLENGE and _at(claimed, case) != _at(true, case):
            return _proceed(case, closed, updates, claimed, terms)
    if any(case.challenger == address for case in of_this):
        return None
    found = fraud_proofs.difference(claimed, true)
    if found is None or (terms.rule == 0 and found.leaf):
        return None  # the contract cannot recompute this rule: what is wrong stays known, and nothing more
    return Challenge(closed.round, found.leaf, found.coordinate, closed.included)


def _proceed(
    case: Case, closed: Closed, updates: Mapping[Root, memoryview], claimed: memoryview, terms: Terms
) -> Prove | Conclude:
    lacks = fraud_proofs.missing(case.proven, case.inputs, case.merged_proven)[:PROOFS_AT_ONCE]
    if not lacks:
        return Conclude(case.id)
    weighted = terms.rule == MEAN and case.leaf != 0
    blobs = {which: claimed if which == MERGED else updates[closed.included[which]] for which in lacks}
    proofs = [fraud_proofs.prove(blob, which, case.leaf, weighted=weighted) for which, blob in blobs.items()]
    return Prove(case.id, closed.included, proofs)


def _at(blob: memoryview, case: Case) -> bytes:
    size = fraud_proofs.WORD if case.leaf == 0 else fraud_proofs.VALUE
    start = case.leaf * merkle.LEAF + case.coordinate * size
    return bytes(blob[start : start + size])
