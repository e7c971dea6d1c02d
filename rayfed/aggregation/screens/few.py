"""Among few nodes limits are wider: each one is more of the mean, and less is known of what is usual."""

from __future__ import annotations

import math

AMONG = 10
"""The number of updates that the screens' limits are for."""


def width(updates: int) -> float:
    """Return by what to multiply a limit of harm among so many updates: 1 for ``AMONG`` or more.

    It grows with the power 2.5 of how many are missing to that number: 2.0 for seven, 6.5 for four.
    """
    return 1 + math.pow(max(0, AMONG - updates), 2.5) / 16
