"""Taking over the model that the ledger names, before a round and at the end."""

from __future__ import annotations

from rayfed.node.kit import Kit
from rayfed.node.phases.ready import NOTHING, Ready
from rayfed.protocol.messages import Phase, View
from rayfed.protocol.policy import Adopt


class AdoptHandler:
    """Builds genesis, or has the model from the own disk or from a peer; serves it from then on."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: Adopt, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        kit = self.kit
        kit.scores.advance()  # there may have been no idle moment for the model that is about to be replaced
        with kit.log.timed(view.base_round, "adopt"):
            state = kit.load(action.root, view)
            if state is None:
                return NOTHING
            kit.held.state, kit.held.model = state, action.root
        kit.publisher.model(action.root, for_all=view.phase is Phase.DONE)
        if view.base_round:
            kit.scores.add(view.base_round, state)
        if kit.options.keep_rounds:
            self._prune(view.round - kit.options.keep_rounds)
        return Ready(True)

    def _prune(self, last: int) -> None:
        """Let go of the own blobs of round ``last`` and before; the journal knows them all."""
        kit = self.kit
        own = kit.resources.journal.roots(range(max(1, last + 1), last + kit.options.keep_rounds + 1))
        charter = kit.membership.charter
        beside = {charter.layout.frozen.root} if charter.layout.frozen else set()
        kit.tools.disk.prune({kit.held.model, charter.genesis, *own, *beside})
