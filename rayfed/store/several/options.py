"""What the store ``several`` is told: which others, in which order; each is told its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from rayfed.store.several.stores import SeveralStores

BETWEEN = ","
"""Between the parts' URIs in a URI of several."""


@dataclass(frozen=True)
class SeveralOptions(StoreOptions):
    """Several of the others, in the order of ``store.order``.

    Attributes:
        order: several: the kinds, the one that is asked first in front; what each is told stands beside this.
        hedge_seconds: several: how long a store may take before the next one is asked too; the first answer counts.
    """

    order: list[str] = field(default_factory=list)
    hedge_seconds: float = field(default=5.0, metadata={"low": 0.0, "high": 3600.0, "above": False})
    parts: tuple[StoreOptions, ...] = field(default=(), metadata={"is_setting": False})

    @classmethod
    def of(cls, settings: Any) -> Self:
        """See ``StoreOptions``."""
        from rayfed.store.registry import kind_of

        kinds = [kind_of(name, "store.order") for name in settings.order]
        if cls in kinds:
            raise ConfigError("store.order", "several cannot be one of several")
        parts = tuple(kind.of(settings) for kind in kinds)
        return cls(list(settings.order), settings.hedge_seconds, parts)

    @property
    def serves(self) -> bool:
        """See ``StoreOptions``."""
        return any(part.serves for part in self.parts)

    @property
    def within_cluster(self) -> bool:
        """See ``StoreOptions``: one that reaches further is enough."""
        return bool(self.parts) and all(part.within_cluster for part in self.parts)

    def invited(self) -> dict[str, Any]:
        """See ``StoreOptions``."""
        made = super().invited()
        for part in self.parts:
            made |= part.invited()
        return made

    def validate(self) -> None:
        """See ``StoreOptions``."""
        if not self.order:
            raise ConfigError("store.order", "store=several needs the kinds of store, [ipfs,s3] say")
        if len(set(self.order)) < len(self.order):
            raise ConfigError("store.order", f"[{', '.join(self.order)}] names a store twice")
        for part in self.parts:
            part.validate()

    def check_sharing(self, nodes: int) -> None:
        """See ``StoreOptions``."""
        for part in self.parts:
            part.check_sharing(nodes)

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``: all of them can be used. Later some may fail."""
        self.validate()
        for part in self.parts:
            part.check(here=here)

    def open(self, site: Site) -> SeveralStores:
        """See ``StoreOptions``."""
        from rayfed.store.several.serving import opened

        self.validate()
        with ExitStack() as stack:
            stores = []
            for part in self.parts:
                stores.append(part.open(site))
                stack.callback(stores[-1].close)
            stack.pop_all()
        return opened(list(zip(self.order, stores, strict=True)), site.disk, self.hedge_seconds)

    @property
    def uri(self) -> str:
        """``several:`` and the others' URIs, with commas between them."""
        return "several:" + BETWEEN.join(_quoted(part.uri) for part in self.parts)

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``."""
        parts = [(kind, options.from_uri(place)) for kind, options, place in _split(rest)]
        made = cls([kind for kind, _ in parts], parts=tuple(options for _, options in parts))
        made.validate()
        return made

    @classmethod
    @contextmanager
    def visit(cls, rest: str, site: Site) -> Iterator[SeveralStores]:
        """See ``StoreOptions``."""
        from rayfed.store.several.serving import opened

        with ExitStack() as stack:
            stores = [(kind, stack.enter_context(options.visit(place, site))) for kind, options, place in _split(rest)]
            yield opened(stores, site.disk, cls.hedge_seconds)


def _split(rest: str) -> list[tuple[str, type[StoreOptions], str]]:
    from rayfed.store.registry import split

    parts = [split(_unquoted(uri), "store") for uri in rest.split(BETWEEN)]
    if any(options is SeveralOptions for _, options, _ in parts):
        raise ConfigError("store.order", "several cannot be one of several")
    return parts


def _quoted(uri: str) -> str:
    return uri.replace("%", "%25").replace(BETWEEN, "%2C")


def _unquoted(uri: str) -> str:
    return uri.replace("%2C", BETWEEN).replace("%25", "%")
