"""What was raised by code that is not ours, in the one line that people get to see."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def with_type(error: BaseException) -> str:
    """Return the same with the error's type before it, where the text alone may say little (``KeyError: 'bed'``)."""
    line = first_line(error)
    return line if line == type(error).__name__ else f"{type(error).__name__}: {line}"
