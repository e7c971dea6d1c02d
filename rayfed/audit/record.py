"""The record: all that a federation's contract has said and holds, in one value that can be kept in a file.

A chain that is still there is the better witness. A record lets an audit be run again when it is gone (a devchain ends
with its run), offline, or by somebody who has other means to know that the record is right. Its file is canonical JSON
with a SHA-256 over everything else in it, so damage shows; who keeps that digest elsewhere also sees a forgery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rayfed.audit import plain
from rayfed.audit.events import EVENTS, RecordEntry
from rayfed.encoding import canonical
from rayfed.encoding.primitives import Address
from rayfed.errors import CodecError
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.messages import Outcome, Terms, View
from rayfed.store.card import Card

FORMAT = "rayfed.record.v3"

FILE = "record.json"
"""What a run calls the record in its output folder."""


@dataclass(frozen=True, slots=True)
class ChainRecord:
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
        accounts, books: what each address had that the events name, and what nobody owned; None: nobody asked.
        intact: whether the file said the digest that it has; True if it came from no file.
    """

    chain_id: int
    federation: Address
    terms: Terms
    founded: int
    entries: tuple[RecordEntry, ...]
    outcomes: tuple[Outcome, ...]
    view: View
    block: int
    block_hash: str
    charter: str = ""
    transactions: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[Address, Account] = field(default_factory=dict)
    books: Books | None = None
    intact: bool = True

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that the record says."""
        return hashlib.sha256(canonical.dumps(self._plain()).encode()).hexdigest()

    def cards(self) -> dict[Address, Card]:
        """Return the members' latest cards, by their addresses in lower case."""
        said = (entry.values for entry in self.entries if entry.name == "Announced")
        return {values["member"].lower(): Card.decode(values["card"]) for values in said}

    def with_charter(self, charter: str) -> ChainRecord:
        """Return the same record with this charter."""
        return replace(self, charter=charter)

    def to_json(self) -> str:
        """Return the record as a file holds it."""
        return canonical.dumps({**self._plain(), "digest": self.digest})

    @classmethod
    def from_json(cls, text: str | bytes) -> ChainRecord:
        """Return the record that this text holds.

        Raises:
            CodecError: the text is not a record. One whose digest is another than it says is returned, not ``intact``.
        """
        kinds = {
            **dict.fromkeys(("format", "federation", "block_hash", "charter", "digest"), str),
            **dict.fromkeys(("chain_id", "founded", "block"), int),
            **dict.fromkeys(("terms", "view", "transactions", "books", "accounts"), dict),
            **dict.fromkeys(("entries", "outcomes"), list),
        }
        whole = canonical.fields(canonical.loads(text), kinds, "record")
        if whole["format"] != FORMAT:
            raise CodecError(f"record: the format {whole['format']!r} is not {FORMAT}")
        record = cls(
            chain_id=plain.read("number", whole["chain_id"], "record.chain_id"),
            federation=plain.read("address", whole["federation"], "record.federation"),
            terms=plain.terms(whole["terms"]),
            founded=plain.read("number", whole["founded"], "record.founded"),
            entries=tuple(plain.entry(entry, f"record.entries[{n}]") for n, entry in enumerate(whole["entries"])),
            outcomes=tuple(plain.outcome(one, f"record.outcomes[{n}]") for n, one in enumerate(whole["outcomes"])),
            view=plain.view(whole["view"]),
            block=plain.read("number", whole["block"], "record.block"),
            block_hash=whole["block_hash"],
            charter=whole["charter"],
            transactions=plain.texts(whole["transactions"]),
            accounts={
                plain.read("address", address, "record.accounts"): plain.account(one, f"record.accounts[{address}]")
                for address, one in whole["accounts"].items()
            },
            books=plain.read_all(Books, whole["books"], "record.books", {}) if whole["books"] else None,
        )
        return record if record.digest == whole["digest"] else replace(record, intact=False)

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "chain_id": self.chain_id,
            "federation": self.federation,
            "terms": plain.write_all(self.terms),
            "founded": self.founded,
            "entries": [
                {
                    "name": entry.name,
                    "values": {key: plain.write(kind, entry.values[key]) for key, kind in EVENTS[entry.name].items()},
                    "time": entry.time,
                    "block": entry.block,
                    "position": entry.position,
                    "tx_hash": entry.tx_hash,
                }
                for entry in self.entries
            ],
            "outcomes": [plain.write_all(outcome) for outcome in self.outcomes],
            "view": plain.write_all(self.view),
            "block": self.block,
            "block_hash": self.block_hash,
            "charter": self.charter,
            "transactions": dict(self.transactions),
            "accounts": {address: plain.write_all(account) for address, account in self.accounts.items()},
            "books": plain.write_all(self.books) if self.books else {},
        }
