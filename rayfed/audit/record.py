"""The record: all that a federation's contract has said and holds, in one value that can be kept in a file.

A chain that is still there is the better witness. A record lets an audit be run again when it is gone (a devchain ends
with its run), offline, or by somebody who has other means to know that the record is right. Its file is canonical JSON
with a SHA-256 over everything else in it, so damage shows; who keeps that digest elsewhere also sees a forgery.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from typing import Any

from rayfed.encoding import canonical
from rayfed.encoding.primitives import Address
from rayfed.errors import CodecError
from rayfed.protocol.judgement import Account, Books
from rayfed.protocol.messages import Outcome, Phase, Status, Terms, View

FORMAT = "rayfed.record.v2"

FILE = "record.json"
"""What a run calls the record in its output folder."""

EVENTS: dict[str, dict[str, str]] = {
    "Joined": {"member": "address", "index": "number"},
    "Left": {"index": "number"},
    "Dropped": {"members": "bitmap", "round": "number"},
    "PhaseOpened": {"round": "number", "phase": "number", "deadline": "number"},
    "Committed": {"round": "number", "index": "number", "root": "root"},
    "Voted": {"round": "number", "index": "number", "ballot": "bitmap"},
    "Attested": {"round": "number", "index": "number", "root": "root"},
    "RoundClosed": {
        "round": "number",
        "status": "number",
        "root": "root",
        "included": "bitmap",
        "attesters": "bitmap",
    },
    "Relayed": {"round": "number", "phase": "number", "members": "bitmap", "values": "roots"},
    "Undone": {"round": "number", "last": "number", "baseRound": "number"},
    "Unseated": {"members": "bitmap"},
    "Deposited": {"member": "address", "from": "address", "amount": "number"},
    "Funded": {"from": "address", "amount": "number"},
    "Exited": {"member": "address", "round": "number"},
    "Withdrawn": {"member": "address", "to": "address", "amount": "number"},
    "Slashed": {"member": "address", "amount": "number", "reason": "number", "round": "number"},
    "Rewarded": {"round": "number", "share": "number", "earners": "bitmap"},
    "Settled": {"round": "number"},
    "Credited": {"account": "address", "amount": "number", "id": "number"},
    "Claimed": {"account": "address", "to": "address", "amount": "number"},
    "Challenged": {
        "id": "number",
        "round": "number",
        "challenger": "address",
        "leaf": "number",
        "coordinate": "number",
        "deadline": "number",
    },
    "Proved": {"id": "number", "proven": "bitmap", "mergedProven": "flag"},
    "Upheld": {"id": "number", "merged": "root", "expected": "root"},
    "Failed": {"id": "number", "expired": "flag"},
    "Demanded": {
        "id": "number",
        "round": "number",
        "challenger": "address",
        "which": "number",
        "leaf": "number",
        "deadline": "number",
    },
    "Answered": {"id": "number", "answerer": "address"},
    "Forfeited": {"id": "number"},
    "Closed": {"id": "number"},
    "Equivocated": {"member": "address", "round": "number", "phase": "number", "challenger": "address"},
}
"""What the federation and its court say, and of which kind each value is."""

MESSAGES = frozenset({"Joined", "Left", "Committed", "Voted", "Attested", "Relayed"})
"""Those in which the federation repeats what members said."""

_SINGULAR = {"members": "address", "roots": "root", "ballots": "bitmap", "attestations": "root"}
_BITMAPS = frozenset({"roster", "active", "committed", "voted", "attested", "included", "attesters"})
_OTHERS = {"coin": "address", "exiting": "flag"}
_ROOTS = frozenset({"charter", "genesis", "root", "base", "allow_list", "layout"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the contract, with where and when the chain has it.

    ``values`` are by the contract's names and of the kinds in ``EVENTS``; ``(block, position)`` orders the entries.
    """

    name: str
    values: Mapping[str, Any]
    time: int
    block: int
    position: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Record:
    """What a contract had said and held as of one block.

    Attributes:
        chain_id, federation: where it is.
        terms: what it was founded on.
        founded: time of the block that it was founded in; 0 where that could not be found out.
        entries: every event, in order.
        outcomes: of every closed round, in order.
        view: as of ``block``.
        block, block_hash: the newest block that was looked at.
        charter: its canonical JSON, or empty.
        transactions: the signed transactions behind the messages, in hex by their hash, as far as they could be had.
        accounts, books: what the court held, by member and in all; None where it was not asked.
        intact: whether the file said the digest that it has; True if it came from no file.
    """

    chain_id: int
    federation: Address
    terms: Terms
    founded: int
    entries: tuple[Entry, ...]
    outcomes: tuple[Outcome, ...]
    view: View
    block: int
    block_hash: str
    charter: str = ""
    transactions: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    books: Books | None = None
    intact: bool = True

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that the record says."""
        return hashlib.sha256(canonical.dumps(self._plain()).encode()).hexdigest()

    def with_charter(self, charter: str) -> Record:
        """Return the same record with this charter."""
        return replace(self, charter=charter)

    def to_json(self) -> str:
        """Return the record as a file holds it."""
        return canonical.dumps({**self._plain(), "digest": self.digest})

    @classmethod
    def from_json(cls, text: str | bytes) -> Record:
        """Return the record that this text holds.

        Raises:
            CodecError: the text is no record. One whose digest is another than it says is returned, not ``intact``.
        """
        kinds = {
            **dict.fromkeys(("format", "federation", "block_hash", "charter", "digest"), str),
            **dict.fromkeys(("chain_id", "founded", "block"), int),
            **dict.fromkeys(("terms", "view", "transactions", "books"), dict),
            **dict.fromkeys(("entries", "outcomes", "accounts"), list),
        }
        whole = canonical.fields(canonical.loads(text), kinds, "record")
        if whole["format"] != FORMAT:
            raise CodecError(f"record: the format {whole['format']!r} is not {FORMAT}")
        record = cls(
            chain_id=_read("number", whole["chain_id"], "record.chain_id"),
            federation=_read("address", whole["federation"], "record.federation"),
            terms=_terms(whole["terms"]),
            founded=_read("number", whole["founded"], "record.founded"),
            entries=tuple(_entry(entry, f"record.entries[{n}]") for n, entry in enumerate(whole["entries"])),
            outcomes=tuple(_outcome(one, f"record.outcomes[{n}]") for n, one in enumerate(whole["outcomes"])),
            view=_view(whole["view"]),
            block=_read("number", whole["block"], "record.block"),
            block_hash=whole["block_hash"],
            charter=whole["charter"],
            transactions=_texts(whole["transactions"]),
            accounts=tuple(_account(one, f"record.accounts[{n}]") for n, one in enumerate(whole["accounts"])),
            books=_read_all(Books, whole["books"], "record.books", {}) if whole["books"] else None,
        )
        return record if record.digest == whole["digest"] else replace(record, intact=False)

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "chain_id": self.chain_id,
            "federation": self.federation,
            "terms": _write_all(self.terms),
            "founded": self.founded,
            "entries": [
                {
                    "name": entry.name,
                    "values": {key: _write(kind, entry.values[key]) for key, kind in EVENTS[entry.name].items()},
                    "time": entry.time,
                    "block": entry.block,
                    "position": entry.position,
                    "tx_hash": entry.tx_hash,
                }
                for entry in self.entries
            ],
            "outcomes": [_write_all(outcome) for outcome in self.outcomes],
            "view": _write_all(self.view),
            "block": self.block,
            "block_hash": self.block_hash,
            "charter": self.charter,
            "transactions": dict(self.transactions),
            "accounts": [_write_all(account) for account in self.accounts],
            "books": _write_all(self.books) if self.books else {},
        }


# -- values to JSON and back ----------------------------------------------------------------------------------------


def _kind(name: str) -> str:
    if name in _SINGULAR:
        return name
    if name in _OTHERS:
        return _OTHERS[name]
    return "bitmap" if name in _BITMAPS else "root" if name in _ROOTS else "number"


def _write(kind: str, value: Any) -> Any:
    if kind in _SINGULAR:
        return [_write(_SINGULAR[kind], item) for item in value]
    if kind == "root":
        return "0x" + value.hex()
    if kind == "bitmap":
        return hex(value)
    return str(value) if kind == "address" else int(value)


def _write_all(value: Terms | Outcome | View | Account | Books) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for item in fields_of(value):
        held = getattr(value, item.name)
        if item.name == "quorum":
            plain[item.name] = list(held)
        elif item.name == "previous":
            plain[item.name] = {} if held is None else _write_all(held)
        else:
            plain[item.name] = _write(_kind(item.name), held)
    return plain


def _read(kind: str, value: Any, where: str) -> Any:
    """Return the value that stands in JSON.

    Raises:
        CodecError: it is of another kind, or too large.
    """
    if kind in _SINGULAR:
        if not isinstance(value, list) or len(value) > 256:
            raise CodecError(f"{where}: not a list of at most 256")
        return tuple(_read(_SINGULAR[kind], item, where) for item in value)
    if kind == "number":
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 256:
            return value
    elif kind == "flag":
        if value in (0, 1) and not isinstance(value, bool):
            return bool(value)
    elif isinstance(value, str):
        if kind == "address" and re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
            return value
        if kind == "root" and re.fullmatch(r"0x[0-9a-f]{64}", value):
            return bytes.fromhex(value[2:])
        if kind == "bitmap" and re.fullmatch(r"0x[0-9a-f]{1,64}", value):
            return int(value, 16)
    raise CodecError(f"{where}: no {kind}")


def _read_all(cls: Any, value: Any, where: str, special: Mapping[str, Any]) -> Any:
    names = [item.name for item in fields_of(cls)]
    given = canonical.fields(value, dict.fromkeys(names, object), where)
    read = {name: _read(_kind(name), given[name], f"{where}.{name}") for name in names if name not in special}
    return cls(**read, **{name: make(given[name]) for name, make in special.items()})


def _terms(value: Any) -> Terms:
    def quorum(pair: Any) -> tuple[int, int]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise CodecError("record.terms.quorum: not two whole numbers")
        top, bottom = (_read("number", part, "record.terms.quorum") for part in pair)
        return top, bottom

    terms: Terms = _read_all(Terms, value, "record.terms", {"quorum": quorum})
    return terms


def _outcome(value: Any, where: str) -> Outcome:
    outcome: Outcome = _read_all(Outcome, value, where, {"status": lambda given: _enum(Status, given, where)})
    return outcome


def _account(value: Any, where: str) -> Account:
    account: Account = _read_all(Account, value, where, {})
    return account


def _view(value: Any) -> View:
    where = "record.view"
    special = {
        "phase": lambda given: _enum(Phase, given, where),
        "previous": lambda given: None if given == {} else _outcome(given, f"{where}.previous"),
    }
    view: View = _read_all(View, value, where, special)
    return view


def _entry(value: Any, where: str) -> Entry:
    kinds: dict[str, type] = {"name": str, "values": dict, "tx_hash": str}
    given = canonical.fields(value, {**kinds, **dict.fromkeys(("time", "block", "position"), int)}, where)
    schema = EVENTS.get(given["name"])
    if schema is None:
        raise CodecError(f"{where}: there is no event {given['name']!r}")
    values = canonical.fields(given["values"], dict.fromkeys(schema, object), where)
    time, block, position = (_read("number", given[name], f"{where}.{name}") for name in ("time", "block", "position"))
    read = {name: _read(kind, values[name], f"{where}.{name}") for name, kind in schema.items()}
    return Entry(given["name"], read, time, block, position, given["tx_hash"])


def _texts(value: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in value.values()):
        raise CodecError("record.transactions: not all are text")
    return value


def _enum(cls: Any, value: Any, where: str) -> Any:
    try:
        return cls(_read("number", value, where))
    except ValueError as error:
        raise CodecError(f"{where}: {value} is no {cls.__name__}") from error
