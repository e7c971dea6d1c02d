"""How the command line tells that something is wrong: in one line, or with its trace for whoever asks for it."""

from __future__ import annotations

import os
import sys

from rayfed.errors import RayfedError

FAILED = 1
"""The exit code where something is not as it must be."""

BAD_INPUT = 2
"""The exit code where a setting is wrong."""

TRACES = ("RAYFED_TRACE", "HYDRA_FULL_ERROR")
"""Environment variables; 1 in one of them asks for the trace."""


def complain(error: RayfedError | str) -> None:
    """Print what is wrong in one line on standard error."""
    print(f"rayfed: {one_line(error)}", file=sys.stderr)


def one_line(error: RayfedError | str) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())


def wants_trace() -> bool:
    """Say whether the user wants an error's trace instead of its one line."""
    return any(os.environ.get(name) == "1" for name in TRACES)
