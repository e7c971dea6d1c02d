"""Whoever has been left out for some rounds is let in for a small harm, whatever those think of it who are in.

A screen errs the same way round after round where a member's images are unlike the others': it is refused, the model
forgets its images, and its next update does them the same small harm. So a little more is forgiven to who has been out
for ``patience`` rounds in a row. An attacker gains one small harm in ``patience`` + 1 rounds by it, and no large one.
"""

from __future__ import annotations

from collections.abc import Collection

from rayfed.aggregation.screens import Evidence
from rayfed.errors import ConfigError


def waiting(evidence: Evidence, patience: int) -> Collection[int]:
    """Return the members whose small harm is forgiven; with a ``patience`` of 0 nobody's."""
    return evidence.left_out(patience) if patience else ()


def check(screen: str, patience: object, forgiven: float) -> None:
    """Look at a screen's settings of these names.

    Raises:
        ConfigError: naming the setting.
    """
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
        raise ConfigError(
            f"screens.{screen}.patience", f"must be a whole number of rounds, 0 for never, is {patience!r}"
        )
    if not forgiven >= 1:
        raise ConfigError(f"screens.{screen}.forgiven", f"must be at least 1, is {forgiven}")
