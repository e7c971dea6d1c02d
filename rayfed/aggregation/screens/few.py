"""Among few nodes limits are wider: each one is more of the mean, and less is known of what is usual."""

from __future__ import annotations

AMONG = 10
"""The number of updates that the screens' limits are for."""


def width(updates: int) -> float:
    """Return by what to multiply a limit of harm among so many updates: 1 for ``AMONG`` or more.

    It grows with the cube of how many are missing to that number: 1.7 for seven, 6.4 for four.
    """
    return 1 + max(0, AMONG - updates) ** 3 / 40
