"""Where blobs are kept: ``store``. What each kind of store is told, the kinds say themselves."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, dataclass, field, make_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from rayfed.config.fields import MAX_UINT32, within
from rayfed.store.options import settings_of
from rayfed.store.registry import KINDS

NAMES = list(KINDS)


@dataclass(frozen=True)
class StoreChoice:
    """Where blobs are kept.

    Attributes:
        kind: {kinds}.
        keep_rounds: a node deletes its own blobs that are older than this many rounds; 0 keeps all.
        confidential: whether blobs are encrypted to the federation's members where others can read; null: in ipfs, and
            not in files and s3.
        key_file: the file with the keys by which this party reads what is encrypted; null is reading.keys
            beside the node's key, where it is made.
    """

    kind: str = field(default=NAMES[0], metadata={"choices": tuple(NAMES)})
    keep_rounds: int = within(0, 0, MAX_UINT32)
    confidential: bool | None = None
    key_file: str | None = field(default=None, metadata={"is_path": True})


def _options() -> dict[str, tuple[str, Any, Any]]:
    """Return (name, type, field) of the options of all kinds, which may share one if it is the same."""
    found: dict[str, tuple[str, Any, Any]] = {}
    defaults: dict[str, Any] = {}
    for cls in KINDS.values():
        hints = get_type_hints(cls)
        for item in settings_of(cls):
            if item.name not in found:
                if item.default_factory is MISSING:
                    made = field(default=item.default, metadata=item.metadata)
                else:
                    made = field(default_factory=item.default_factory, metadata=item.metadata)
                found[item.name], defaults[item.name] = (item.name, hints[item.name], made), item
            elif (found[item.name][1], *_default(defaults[item.name])) != (hints[item.name], *_default(item)):
                raise TypeError(f"two kinds of store want different things by store.{item.name}")
    return found


def _default(item: Field[Any]) -> tuple[Any, Any]:
    return item.default, item.default_factory


def _said(cls: type) -> tuple[str, str]:
    """Return a docstring's first paragraph and its ``Attributes:``."""
    text = inspect.getdoc(cls) or ""
    return text.partition("\n\n")[0], text.partition("Attributes:\n")[2]


def _doc() -> str:
    """Return a docstring that says of every option what its kind says of it."""
    summaries = ((name, _said(cls)[0]) for name, cls in KINDS.items())
    kinds = ", ".join(f"{name} ({text.rstrip('.')[:1].lower()}{text.rstrip('.')[1:]})" for name, text in summaries)
    own = (inspect.getdoc(StoreChoice) or "").format(kinds=kinds)
    return "\n".join([own, *(_said(cls)[1].rstrip() for cls in KINDS.values() if _said(cls)[1])])


if TYPE_CHECKING:
    StoreSettings = StoreChoice
else:
    StoreSettings = make_dataclass(
        "StoreSettings", _options().values(), bases=(StoreChoice,), namespace={"__doc__": _doc()}, frozen=True
    )
    StoreSettings.__module__ = __name__  # so that it can be pickled
