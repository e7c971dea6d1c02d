"""The bytes of an open file."""

from __future__ import annotations

import mmap
import os

import numpy as np


def mapped(handle: int, size: int) -> memoryview:
    """Return a file's first ``size`` bytes as they lie there, read-only: they change with the file."""
    return memoryview(mmap.mmap(handle, size, access=mmap.ACCESS_READ))


def read_into_memory(handle: int, size: int) -> memoryview:
    """Read ``size`` bytes into new memory; fewer if the file was cut in the meantime."""
    blob = np.empty(size, np.uint8).data
    filled = 0
    while filled < size:
        count = os.readv(handle, [blob[filled:]])
        if count == 0:
            break
        filled += count
    return blob[:filled]
