"""Being different is held against few, never against many.

Who points elsewhere than the others may be dishonest, or hold data that they do not: the rows of one class of two, say.
No direction tells the two apart, but their number does. Fewer than a third of a federation are dishonest, or its quorum
is worth nothing; where more than that lie about equally far from the others, honest ones are among them, and refusing
them would shut their data out of the model for good: in the next round they would lie even further away.
"""

from __future__ import annotations

from collections.abc import Mapping


def singled_out(depths: Mapping[int, float], members: int) -> frozenset[int]:
    """Return which of the accused may be refused for being different.

    Args:
        depths: how far each accused lies from what the others do, in the screen's own unit, greater than 0.
        members: how many are judged; f < members / 3 of them may be dishonest: none of three.

    Returns:
        the f deepest; nobody where more than f lie at least half as deep as the deepest.
    """
    f = max(0, members - 1) // 3
    deepest = sorted(depths, key=lambda index: (-depths[index], index))
    if len(deepest) > f and depths[deepest[f]] >= depths[deepest[0]] / 2:
        return frozenset()
    return frozenset(deepest[:f])
