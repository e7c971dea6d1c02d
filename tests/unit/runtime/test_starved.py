"""Who finds no memory ends and is started again, instead of being taken for broken; see also ``real_memory``."""

from __future__ import annotations

import errno
import os

import pytest

from rayfed.errors import StoreError
from rayfed.runtime.host.failure import starved


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("can't start new thread"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: ..."),
        raised_from(StoreError("cluster.state_dir: cannot read"), OSError(errno.ENOMEM, "Cannot allocate memory")),
    ],
)
def test_there_was_no_memory(error: Exception) -> None:
    assert starved(error)


@pytest.mark.parametrize(
    "error",
    [ValueError("a bug"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("mat1 and mat2 shapes")],
)
def test_something_else_was_wrong(error: Exception) -> None:
    assert not starved(error)
