"""Keeps what is secret in a URL out of all that a run writes down: its folder and MLflow, which whole teams read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rayfed.config.variables import having
from rayfed.encoding.urls import public, public_text
from rayfed.errors import ConfigError

KEYED = ("ledger.",)
"""Settings whose URLs are those of providers, with a key in the path."""

PREFIX = "RAYFED_"

_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")


def public_settings(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings, nested as they are, with ``***`` in the place of what is secret in their URLs."""
    return {key: _public(value, f"{prefix}{key}") for key, value in config.items()}


def _public(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return public_settings(value, f"{key}.")
    if isinstance(value, list | tuple):
        return [_public(one, key) for one in value]
    return public_text(value, path_is_secret=key.startswith(KEYED)) if isinstance(value, str) else value


@contextmanager
def by_environment(words: Sequence[str]) -> Iterator[list[str]]:
    """Give the words of a command line with no secret in them: Hydra writes them into the run's folder.

    A URL that holds one is put into an environment variable, of which the word then speaks, as a user may do from the
    beginning: ``ledger.rpc_url=${oc.env:RAYFED_LEDGER_RPC_URL}``. The environment is as before afterwards.

    Raises:
        ConfigError: a secret stands within something that is no plain URL: a list, or several values of a sweep.
    """
    shown: list[str] = []
    given: dict[str, str] = {}
    for word in words:
        name, is_setting, value = word.partition("=")
        key = name.lstrip("+~")
        keyed = key.startswith(KEYED)
        if not is_setting or "${" in value or public_text(value, path_is_secret=keyed) == value:
            shown.append(word)
            continue
        url = _unquoted(value)
        variable = f"{PREFIX}{re.sub(r'[^0-9A-Za-z]', '_', key).upper()}"
        if not re.fullmatch(r"[\w+.-]+://[^\s,'\"\[\](){}]+", url) or public(url, path_is_secret=keyed) == url:
            words = f"holds a secret, which would be written down: put it into a variable, write ${{oc.env:{variable}}}"
            raise ConfigError(key, words)
        given[variable] = url
        shown.append(f"{name}=${{oc.env:{variable}}}")
    with having(given):
        yield shown


def _unquoted(value: str) -> str:
    """Return what Hydra makes of a value: without quotes, or without the backslashes before special characters."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace(f"\\{text[0]}", text[0])
    return _ESCAPED.sub(r"\1", text)
