"""ATTEST: merging the included updates, and stating the root; and checking a round that has closed the same way."""

from __future__ import annotations

from typing import ClassVar

from rayfed.encoding.primitives import Root
from rayfed.node.included import Included, IncludedReader
from rayfed.node.kit import Kit
from rayfed.node.peer_updates import PeerUpdates
from rayfed.node.phases.ready import NOTHING, JournalEntry, Ready
from rayfed.protocol.commands import Attest
from rayfed.protocol.messages import Verb, View
from rayfed.protocol.policy import Check, Merge


class MergeMaker:
    """Makes the node's own merges, as far as it can have what they need.

    Args:
        kit: the node's parts.
    """

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        tools = kit.tools
        self._updates = PeerUpdates(tools.codec, tools.blobs, tools.memo, kit.options.fetches)
        self._included = IncludedReader(kit.resources.ledger, kit.address)

    def inputs(self, round: int, context: bytes, view: View) -> Included | None:
        """Return what is to be merged; None if the ledger does not tell."""
        return self._included.read(round, context, view)

    def merged(self, round: int, context: bytes, view: View, *, logged: bool) -> Root | None:
        """Merge what a round has included; None while something of it cannot be had.

        Args:
            round, context: of the round.
            view: as of now.
            logged: whether what it takes goes into the round's record, which may be handed out by now.
        """
        kit, record = self.kit, round if logged else 0
        inputs = self.inputs(round, context, view)
        if inputs is None:
            return None
        with kit.log.timed(record, "fetch"):
            found = self._updates.fetch(inputs.holders)
            present = {root: one.blob for root, one in found.items() if one.blob is not None}
        kit.publisher.others(round, present)
        if len(present) < len(set(inputs.roots)):
            return None
        others = [address for address in view.members if address and address != kit.address]
        if kit.tools.merger.lacks(inputs.base, others):
            return None
        with kit.log.timed(record, "merge"):
            root, _ = kit.tools.merger.merge(inputs.roots, present, round, inputs.base)
        kit.tools.merges.note(context, root)
        return root


class MergeHandler:
    """Merges, and attests the result."""

    makes: ClassVar[type[MergeMaker]] = MergeMaker

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._maker = self.makes(kit)

    def __call__(self, action: Merge, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        kit, round, context = self.kit, action.round, action.context
        if index is None:
            return NOTHING
        if round == view.round:
            kit.publisher.own_update(view, index)  # after a restart, those who still lack it ask again
        said = kit.resources.journal.said(round, Verb.ATTEST, context)
        if said is not None:
            return Ready(True, command=Attest(round, context, bytes.fromhex(said)))
        merged = self._maker.merged(round, context, view, logged=True)
        if merged is None:
            return NOTHING
        root = kit.hooks.behaviour.attestation(round, merged, kit.tools.blobs)
        return Ready(True, JournalEntry(round, Verb.ATTEST, context, root.hex()), Attest(round, context, root))


class CheckHandler:
    """Merges what the base's round has included, which is all that it takes to know whether the base is right."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self._maker = MergeMaker(kit)

    def __call__(self, action: Check, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        merged = self._maker.merged(action.round, action.context, view, logged=False)
        return NOTHING if merged is None else Ready(True)
