"""What the recorder hands to MLflow."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.errors import StoreError
from rayfed.runtime import final_model
from rayfed.runtime.facts import flat

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.protocol.charter import Charter
    from rayfed.reporting.mlflow import Tracker
    from rayfed.reporting.summary import Summary
    from rayfed.runtime.facts import Ending
    from rayfed.runtime.place import Place

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is recorded of a run, and where.

    Attributes:
        settings, config, place, started, folder, only: as ``Recorder`` takes them.
        charter: the federation's.
    """

    settings: Settings
    config: dict[str, Any]
    place: Place
    charter: Charter
    started: float
    folder: str
    only: str | None

    def begin(self) -> Tracker | None:
        """Return what records the run; None if nothing is recorded. Another one of the same run goes on in its runs."""
        from rayfed.config.files import tracking_uri
        from rayfed.reporting.mlflow import Tracker
        from rayfed.reporting.mlflow.datasets import LearnedFrom

        chosen, charter, federation = self.settings.track, self.charter, self.place.federation
        if not chosen.enabled:
            return None
        return Tracker(
            tracking_uri(chosen.tracking_uri, Path(self.folder)),
            chosen.experiment or self.settings.name,
            run_name=f"{self.settings.name} {federation[:10]}",
            params=flat(self.config),
            charter_json=self.place.charter,
            tags={
                "federation": federation,
                "chain_id": str(self.place.chain_id),
                "charter_hash": "0x" + charter.hash.hex(),
            },
            identity=f"{federation}-{self.started}",
            nodes=self.settings.federation.nodes if self.only is None else 1,
            metric=charter.data.metric,
            data=LearnedFrom.of(self.settings.data.kind, charter.data, charter.hash),
            system=chosen.system_metrics,
            model=True,
            texts={"config.json": json.dumps(self.config, indent=2, default=str)},
        )

    def end(self, tracker: Tracker, end: Ending, told: Summary, page: str, scratch: Path) -> str:
        """Hand over the results and the final model, and end the runs; return in one line what is not recorded.

        Args:
            told, page: the summary and the page.
            scratch: where the final model's blob goes.
        """
        model, example, missing = None, None, ""
        try:
            blob = final_model.fetched(self.settings, end.charter, end.connection, end.view, scratch)
            tracker.wait_until_ready()
            model, example = final_model.built(self.settings, end.charter, blob)
        except StoreError as error:
            # The hosts may have gone by now. The runs are ended all the same, with all but the model in them.
            missing = f"the final model is not recorded: {error}"
            log.warning(missing)
        offered: Any = {"model": model, "input_example": example, "register": self.settings.track.register}
        tracker.finish(told, texts={"report.html": page}, **offered)
        return tracker.problem() or missing
