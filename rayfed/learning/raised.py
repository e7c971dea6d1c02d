"""What was raised by code that is not ours, in the one line that people get to see."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that says something, or its type where there is none.

    Where that line announces the next one, as torch's on a state dict do, both are given.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def with_type(error: BaseException) -> str:
    """Return the same with the error's type before it, where the text alone may say little (``KeyError: 'bed'``)."""
    line = first_line(error)
    return line if line == type(error).__name__ else f"{type(error).__name__}: {line}"
