"""MLflow, imported as a run needs it: silent, and not patient with a dead server."""

from __future__ import annotations

import os

# These must be set before MLflow is imported. It would report its use to its makers, print links into the middle of
# the live table, and spend minutes on each request to a dead server.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow as mlflow  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402


def is_outage(error: Exception) -> bool:
    """Say whether the same request may well succeed later."""
    if isinstance(error, MlflowException):
        return not 400 <= int(error.get_http_status_code()) < 500  # type: ignore[no-untyped-call]  # MLflow's own
    return isinstance(error, OSError)  # requests' own errors are OSErrors too
