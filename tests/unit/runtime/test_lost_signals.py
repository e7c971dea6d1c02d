"""A signal ends a command though what its handler raised was lost."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LOST = """
import os, signal, sys, time
from rayfed.runtime import signals
number = signal.Signals[sys.argv[1]]
# What a hook raises goes to sys.unraisablehook, and Python goes on.
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(number))
try:
    with signals.unwinding():
        if not (child := os.fork()):
            os._exit(0)
        print("went on", flush=True)
        os.waitpid(child, 0)
        for _ in range(6000):
            time.sleep(0.01)
except KeyboardInterrupt:
    sys.exit(130)
"""

OTHERS = """
from rayfed.runtime import signals
class Careless:
    def __del__(self):
        raise ValueError("told as ever")
with signals.unwinding():
    signals.check()
    Careless()
"""


def alone(code: str, number: signal.Signals, disposition: signal.Handlers) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own that begins with this disposition of SIGINT."""
    before = signal.getsignal(signal.SIGINT)
    command = [sys.executable, "-c", code, number.name]
    signal.signal(signal.SIGINT, disposition)
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=400)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_lost_while_a_process_starts_is_raised_again(number: signal.Signals) -> None:
    ended = alone(LOST, number, signal.SIG_DFL)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "went on\n", "")


def test_who_ignores_ctrl_c_goes_on_doing_so() -> None:
    code = LOST.replace("6000", "6")
    ended = alone(code, signal.SIGINT, signal.SIG_IGN)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "went on\n", "")


def test_what_others_cannot_raise_is_told_as_ever() -> None:
    ended = alone(OTHERS, signal.SIGINT, signal.SIG_DFL)
    assert ended.returncode == 0
    assert "ValueError: told as ever" in ended.stderr
