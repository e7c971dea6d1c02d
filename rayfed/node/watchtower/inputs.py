"""What a round has included, as far as it is to be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rayfed.encoding.primitives import Address, Root
from rayfed.node.tools import BlobTools
from rayfed.protocol import contexts
from rayfed.protocol.court import MergeEvidence


@dataclass(frozen=True, slots=True)
class Inputs:
    """The included updates by root, and with them the base where they are differences from it; None while not all can
    be had, and then in a line what is lacking, and whether all that is may be on its way."""

    updates: Mapping[Root, memoryview] | None
    lacks: str = ""
    are_coming: bool = False


class InputFinder:
    """Finds inputs.

    Args:
        tools: the watchtower's own.
        reveal: called with the updates that a round has included: whoever holds one gives it to all who ask.
    """

    def __init__(self, tools: BlobTools, reveal: Callable[[Iterable[Root]], None]) -> None:
        self._tools = tools
        self._reveal = reveal

    def find(self, evidence: MergeEvidence, holders: Iterable[Address]) -> Inputs:
        """Return the inputs of a round; they are lacking, too, while a base that the rule asks for is not to be had."""
        known = [address for address in holders if address]
        lacks = self._tools.merger.lacks(evidence.base, known)
        if lacks:
            return Inputs(None, f"the base {evidence.base.hex()[:12]}: {lacks}")
        self._reveal(evidence.roots)  # before it asks others: they may wait for each other
        updates: dict[Root, memoryview] = {}
        are_coming = True
        for root in dict.fromkeys(evidence.roots):  # all are asked for: who drips one keeps no other one away
            found = self._tools.blobs.find(root, known, at_once=bool(lacks))
            if found.blob is not None:
                updates[root] = found.blob
            elif not lacks or (are_coming and not found.is_coming):
                lacks, are_coming = f"the update {root.hex()[:12]}: {found.reason}", found.is_coming
        if lacks:
            return Inputs(None, lacks, are_coming)
        base = self._tools.disk.read(evidence.base) if self._tools.codec.is_narrow else None
        return Inputs(updates if base is None else {**updates, evidence.base: base})

    def keep(self, round: int, blobs: Mapping[Root, memoryview]) -> None:
        """Have these on the own disk until the round is released: without them no leaf can be proved.

        Raises:
            StoreError: the disk is full.
        """
        self._tools.disk.hold(round, blobs)
        self._reveal(blobs)  # now those of others lie here too


def is_whole(evidence: MergeEvidence, context: bytes) -> bool:
    """Say whether evidence is what a context binds: a ledger's node that lies, or lags, is found out by that."""
    return evidence.context == context == contexts.resting(evidence.voting, evidence.included, evidence.roots)
