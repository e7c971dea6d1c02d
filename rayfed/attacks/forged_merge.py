"""Forged merge: honest work, and then a model of one's own in the place of the merge, attested by the whole crew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.attacks import Attack, Crew
from rayfed.encoding import codec
from rayfed.encoding.primitives import Root

if TYPE_CHECKING:
    from rayfed.attacks.behaviour import Shelf


class ForgedMerge(Attack):
    """All of the crew attest, and publish, the same model, in which every value is turned round.

    With more than the quorum it becomes final; whoever looks finds it, and one honest node can have it rolled back.

    Args:
        round: the only one in which they do so; 0: in all.
    """

    def __init__(self, crew: Crew, round: int = 0) -> None:
        super().__init__(crew)
        self._round = round

    def attestation(self, round: int, root: Root, blobs: Shelf) -> Root:
        """See ``Behaviour``."""
        if self._round not in (0, round):
            return root
        true = blobs.own(root)
        if true is None:
            return root  # the disk has lost what has just been merged: nothing to forge from
        forged = bytearray(true)
        codec.values(forged)[:] *= -1
        wrong = blobs.keep(memoryview(bytes(forged)))
        blobs.publish(wrong)
        return wrong
