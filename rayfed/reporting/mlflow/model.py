"""The final model in MLflow. Imports MLflow; called from the tracker's thread only."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rayfed.reporting.mlflow.environment import is_outage

if TYPE_CHECKING:
    import numpy as np
    import torch
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


class Refused(Exception):
    """What was to be logged cannot be, now or later; trying again would not help."""


def log_model(run_id: str, model: torch.nn.Module, example: np.ndarray | None, model_format: str) -> str:
    """Log a model into a run, with its signature; return MLflow's address of it.

    Args:
        run_id: of the run.
        model, example, model_format: as in ``Tracker.finish``.

    Raises:
        Refused: it can be logged in no form.
    """
    import copy
    from importlib.metadata import version

    import mlflow.pytorch
    import torch
    from mlflow.models import infer_signature

    model = copy.deepcopy(model).cpu().eval()
    signature = None
    if example is not None:
        with torch.no_grad():
            signature = infer_signature(example, model(torch.from_numpy(example)).numpy())
    options: dict[str, Any] = {
        "name": "model",
        "signature": signature,
        "input_example": example,
        "pip_requirements": [f"torch=={version('torch')}"],  # found out by MLflow itself it would cost 20 s
    }
    formats = ["pt2", "pickle"] if model_format == "pt2" and example is not None else ["pickle"]
    with mlflow.start_run(run_id=run_id, log_system_metrics=False):
        for serialization in formats:
            try:
                logged = mlflow.pytorch.log_model(model, serialization_format=serialization, **options)
            except Exception as error:
                if is_outage(error):
                    raise
                # A model is the user's own class, and tracing and pickling fail with whatever they like.
                reason = str(error).strip().partition("\n")[0]
                log.warning("the final model cannot be logged as %s: %s", serialization, reason)
            else:
                return str(logged.model_uri)
    raise Refused("the final model")


def register(client: MlflowClient, model_uri: str, name: str) -> None:
    """Register a logged model under a name, as a new version, unless it is there already.

    Raises:
        Refused: the registry does not take it.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    if not model_uri:
        raise Refused("the registered model")
    try:
        known = client.search_model_versions(f"name = '{name}'")
        if not any(version.source == model_uri for version in known):
            mlflow.register_model(model_uri, name)
    except MlflowException as error:
        if is_outage(error):
            raise
        log.warning("track.register: MLflow does not register the model as %s: %s", name, str(error).partition("\n")[0])
        raise Refused("the registered model") from error
