"""Wrong attestation: honest work, and then the word for a merge that nobody made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rayfed.attacks import Attack
from rayfed.encoding.primitives import Root

if TYPE_CHECKING:
    from rayfed.attacks.behaviour import Shelf


class WrongAttestation(Attack):
    """All of the crew attest the same wrong root, so that it is as near to a quorum as they can bring it."""

    def attestation(self, round: int, root: Root, blobs: Shelf) -> Root:
        """See ``Behaviour``."""
        return hashlib.sha256(b"wrong" + root).digest()
