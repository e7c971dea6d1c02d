"""The values of a record as its JSON holds them, and back: whatever a file says is checked for its kind first.

Kinds are address ("" where a seat is free), root (32 bytes, in hex), bitmap (in hex), number, signed, flag, bytes (in
hex), and lists of some of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import Any

from rayfed.audit.events import EVENTS, RecordEntry
from rayfed.encoding import canonical
from rayfed.errors import CodecError
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.messages import Outcome, Phase, Round, Status, Terms, View

MOST_BYTES = 512
"""Bytes of a card or a leaf at most."""

_SINGULAR = {"addresses": "address", "roots": "root", "bitmaps": "bitmap"}
_FIELDS = {
    **dict.fromkeys(("charter", "genesis", "root", "base", "allow_list", "layout", "encoding", "frozen"), "root"),
    **dict.fromkeys(("context", "base_context"), "root"),
    **dict.fromkeys(("roster", "active", "committed", "abstained", "voted", "attested"), "bitmap"),
    **dict.fromkeys(("included", "excused", "attesters"), "bitmap"),
    **dict.fromkeys(("due", "base_settled"), "flag"),
    **{"coin": "address", "members": "addresses", "roots": "roots", "accepts": "bitmaps", "misses": "bitmaps"},
}
"""Of which kind the fields of views and terms are, if they are no numbers."""


def _kind(name: str) -> str:
    return _FIELDS.get(name, "number")


def write(kind: str, value: Any) -> Any:
    if kind in _SINGULAR:
        return [write(_SINGULAR[kind], item) for item in value]
    if kind in ("root", "bytes"):
        return "0x" + value.hex()
    if kind == "bitmap":
        return hex(value)
    return str(value) if kind == "address" else int(value)


def write_all(value: Terms | Outcome | Round | View | Account | Books) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for item in fields_of(value):
        held = getattr(value, item.name)
        if item.name == "previous":
            plain[item.name] = {} if held is None else write_all(held)
        else:
            plain[item.name] = write(_kind(item.name), held)
    return plain


def read(kind: str, value: Any, where: str) -> Any:
    """Return the value that stands in JSON.

    Raises:
        CodecError: it is of another kind, or too large.
    """
    if kind in _SINGULAR:
        if not isinstance(value, list) or len(value) > 256:
            raise CodecError(f"{where}: not a list of at most 256")
        return tuple(read(_SINGULAR[kind], item, where) for item in value)
    if kind == "number":
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 256:
            return value
    elif kind == "signed":
        if isinstance(value, int) and not isinstance(value, bool) and -(1 << 31) <= value < 1 << 31:
            return value
    elif kind == "flag":
        if value in (0, 1) and not isinstance(value, bool):
            return bool(value)
    elif isinstance(value, str):
        if kind == "address" and re.fullmatch(r"(0x[0-9a-fA-F]{40})?", value):
            return value
        if kind == "bytes" and re.fullmatch(r"0x([0-9a-f]{2})*", value) and len(value) <= 2 + 2 * MOST_BYTES:
            return bytes.fromhex(value[2:])
        if kind == "root" and re.fullmatch(r"0x[0-9a-f]{64}", value):
            return bytes.fromhex(value[2:])
        if kind == "bitmap" and re.fullmatch(r"0x[0-9a-f]{1,64}", value):
            return int(value, 16)
    raise CodecError(f"{where}: no {kind}")


def read_all(cls: Any, value: Any, where: str, special: Mapping[str, Any]) -> Any:
    names = [item.name for item in fields_of(cls)]
    given = canonical.fields(value, dict.fromkeys(names, object), where)
    found = {name: read(_kind(name), given[name], f"{where}.{name}") for name in names if name not in special}
    return cls(**found, **{name: make(given[name]) for name, make in special.items()})


def terms(value: Any) -> Terms:
    found: Terms = read_all(Terms, value, "record.terms", {})
    return found


def outcome(value: Any, where: str) -> Outcome:
    found: Outcome = read_all(Outcome, value, where, {"status": lambda given: _enum(Status, given, where)})
    return found


def account(value: Any, where: str) -> Account:
    found: Account = read_all(Account, value, where, {})
    return found


def view(value: Any) -> View:
    where = "record.view"
    special = {
        "phase": lambda given: _enum(Phase, given, where),
        "previous": lambda given: None if given == {} else _round(given, f"{where}.previous"),
    }
    found: View = read_all(View, value, where, special)
    return found


def _round(value: Any, where: str) -> Round:
    found: Round = read_all(Round, value, where, {"status": lambda given: _enum(Status, given, where)})
    return found


def entry(value: Any, where: str) -> RecordEntry:
    kinds: dict[str, type] = {"name": str, "values": dict, "tx_hash": str}
    given = canonical.fields(value, {**kinds, **dict.fromkeys(("time", "block", "position"), int)}, where)
    schema = EVENTS.get(given["name"])
    if schema is None:
        raise CodecError(f"{where}: there is no event {given['name']!r}")
    values = canonical.fields(given["values"], dict.fromkeys(schema, object), where)
    time, block, position = (read("number", given[name], f"{where}.{name}") for name in ("time", "block", "position"))
    found = {name: read(kind, values[name], f"{where}.{name}") for name, kind in schema.items()}
    return RecordEntry(given["name"], found, time, block, position, given["tx_hash"])


def texts(value: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in value.values()):
        raise CodecError("record.transactions: not all are text")
    return value


def _enum(cls: Any, value: Any, where: str) -> Any:
    try:
        return cls(read("number", value, where))
    except ValueError as error:
        raise CodecError(f"{where}: {value} is no {cls.__name__}") from error
