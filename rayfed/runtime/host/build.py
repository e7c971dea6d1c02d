"""Puts a host's lives together: the connection, the nodes with their handles, and what drives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rayfed.encoding import blocks
from rayfed.encoding.primitives import Address
from rayfed.ledger.backend import Priced
from rayfed.ledger.patience import OUTAGE_SECONDS, patiently
from rayfed.node.beside import Beside
from rayfed.node.herald import Herald
from rayfed.node.training import ThreadWorker
from rayfed.node.watchtower import Saboteur
from rayfed.protocol.messages import NATIVE, NodeStatus
from rayfed.runtime.host.listener import Listener
from rayfed.runtime.host.reads import OneLook, WatchLedger
from rayfed.runtime.host.rounds import RoundsLife
from rayfed.runtime.host.watch import Post, WatchLife
from rayfed.store import Announces

if TYPE_CHECKING:
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Federation
    from rayfed.node.edge_node import EdgeNode
    from rayfed.node.watchtower import Watchtower
    from rayfed.runtime.assembly import Assembly
    from rayfed.runtime.host.records import RecordBook
    from rayfed.runtime.host.relay import RelayLife
    from rayfed.runtime.host.spec import HostSpec


@dataclass(frozen=True, slots=True)
class Lives:
    """What runs in a host, once it is built.

    Attributes:
        nodes: that it carries.
        beside: gives the model's frozen part to who joins without its file; None where nobody needs it.
        relay: None where every node posts by itself.
    """

    nodes: tuple[EdgeNode, ...]
    rounds: RoundsLife
    relay: RelayLife | None
    watch: WatchLife
    listener: Listener
    beside: Beside | None = None

    @property
    def are_over(self) -> bool:
        """Whether nothing is left to be done."""
        view = self.rounds.over
        relayed = self.relay is None or self.relay.is_idle
        return view is not None and relayed and self.watch.is_satisfied(view)

    def start(self) -> None:
        """Begin all of them, and return at once."""
        if self.relay is not None:
            self.relay.begin(self.nodes[0].ledger.handle(), [node.address for node in self.nodes])
        for life in (self.rounds, self.watch, self.listener):
            life.start()
        if self.beside is not None:
            self.beside.start()


def has_means(connection: Federation, address: Address) -> bool:
    """Say whether an account can pay for what it sends (a consortium's chain may take nothing for it), and besides what
    it has still to put down: money may come in parts, and who joins too early is refused. Whoever lost its stake puts
    no other one down by itself."""
    balance = connection.balance(address)
    least = 0 if isinstance(connection, Priced) and connection.is_free() else 1
    if balance < least:
        return False
    terms, account = connection.terms(), connection.account(address)
    stake = 0 if account.slashed else max(0, terms.stake - account.stake)
    bonds = max(0, terms.bonds - account.bonds)
    if terms.coin == NATIVE:
        return balance >= least + stake + bonds
    return balance >= least + bonds and connection.coins(address) >= stake


class Builder:
    """Builds the lives of one host.

    Args:
        spec: what the host was told.
        assembly: puts its nodes together.
        relay: what its nodes' messages are left to, if the settings say so.
        book: where its nodes' records go.
        show: told each node's status before there is a node.
    """

    def __init__(
        self,
        spec: HostSpec,
        assembly: Assembly,
        relay: RelayLife,
        book: RecordBook,
        show: Callable[[NodeStatus], None],
    ) -> None:
        self._spec = spec
        self._assembly = assembly
        self._relay = relay if spec.settings.cluster.relay else None
        self._book = book
        self._show = show
        self._towers: dict[int, Watchtower] = {}
        self._built = 0

    @property
    def has_built(self) -> bool:
        """Whether there is a node already: what one takes is there, so a lack of memory may pass."""
        return self._built > 0

    def connect(self, restarted: bool) -> Federation:
        """Return the host's connection.

        Args:
            restarted: whether the host was connected before it died: then whatever keeps the chain away is not a wrong
                setting, and it is waited for however long that takes.
        """
        assembly, federation = self._assembly, self._spec.place.federation
        return patiently(
            lambda: assembly.backend.connect(federation, assembly.charter.hash, follow=True),
            math.inf if restarted else OUTAGE_SECONDS,
        )

    def lives(self, connection: Federation, wake: Callable[[], None]) -> Lives:
        """Return the host's lives, not started yet.

        Args:
            wake: called from any thread when the rounds have something to do.
        """
        blocks.set_threads(max(1, blocks.cores() // self._hosts_here()))
        nodes = tuple(self._node(slot, connection, wake) for slot in self._spec.slots)
        reads = OneLook(connection)
        posts = [self._post(node, reads) for node in nodes]
        rounds = RoundsLife(connection.view, nodes, partial(has_means, connection))
        watch = WatchLife(connection.view, posts, reads, lambda post: self._tower(post.node, post.ledger))
        wakes = [rounds.wake, watch.wake, *([] if self._relay is None else [self._relay.wake])]
        return Lives(nodes, rounds, self._relay, watch, Listener(connection, wakes), self._assembly.beside(nodes[0]))

    def _hosts_here(self) -> int:
        """Return how many hosts share the machine: a party of its own (slot -1) has it to itself."""
        settings = self._spec.settings
        each = settings.cluster.nodes_per_actor or 1
        return 1 if -1 in self._spec.slots else math.ceil(settings.federation.nodes / each)

    def _node(self, slot: int, connection: Federation, wake: Callable[[], None]) -> EdgeNode:
        assembly, key = self._assembly, self._assembly.key(slot)
        self._show(NodeStatus(slot, key.address, None, 0, "loading data"))
        folder = assembly.folder(slot)
        self._book.load(folder)
        ledger = connection.ledger(key, assembly.proof(key.address), None if self._relay is None else self._relay.pool)
        keep = self._book.keeper(folder)
        node = assembly.node(slot, ledger, keep, lambda: self._distrusts(slot), ThreadWorker(wake))
        self._built += 1
        return node

    def _post(self, node: EdgeNode, reads: OneLook) -> Post:
        ledger = WatchLedger(reads, node.ledger.handle())
        store = node.kit.resources.store
        herald = Herald(node.ledger.handle(), store) if isinstance(store, Announces) else None
        payout = self._spec.settings.ledger.payout_address or node.address
        return Post(node, ledger, self._tower(node, ledger), payout, herald)

    def _tower(self, node: EdgeNode, ledger: Any) -> Watchtower | Saboteur:
        behaviour = node.kit.hooks.behaviour
        if not (node.is_honest or behaviour.defends):
            return Saboteur(ledger, behaviour, node.kit.board.note)
        tower = self._towers[node.slot] = self._assembly.watchtower(node, ledger)
        return tower

    def _distrusts(self, slot: int) -> bool:
        return slot in self._towers and self._towers[slot].distrusts()
