"""What the toy store is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from tests.toys.shelf.store import ShelfStore


@dataclass(frozen=True)
class ShelfOptions(StoreOptions):
    """Named shelves in the memory of one process.

    Attributes:
        shelf: shelf: its name; nodes with the same one share what lies there.
        boards: shelf: how many boards it has.
    """

    serves: ClassVar[bool] = True

    shelf: str | None = None
    boards: int = 3

    def validate(self) -> None:
        """See ``StoreOptions``."""
        if not self.shelf:
            raise ConfigError("store.shelf", "store.kind=shelf needs a name")

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``."""
        if self.shelf == "broken":
            raise ConfigError("store.shelf", "that one is broken")

    def open(self, site: Site) -> ShelfStore:
        """See ``StoreOptions``."""
        from tests.toys.shelf.store import ShelfStore

        return ShelfStore(self.shelf or "")

    @property
    def uri(self) -> str:
        """See ``StoreOptions``."""
        return f"shelf:{self.shelf}"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``."""
        return cls(shelf=rest)
