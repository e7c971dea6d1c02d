"""A signal ends a command though what its handler raised was lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LOST = """
import os, signal, sys
from rayfed.runtime import signals
signals.listen()
number = signal.Signals[sys.argv[1]]
# Python prints what a hook raises, and goes on.
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(number))
if not (child := os.fork()):
    os._exit(0)
os.waitpid(child, 0)
print("went on", flush=True)
try:
    signals.check()
except KeyboardInterrupt:
    sys.exit(130)
"""


def alone(code: str, number: signal.Signals, **options: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    command = [sys.executable, "-c", code, number.name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_lost_while_a_process_starts_is_raised_later(number: signal.Signals) -> None:
    def heeded() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # whoever runs the tests in the background ignores it

    ended = alone(LOST, number, preexec_fn=heeded)
    assert ended.stdout == "went on\n", ended.stderr
    assert "Exception ignored" in ended.stderr
    assert ended.returncode == 128 + number


def test_who_ignores_ctrl_c_goes_on_doing_so() -> None:
    def ignored() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    assert alone(LOST, signal.SIGINT, preexec_fn=ignored).returncode == 0


def test_nothing_came() -> None:
    assert alone("from rayfed.runtime import signals; signals.listen(); signals.check()", signal.SIGINT).returncode == 0
