"""What a failure says about its cause, and when a process had better end at once."""

from __future__ import annotations

import errno

from rayfed.errors import RayfedError

STARVED = 137
"""A host's exit code where it found no memory; the one that the kernel's own killer would leave."""

NO_MEMORY = ("can't start new thread", "can't allocate memory", "cannot allocate memory", "not enough memory")
"""What Python, the kernel and torch say in a RuntimeError where there is none."""

NO_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


def starved(error: BaseException | None) -> bool:
    """Say whether there was no memory for something: Python, the kernel and torch each have words of their own for it.

    Nothing is wrong with the node then. Its process ends, as the kernel might have ended it a moment later, which gives
    all of its memory back; Ray starts it again, and it carries on from its disk.
    """
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def in_one_line(error: Exception) -> str:
    """Return in one line what went wrong, with the setting to change where that is known."""
    if isinstance(error, RayfedError):
        return str(error)
    if isinstance(error, OSError) and error.errno in NO_WRITING:
        return f"cluster.state_dir: a node cannot write to its own folder: {error.strerror}"
    return f"{type(error).__name__}: {error}"
