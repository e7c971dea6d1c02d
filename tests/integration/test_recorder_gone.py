"""A run whose recorder has gone before the run asks it for the last time."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from rayfed.errors import RayfedError
from rayfed.runtime import cluster, supervise
from rayfed.runtime.ray_start import patient


def ask_on(recorder: Any) -> None:
    """Ask it again and again: it still answers until Ray has come round to ending it."""
    while True:
        cluster.ask(recorder.snapshot)


def test_a_recorder_that_has_gone_fails_no_run() -> None:
    """Writing the model down may take longer than the recorder lingers."""
    with patient():
        ray.init(
            address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20
        )
    try:

        class Gone:
            def snapshot(self) -> None:
                """Answer as long as it is there."""

        recorder: Any = ray.remote(Gone).options(num_cpus=0).remote()
        cluster.ask(recorder.snapshot)
        ray.kill(recorder, no_restart=True)
        with pytest.raises(RayfedError, match="has ended for good"):
            ask_on(recorder)
        supervise.until_recorded(recorder)
    finally:
        ray.shutdown()
