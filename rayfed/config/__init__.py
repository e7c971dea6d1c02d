"""Settings: frozen schemas for every Hydra group, cross-field checks, and Hydra's door.

``schema`` is what a node reads, put together from ``groups``; ``checks`` is what is verified before anything starts;
``compose`` and ``explain`` are Hydra's side. Hydra is imported only by those who compose, so unpickling settings in an
actor does not need it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rayfed.config.checks import check, check_join
from rayfed.config.files import conf_dir
from rayfed.config.schema import Settings

if TYPE_CHECKING:
    from rayfed.config.compose import load, plain, register, settings_from

__all__ = ["Settings", "check", "check_join", "conf_dir", "load", "plain", "register", "settings_from"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from rayfed.config import compose

        return getattr(compose, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
