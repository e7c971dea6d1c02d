"""What a node is given: which federation it takes part in, what it works with, what it may do, who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rayfed.aggregation.screens import Screen
from rayfed.attacks.behaviour import HONEST, Behaviour
from rayfed.encoding.primitives import Address
from rayfed.learning import Learner
from rayfed.ledger import Ledger
from rayfed.node.journal import Journal
from rayfed.node.memo import Memo
from rayfed.node.training import InlineWorker, TrainingWorker
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import NodeRecord
from rayfed.store import Store
from rayfed.store.files import FileStore

FETCHES = 16
"""Updates that are asked for at a time: more than the peers that may be slow, or they would be waited for in turn."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Which federation.

    Attributes:
        charter: what the node agrees to.
        chain_id, federation: bound into the header of every update.
        slot: the node's place in the starter's config, or -1.
    """

    charter: Charter
    chain_id: int
    federation: Address
    slot: int = -1


@dataclass(frozen=True, slots=True)
class Resources:
    """What a node works with.

    Attributes:
        ledger: its account's handle on the federation.
        store: where blobs travel.
        disk: its own blobs; what it commits to is here before it is sent.
        journal: what it has signed.
        learner: its data and model.
        screens: its own judgement.
        memo: shared with the other nodes of the process.
        worker: where it trains.
    """

    ledger: Ledger
    store: Store
    disk: FileStore
    journal: Journal
    learner: Learner
    screens: Sequence[Screen]
    memo: Memo = field(default_factory=Memo)
    worker: TrainingWorker = field(default_factory=InlineWorker)


@dataclass(frozen=True, slots=True)
class Options:
    """What a node's owner chooses.

    Attributes:
        patience: seconds for which the node tries to get an update in VOTE before it votes without it.
        alone: whether to train alone at the end, for comparison.
        keep_rounds: how many rounds' blobs stay on the own disk; 0 keeps all, which is what an auditor wants.
        fetches: how many peers' updates are asked for at once; with 1, one after the other, in their order.
        keeps: whether to keep others' updates on the own disk, and give them, until the node's watchtower lets them go.
        waits: seconds for which a step waits for what is on its way from a peer, who may drip it; None: for as long as
            it takes, where time stands still then.
    """

    patience: float = 60.0
    alone: bool = False
    keep_rounds: int = 0
    fetches: int = FETCHES
    keeps: bool = True
    waits: float | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom a node asks and tells.

    Attributes:
        on_record: called with every round's record once it is complete.
        distrusts: whether a final merge is known to be wrong and not settled (``Watchtower.distrusts``).
        behaviour: honest, but in experiments.
    """

    on_record: Callable[[NodeRecord], None] = lambda record: None
    distrusts: Callable[[], bool] = lambda: False
    behaviour: Behaviour = HONEST
