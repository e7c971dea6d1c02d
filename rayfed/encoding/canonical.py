"""Canonical JSON: one text for one value, so that its SHA-256 can stand for it.

Keys sorted, no spaces, ASCII; objects, lists, strings and whole numbers only. No floats (their text is a matter of
taste), no null and no booleans (a key that says nothing is left out, a switch is 0 or 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rayfed.errors import CodecError


def dumps(value: Any) -> str:
    """Return the canonical text.

    Raises:
        CodecError: naming the path of what cannot be in it.
    """
    _check(value, "")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def loads(text: str | bytes) -> Any:
    """Return the value of a canonical text.

    Raises:
        CodecError: this is no JSON, or not the canonical text of its value.
    """
    try:
        plain = text.decode("ascii") if isinstance(text, bytes) else text
        value = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"not JSON: {error}") from error
    if dumps(value) != plain:  # also catches keys that come twice
        raise CodecError("not canonical JSON: keys must be sorted, without spaces or repetition, and all in ASCII")
    return value


def _check(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise CodecError(f"{path or 'top'}: the key {key!r} is not a string")
            _check(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check(inner, f"{path}[{index}]")
    elif isinstance(value, bool) or not isinstance(value, int | str):
        raise CodecError(f"{path or 'top'}: {value!r} is neither a whole number nor a string, a list or an object")


def fields(value: Any, types: Mapping[str, type], where: str) -> dict[str, Any]:
    """Return ``value`` if it is an object with exactly these keys, and values of these types.

    Raises:
        CodecError: naming ``where`` and the key that is missing, unknown or of another type.
    """
    if not isinstance(value, dict):
        raise CodecError(f"{where}: not an object")
    for key in sorted(types.keys() ^ value.keys()):
        raise CodecError(f"{where}: {'the key is missing' if key in types else 'unknown key'}: {key}")
    for key, wanted in types.items():
        if not isinstance(value[key], wanted) or isinstance(value[key], bool):
            raise CodecError(f"{where}.{key}: not of the type {wanted.__name__}")
    return value
