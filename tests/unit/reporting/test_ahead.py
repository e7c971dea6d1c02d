"""What is done ahead gives way to others, and its failure is not its caller's."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from rayfed.reporting.mlflow.ahead import NICE, ahead


def priority() -> int:
    """Return the calling thread's."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have no priority of their own here")
def test_it_gives_way_and_its_caller_does_not() -> None:
    own, seen = priority(), list[int]()
    ahead(lambda: seen.append(priority()))
    assert seen == [min(19, own + NICE)]
    assert priority() == own


def test_it_fails_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ImportError("nowhere")

    ahead(fail)
    assert "failed" in caplog.text
    assert "nowhere" in caplog.text
