"""Mimic: all liars repeat one honest update, so that one node's data counts many times over.

Source: Karimireddy, He and Jaggi 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing". The copied
one is a liar's own honest update: nobody can copy what is not published yet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack


class Mimic(Attack):
    """Sends the honest update of the first of the crew."""

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        np.copyto(values, self.crew.honest(round, base(), values)[0])
