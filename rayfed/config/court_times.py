"""How long the court of a federation waits, and its nodes for the court, where the chain is not the run's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from rayfed.config.schema import Settings

COURT_TIMES = ("window_seconds", "clock_seconds", "proof_seconds")
"""The settings of ``stake`` that say how long the court waits."""

COURT_SECONDS = 3600
"""The least of them on a chain that is not the run's own."""


def check(settings: Settings) -> None:
    """Refuse what has people lose their stakes by being away for seconds.

    Raises:
        ConfigError: the court's times are a demonstration's, or the nodes end before the court does.
    """
    for name in COURT_TIMES:
        seconds = getattr(settings.stake, name)
        if seconds < COURT_SECONDS:
            raise ConfigError(
                f"stake.{name}",
                f"{seconds} s are a demonstration's: on a chain where others are, whoever is kept out for so "
                f"long loses its stake; +profile=real has hours (on a test chain: ledger.allow_demo_times=true)",
            )
    linger = settings.cluster.linger_seconds
    contested = settings.federation.attest_seconds + settings.stake.window_seconds
    if linger < contested:
        raise ConfigError(
            "cluster.linger_seconds",
            f"{linger} s are less than the {contested} s in which the last merge can be contested: whoever attested it "
            "loses its stake if nobody is there to stand up for it; +profile=real has a day",
        )
