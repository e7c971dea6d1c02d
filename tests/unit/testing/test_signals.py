"""A test run that a shell has started in the background can still interrupt what it starts."""

from __future__ import annotations

import signal
import subprocess
import sys

CHILD = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"


def test_processes_started_by_tests_hear_sigint() -> None:
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert subprocess.run([sys.executable, "-c", CHILD], check=False).returncode == 0
