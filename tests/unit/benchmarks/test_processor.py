"""What a command and all that it starts use."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.processor import Meter

CHILD = "import sys; held = bytearray(64 << 20); held[::1024] = bytes(len(held[::1024])); sys.stdin.read()"
COMMAND = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"


def test_the_memory_of_what_a_command_has_started_counts() -> None:
    with Meter(weighs=True) as meter:
        words = [sys.executable, "-c", COMMAND, CHILD]
        with subprocess.Popen(words, stdin=subprocess.PIPE, env={**os.environ, **meter.environment}) as command:
            end = time.monotonic() + 120
            while meter.peak < 64 << 20 and time.monotonic() < end:
                time.sleep(0.1)
            assert command.stdin is not None
            command.stdin.close()
    assert meter.peak >= 64 << 20
    assert meter.at(time.time()) > 0
