"""What records say of a run's settings, and of its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayfed.protocol.messages import Phase

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.charter import Charter
    from rayfed.protocol.messages import View


@dataclass(frozen=True, slots=True)
class Ending:
    """A federation that is over.

    Attributes:
        charter, connection: its.
        view: as it was found to be over.
        seconds: since the run was started.
        run_id: MLflow's name for it; None without.
    """

    charter: Charter
    connection: Federation
    view: View
    seconds: float
    run_id: str | None

    def holds(self, view: View) -> bool:
        """Say whether it is still over, and with the same model: the chain may go back, and the court undo a round."""
        return view.phase is Phase.DONE and view.base == self.view.base


def facts(settings: Settings) -> dict[str, Any]:
    """Return the few settings that a reader wants beside the figures."""
    return {
        "name": settings.name,
        "seed": settings.seed,
        "nodes": settings.federation.nodes,
        "rounds": settings.federation.rounds,
        "data": settings.data.kind,
        "task": settings.task["_target_"].rpartition(".")[2],
        "partition": settings.partition.kind,
        "rule": settings.merge.rule,
        "privacy": settings.privacy.kind,
        "epochs": settings.train.epochs,
        "store": settings.store.kind,
        "coin": settings.stake.coin,
        "ledger": settings.ledger.kind,
    }


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level of dotted keys, as on the command line."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
