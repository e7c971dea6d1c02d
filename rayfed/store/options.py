"""The seam for stores: what every kind of store says of itself before it is opened.

A new kind is a folder in ``rayfed/store/`` whose options are a frozen dataclass below ``StoreOptions``, and one line in
``rayfed.store.registry``. Its fields become the settings ``store.NAME``, their defaults and descriptions included.
Modules with options import nothing heavy: settings are read by many who never open a store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rayfed.encoding.primitives import Address, Root
from rayfed.store.card import Cards, no_cards

if TYPE_CHECKING:
    from rayfed.store import Store
    from rayfed.store.confidential.envelope import Envelope
    from rayfed.store.confidential.sealed_store import OpenPlace, SealedStore
    from rayfed.store.files.disk import FileStore


PlaceT = TypeVar("PlaceT", bound="OpenPlace")

Fetch = Callable[[Root, int, Sequence[Address]], memoryview]
"""Returns a blob, checked, given its root, its size and the members that should have it; raises as ``Store.get``."""


def to_all(member: Address) -> bool:
    """Say that a member is given what it asks for."""
    return True


@dataclass(frozen=True, slots=True)
class Site:
    """Where a store is opened.

    Attributes:
        disk: the node's own.
        federation: the address of the federation's contract.
        fetch: asks the node's peers for a blob, in stores whose nodes serve each other; None: the store finds them.
        cards: members' cards, as the ledger has them.
        envelope: returns how blobs are encrypted where others can read; None: not at all.
        confidential: whether they are, by the owner's choice; None: as the kind of store has it.
        member: the account of the node whose store it is; empty: of none.
        visits: whether it is opened to look at what others have put there.
        gives: says whether a member is given anything, in stores that know who asks; all are, but in experiments.
    """

    disk: FileStore
    federation: Address
    fetch: Fetch | None = None
    cards: Cards = no_cards
    envelope: Callable[[], Envelope] | None = None
    confidential: bool | None = None
    visits: bool = False
    member: Address = ""
    gives: Callable[[Address], bool] = to_all

    def shelved(self, place: PlaceT, *, openly: bool, hearsay: bool = False) -> PlaceT | SealedStore:
        """Return a place as the store that it is to be: itself, or with its blobs encrypted on it.

        Args:
            place: a store that is a ``OpenPlace`` besides.
            openly: whether its kind is not encrypted unless that is asked for.
            hearsay: whether anybody can claim that something lies there.
        """
        confidential = not openly if self.confidential is None else self.confidential
        if self.envelope is None or not (confidential or self.visits):
            return place
        from rayfed.store.confidential.sealed_store import SealedStore

        return SealedStore(place, self.envelope(), self.disk, blames=self.visits and not hearsay)


@dataclass(frozen=True)
class StoreOptions(ABC):
    """The settings of one kind of store.

    Every field is a setting unless its metadata says ``{"is_setting": False}``, and has a default; every setting has a
    line in the ``Attributes:`` of its class. A path on this machine says so: ``{"is_path": True}``; what every party
    has another one of, so that no invitation names it: ``{"is_own": True}``.
    """

    @property
    def serves(self) -> bool:
        """Whether nodes hand out blobs to their peers: what ``open`` returns is then a ``Serves``."""
        return False

    @property
    def within_cluster(self) -> bool:
        """Whether nodes find each other inside one Ray cluster only."""
        return False

    @classmethod
    def of(cls, settings: Any) -> Self:
        """Return the options as the settings ``store.*`` have them, under the names of the fields."""
        return cls(**{item.name: getattr(settings, item.name) for item in settings_of(cls)})

    def invited(self) -> dict[str, Any]:
        """Return the settings by which another party reaches the same place; never a credential."""
        return {name: getattr(self, name) for name in common(type(self))}

    @abstractmethod
    def validate(self) -> None:
        """Raise ``ConfigError`` for a setting that cannot work, without looking at anything outside."""

    def check_sharing(self, nodes: int) -> None:  # noqa: B027 - most kinds have nothing that cannot be shared
        """Raise ``ConfigError`` for a setting that so many nodes of one run cannot share."""

    @abstractmethod
    def check(self, *, here: bool = True) -> None:
        """Ask the place itself once, so that a wrong setting shows before anything starts.

        Args:
            here: whether the nodes run on this machine, so that what is true of its disk is true of theirs.

        Raises:
            ConfigError: a setting cannot be used.
            StoreError: the place does not answer or refuses.
        """

    @abstractmethod
    def open(self, site: Site) -> Store:
        """Return the store; connects to nothing yet.

        Raises:
            ConfigError: a setting is missing or cannot be used.
        """

    @property
    @abstractmethod
    def uri(self) -> str:
        """``KIND:`` and all that somebody else needs to find the same place; never a credential."""

    @classmethod
    @abstractmethod
    def from_uri(cls, rest: str) -> Self:
        """Return the options that stand in a URI behind ``KIND:``.

        Raises:
            ConfigError: they cannot be read.
        """

    @classmethod
    @contextmanager
    def visit(cls, rest: str, site: Site) -> Iterator[Store]:
        """Open the place behind ``KIND:`` for somebody who is no node, an auditor say, and close it afterwards.

        Raises:
            ConfigError: it cannot be opened.
        """
        store = cls.from_uri(rest).open(site)
        try:
            yield store
        finally:
            store.close()


def settings_of(cls: type[StoreOptions]) -> list[Field[Any]]:
    """Return the fields of a kind's options that are settings."""
    return [item for item in fields(cls) if item.metadata.get("is_setting", True)]


def common(cls: type[StoreOptions]) -> list[str]:
    """Return the names of a kind's settings that all parties have the same: of those alone an invitation speaks."""
    return [item.name for item in settings_of(cls) if not item.metadata.get("is_own")]
