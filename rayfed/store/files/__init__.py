"""Blobs as files: a folder that parties share, and every node's own disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rayfed.store.files.disk import FileStore

__all__ = ["FileStore"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # with NumPy, which those who only read settings need not wait for
        from rayfed.store.files.disk import FileStore

        return FileStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
