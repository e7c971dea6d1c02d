"""What a node's phases work with and share. Nothing in it cannot be rebuilt from ledger, store and the node's disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.learning import State
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.publisher import Publisher
from rayfed.node.round_log import RoundLog
from rayfed.node.scores import Scores
from rayfed.node.status import StatusBoard
from rayfed.node.tools import BlobTools
from rayfed.protocol.messages import View


@dataclass(slots=True)
class Held:
    """What a node holds in memory.

    Attributes:
        model: root of the model that it has adopted; NO_ROOT if none yet.
        state: that model's weights.
    """

    model: Root = NO_ROOT
    state: State = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kit:
    """A node's parts, for its phases."""

    membership: Membership
    resources: Resources
    options: Options
    hooks: Hooks
    tools: BlobTools
    held: Held
    log: RoundLog
    publisher: Publisher
    scores: Scores
    board: StatusBoard

    @property
    def address(self) -> Address:
        """The node's account."""
        return self.resources.ledger.address

    def has_time(self, view: View) -> bool:
        """Whether VOTE is still young enough to wait for a peer or for the store."""
        opened = view.deadline - self.membership.charter.vote_seconds
        return view.time - opened < self.options.patience

    def load(self, root: Root, view: View) -> State | None:
        """Return a model whose blob is then on the own disk; None, with a note, if it cannot be had now."""
        genesis, models = self.membership.charter.genesis, self.tools.models
        if root == genesis:
            models.build_genesis(root, self.resources.learner.genesis())
        loaded = models.load(root, [address for address in view.members if address != self.address])
        if loaded.state is None:
            self.board.trouble(loaded.reason)
        return loaded.state
