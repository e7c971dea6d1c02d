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

    With the quorum it becomes final, and they go on from there. Whoever looks finds it; one honest node that has the
    updates has it undone, and the crew lose their stakes.

    Args:
        round: the only one in which they do so; 0: in all.
        defend: whether they go to court for it; else they are silent there, and lose by that.
    """

    trusts = True

    def __init__(self, crew: Crew, round: int = 0, defend: bool = False) -> None:
        super().__init__(crew)
        self._round = round
        self.defends = defend

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
