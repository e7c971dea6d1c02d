"""What all nodes agree on: ``merge``, ``federation``, ``stake``; and, for experiments, who does not: ``attack``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rayfed.aggregation.rules.registry import RULES
from rayfed.config.fields import MAX_NODES, MAX_UINT32, one_of, within

UNMEASURED_SECONDS = 600
"""What a commit phase is taken to last before anything was measured."""


@dataclass(frozen=True)
class MergeSettings:
    """How the included updates become one model; part of the charter.

    Attributes:
        rule: mean (weighted by examples), trimmed_mean, median (both by coordinate, unweighted): the contract can
            recompute these. norm_clipping (weighted), centred_clipping, geometric_median: attested only.
        trim: trimmed_mean: fraction of the nodes whose value is left out at each end.
        max_weight: mean and norm_clipping: no update counts for more examples than this.
        mixing: none, nnm (each update becomes the mean of its n - f nearest) or bucketing, before the rule; a merge
            with it is attested only.
        f: how many Byzantine nodes the merge has to tolerate; 0 makes no promise. nnm needs it.
        bucket: bucketing: updates in a bucket.
        clip: the clipping rules: the radius as a multiple of the median distance from the base.
        iterations: steps of centred_clipping and geometric_median.
        optimizer: none (the rule's result is the next model), or a step from the base along it: fedavgm (Hsu et al.
            2019, arXiv:1909.06335), fedadam, fedyogi (Reddi et al. 2021, arXiv:2003.00295). Attested only; blobs are
            two (fedavgm) or three times as large.
        server_lr: the optimizer's learning rate; null is 1 for fedavgm and 0.03 for the adaptive ones.
        momentum: part of the last step that is carried into the next.
        second_momentum: fedadam and fedyogi: the same for the squared steps.
        tau: fedadam and fedyogi: added to the denominator, so that steps stay small where gradients are.
        bits: how wide an update's values are: 32, or 16 or 8 as differences from the round's base, for half or a
            quarter of the bytes. Models stay 32 bits wide, and the contract recomputes the same rules.
    """

    rule: str = one_of(*RULES)
    trim: float = 0.1
    max_weight: int = within(1_000_000, 1, 2**31 - 1)
    mixing: str = one_of("none", "nnm", "bucketing")
    f: int = within(0, 0, MAX_NODES // 2 - 1)
    bucket: int = within(2, 2, MAX_NODES // 2)
    clip: float = within(1.0, 0.0, 100.0, above=True)
    iterations: int = within(8, 1, 1000)
    optimizer: str = one_of("none", "fedavgm", "fedadam", "fedyogi")
    server_lr: float | None = within(None, 0.0, 100.0, above=True)
    momentum: float = within(0.9, 0.0, 0.9999)
    second_momentum: float = within(0.99, 0.0, 0.9999)
    tau: float = within(0.001, 1e-9, 1.0)
    bits: int = within(32, 8, 32)


@dataclass(frozen=True)
class FederationSettings:
    """The terms that the contract is founded on, and how many nodes this run starts.

    Attributes:
        nodes: how many nodes this run starts; 1..256.
        rounds: how many final rounds there will be; void ones come on top.
        start_members: round 1 opens as soon as this many have joined; null is ``nodes``.
        min_members: fewer updates than this, committed or included, make a round void; null is half of the nodes, at
            least 1.
        join_seconds: after this time ``min_members`` are enough to open round 1.
        commit_seconds: the longest that nodes have for training; a phase ends as soon as every member has spoken. Null
            is four times what training takes on the founder's machine, at least five minutes.
        vote_seconds: the same for voting, in which all updates have to be fetched and judged.
        attest_seconds: the same for attesting, in which all updates have to be fetched and merged. A merge is final
            as soon as more than two thirds of the roster have attested it.
        max_missed: rounds missed in a row after which a node is dropped from the roster; 0 is never.
        max_unsettled: rounds that may be open to contest at once; a seat has a bond for each of them, and the contract
            a slot: so many first rounds cost more gas than later ones.
        max_void: so many void rounds in a row end the federation.
        limit_seconds: so long without a final round ends the federation.
        final_model: public (everybody may have the final model) or members, where the store is confidential; part of
            the charter.
        alone: also train every node alone, for as many epochs, for comparison.
    """

    nodes: int = within(4, 1, MAX_NODES)
    rounds: int = within(5, 1, MAX_UINT32)
    start_members: int | None = within(None, 1, MAX_NODES)
    min_members: int | None = within(None, 1, MAX_NODES)
    join_seconds: int = within(300, 1, MAX_UINT32)
    commit_seconds: int | None = within(600, 1, MAX_UINT32)
    vote_seconds: int = within(300, 1, MAX_UINT32)
    attest_seconds: int = within(60, 1, MAX_UINT32)
    max_missed: int = within(3, 0, 7)
    max_unsettled: int = within(16, 1, 16)
    max_void: int = within(8, 1, 2**16 - 1)
    limit_seconds: int = within(86_400, 1, MAX_UINT32)
    final_model: str = one_of("public", "members")
    alone: bool = True

    @property
    def start(self) -> int:
        """``start_members`` with its default filled in."""
        return self.nodes if self.start_members is None else self.start_members

    @property
    def fewest(self) -> int:
        """``min_members`` with its default filled in."""
        return max(1, self.nodes // 2) if self.min_members is None else self.min_members

    @property
    def commit(self) -> int:
        """``commit_seconds``, or what they are taken to be before anything was measured."""
        return UNMEASURED_SECONDS if self.commit_seconds is None else self.commit_seconds

    @property
    def longest(self) -> int:
        """The longest that a round lasts, in seconds."""
        return self.commit + self.vote_seconds + self.attest_seconds


@dataclass(frozen=True)
class StakeSettings:
    """What is at stake, what is paid for, and the court's clocks; in whole coins of 18 decimals. Part of the charter.

    Attributes:
        coin: dlc (a DeepLearningCoin deployed with the federation), native (the chain's own currency) or the address
            of an ERC-20, of which ``ledger.key_file``'s account then holds enough.
        amount: what a member puts down to join.
        reward: what a settled round pays, shared equally by those whose update was merged and who attested.
        pool: what the founder puts into the pool; null is ``reward`` for every round.
        bond: what another root costs that is entered against a final one and loses, in the chain's own currency
            whatever the coin is; at least what a match costs in gas. A seat puts down ``federation.max_unsettled`` of
            them, and gets them back.
        window_seconds: how long after its attest phase a final round can be contested; then its rewards are paid.
        clock_seconds: each side's time in a match of two roots: whoever lets it run out loses.
        proof_seconds: how long a match waits for the proof of its inputs.
        right_share: fraction of a slashed stake that goes to those who attested the right root; the rest is burned.
        allow_list: file of the addresses that may join, one a line; null is anybody.
    """

    coin: str = "dlc"
    amount: float = within(100.0, 0.0, 1e15)
    reward: float = within(10.0, 0.0, 1e15)
    pool: float | None = within(None, 0.0, 1e15)
    bond: float = within(0.01, 0.0, 1e10, above=True)
    window_seconds: int = within(10, 1, MAX_UINT32)
    clock_seconds: int = within(30, 1, MAX_UINT32)
    proof_seconds: int = within(30, 1, MAX_UINT32)
    right_share: float = within(0.1, 0.0, 0.1)
    allow_list: str | None = None


@dataclass(frozen=True)
class AttackSettings:
    """Dishonest nodes, for experiments only.

    Attributes:
        kind: none, or the name of an attack.
        nodes: how many of the run's nodes are dishonest: the last ones.
        options: the attack's options, by name.
    """

    kind: str = "none"
    nodes: int = within(1, 0, MAX_NODES)
    options: dict[str, Any] = field(default_factory=dict)
