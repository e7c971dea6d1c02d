"""The load of a machine in MLflow, by MLflow's own monitor, which needs psutil (and nvidia-ml-py for GPUs)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from rayfed.reporting.mlflow.runs import MlflowRuns

SECONDS = 5.0
"""How often it is looked; MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL says otherwise."""


def check() -> None:
    """Check that the load can be recorded here.

    Raises:
        ConfigError: naming ``track.system_metrics`` and what is missing.
    """
    if find_spec("psutil") is None:
        words = "needs the package psutil: pip install 'rayfed[system-metrics]'"
        raise ConfigError("track.system_metrics", words)


class SystemLoad:
    """Records the load of the machine that it runs on, as ``system/...`` of one run; from the tracker's thread only.

    Args:
        tracking_uri: MLflow's address.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._monitor: Any = None

    def begin(self, runs: MlflowRuns) -> None:
        """Start, in the parent run, behind what an earlier one has recorded there."""
        from mlflow.system_metrics import system_metrics_monitor

        monitor: Any = system_metrics_monitor.SystemMetricsMonitor  # it has no types
        self._monitor = monitor(runs.parent, SECONDS, resume_logging=True, tracking_uri=self._uri)
        self._monitor.start()

    def end(self, runs: MlflowRuns) -> None:
        """Send what is left and stop; the parent run has not ended yet."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
