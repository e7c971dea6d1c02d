"""What a node does where it could do otherwise: the one seam through which attacks come in, for experiments.

``EdgeNode`` asks its behaviour at every point at which a dishonest party could deviate. This one is honest, and the
only one that a real node has; ``rayfed.attacks`` holds the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rayfed.aggregation.screens import Evidence
    from rayfed.encoding.primitives import Address, Root
    from rayfed.protocol.messages import Verb


class Shelf(Protocol):
    """The node's own blobs, as far as a behaviour gets at them; ``rayfed.node.blobs.BlobRepository`` is one."""

    def own(self, root: Root) -> memoryview | None:
        """Return a blob from the own disk, or None if it is not there whole."""

    def keep(self, blob: memoryview) -> Root:
        """Keep a blob on the own disk; return its root."""

    def publish(self, root: Root) -> object:
        """Give peers what is on the own disk."""


class Behaviour:
    """Honest in everything.

    Attributes:
        defends: whether a dishonest node stands up in court for what it has attested.
        trusts: whether it builds on whatever is final.
    """

    defends = False
    trusts = False

    def poison(self, x: NDArray[np.uint8], y: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images (n, c, h, w) and classes (n,) to train on, given the node's own."""
        return x, y

    def speaks(self, verb: Verb, round: int) -> bool:
        """Say whether to send this message at all."""
        return True

    def examples(self, round: int, own: int) -> int:
        """Return how many examples to claim, given how many there were."""
        return own

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """Change an update before it is committed to.

        Args:
            base: gives the values of the round's base, (n_values,).
            values: of the update as it was trained, (n_values,); to be changed in place.
        """

    def offer(self, round: int, blob: memoryview) -> memoryview | None:
        """Return what to publish under the root of the own update, given what belongs there; None: nothing."""
        return blob

    def serves(self, member: Address) -> bool:
        """Say whether to give a member anything, in stores that know who asks."""
        return True

    def saw(self, round: int, evidence: Evidence) -> None:
        """Learn what everybody has published in this round."""

    def ballot(self, round: int, accepted: int, committed: int) -> int:
        """Return the bitmap to vote, given what the screens accept of what was committed."""
        return accepted

    def misses(self, round: int, missing: int, committed: int) -> int:
        """Return the bitmap of updates to call missing, given those that are."""
        return missing

    def attestation(self, round: int, root: Root, blobs: Shelf) -> Root:
        """Return the root to attest, given the one of the merge, which is among the node's own blobs."""
        return root

    def shams(self, round: int, root: Root) -> Sequence[Root]:
        """Return roots to enter in court against a final one, a bond each."""
        return ()


HONEST = Behaviour()
"""What every real node does."""
