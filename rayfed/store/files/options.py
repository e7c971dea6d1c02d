"""What the store ``files`` is told."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from rayfed.store import Store


@dataclass(frozen=True)
class FilesOptions(StoreOptions):
    """A folder that all nodes see.

    Attributes:
        path: files: the folder that all nodes see.
    """

    path: str | None = field(default=None, metadata={"is_path": True})

    def validate(self) -> None:
        """See ``StoreOptions``."""
        if not self.path:
            raise ConfigError("store.path", "store=files needs a folder that all nodes see")

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``: the folder can be made and written. On other machines it is those machines' affair."""
        self.validate()
        if not here:
            return
        path = Path(self.path or "")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("store.path", f"cannot make the folder {path}: {error.strerror}") from error
        if not os.access(path, os.W_OK | os.X_OK):
            raise ConfigError("store.path", f"the folder {path} is not writable")

    def open(self, site: Site) -> Store:
        """See ``StoreOptions``. Other parties write to the folder, so what is read is copied before it is checked."""
        from rayfed.store.files.shared import SharedFolder

        self.validate()
        return site.shelved(SharedFolder(self.path or "", mapped=False), openly=True)

    @property
    def uri(self) -> str:
        """``files:`` and the path."""
        return f"files:{self.path or ''}"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``."""
        if not rest:
            raise ConfigError("store.path", "files: needs a folder behind it")
        return cls(path=str(Path(rest).expanduser()))
