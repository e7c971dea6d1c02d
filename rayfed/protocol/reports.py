"""What nodes say of themselves: figures of a round, and what one is doing now. No weight, no image, no key."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import Address


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What one node reports of one round. Figures only: no weight, no image, no key.

    Attributes:
        slot: the node's place in the starter's config (0..nodes-1); -1 for a node that joined by itself.
        index: the node's index in the federation.
        examples: training images used in an epoch.
        loss: mean training loss of the last local epoch.
        accuracy: of the round's merged model on this node's test images, 0..1; None if the round was void.
        test_examples: how many test images ``accuracy`` is over.
        seconds: wall seconds by step (train, encode, fetch, screen, merge, evaluate, ...).
        gas, transactions: gas used and transaction hash by verb.
        saturated: how many values did not fit the fixed point and were clipped.
        epsilon: what the node has spent of its privacy up to this round; None without DP-SGD.
    """

    slot: int
    address: Address
    index: int
    round: int
    loss: float | None = None
    examples: int = 0
    accuracy: float | None = None
    test_examples: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    gas: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    saturated: int = 0
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node says of itself right now, for the live table.

    ``accuracy`` is that of the merged model of the round ``scored``, which may have closed a while ago.
    ``doing`` is a step's name or ``waiting``, ``finished``, ``failed``; ``error`` is one line, empty when all is well.
    ``stake`` is what it has at stake, ``earned`` what settled rounds brought it, ``slashed`` what it lost, in the
    coin's smallest unit; ``bonds`` what it has put down in the chain's own currency.
    ``alone_accuracy`` is None until the node has trained alone; ``alone_curve`` holds it after each round's epochs.
    """

    slot: int
    address: Address
    index: int | None
    round: int
    doing: str
    loss: float | None = None
    accuracy: float | None = None
    gas: int = 0
    transactions: int = 0
    stake: int = 0
    bonds: int = 0
    earned: int = 0
    slashed: int = 0
    alone_accuracy: float | None = None
    alone_curve: tuple[float, ...] = ()
    error: str = ""
    scored: int = 0
