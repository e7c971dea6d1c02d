"""What came of one closed round, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.encoding.primitives import Address


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
        status: ``final`` (its merge can still be contested), ``settled`` (for good), ``void``, or ``undone``: its merge
            lost in court, or what it was built on did.
        root: of the merged model, None in a round that is void or undone.
        included: nodes whose update is in the merge.
        attesters: nodes that attested the final root.
        accuracy: the metric over all nodes' test examples; None if nobody measured, or the round
            does not stand.
        loss: mean of the nodes' training losses, weighted by their training examples; None if nobody trained.
        seconds: wall seconds by step, mean over the nodes that reported the step.
        gas: gas by verb, sum over the nodes.
        accuracies: each node's own, of the merged model on its own test examples.
        ballots: the updates that each node accepted. A node that did not vote is not there.
        misses: the updates that each node could not get; who got all is not there.
        abstained: who knew the base to be wrong, or could not check it, and trained nothing on it.
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
    misses: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    abstained: tuple[Address, ...] = ()
    roots: dict[Address, str] = field(default_factory=dict)
    transactions: dict[Address, dict[str, str]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    saturated: int = 0
    epsilons: dict[Address, float] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Whether the round has made a model that counts."""
        return self.status in ("final", "settled")
