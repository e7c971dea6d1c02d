"""Which kinds of store there are; a new one is its own folder and one line here."""

from __future__ import annotations

from typing import Any

from rayfed.errors import ConfigError
from rayfed.store.files.options import FilesOptions
from rayfed.store.ipfs.options import IpfsOptions
from rayfed.store.options import StoreOptions
from rayfed.store.p2p.options import P2pOptions
from rayfed.store.ray.options import RayPeersOptions
from rayfed.store.s3.options import S3Options
from rayfed.store.several.options import SeveralOptions

KINDS: dict[str, type[StoreOptions]] = {
    "ray_peers": RayPeersOptions,
    "files": FilesOptions,
    "s3": S3Options,
    "ipfs": IpfsOptions,
    "p2p": P2pOptions,
    "several": SeveralOptions,
}
"""Options by the word in ``store.kind``; the first is the default."""


def options_of(settings: Any) -> StoreOptions:
    """Return the options of the kind that the settings ``store.*`` choose.

    Args:
        settings: has ``kind``, and what that kind is told under the names of its options.

    Raises:
        ConfigError: there is no such kind.
    """
    return kind_of(settings.kind, "store.kind").of(settings)


def kind_of(name: str, setting: str) -> type[StoreOptions]:
    """Return the options' class of a kind.

    Raises:
        ConfigError: there is no such kind; names ``setting``.
    """
    if name not in KINDS:
        raise ConfigError(setting, f"there is no store {name!r} ({', '.join(KINDS)})")
    return KINDS[name]


def split(uri: str, setting: str) -> tuple[str, type[StoreOptions], str]:
    """Return (kind, its options' class, what stands behind ``KIND:``) of a store's URI; ``s3://b`` is ``s3:b``.

    Raises:
        ConfigError: there is no such kind; names ``setting``.
    """
    kind, _, rest = uri.partition(":")
    if kind not in KINDS:
        known = ", ".join(f"{name}:..." for name in KINDS)
        raise ConfigError(setting, f"{uri!r} is none of {known}")
    return kind, KINDS[kind], rest.removeprefix("//")
