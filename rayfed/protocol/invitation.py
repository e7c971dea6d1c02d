"""An invitation: the one file by which another party joins a federation, and believes nothing that it can check.

It holds where the federation is, its charter (whose hash the contract knows) and what of the founder's settings a
joiner may as well begin with. It is no secret and holds none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from rayfed.encoding import canonical
from rayfed.encoding.primitives import Address
from rayfed.errors import CodecError
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import COIN, NATIVE

EDITION = 2
"""Of the protocol; a charter of another one cannot be read here."""

FILE = "invitation.json"

KIND = "invitation"

MOST_BYTES = 16 << 20
"""Of a file at most: a table's charter of many columns is the longest there is."""

LONGEST = 500
"""Characters of what is shown to people: nothing in it moves a terminal's cursor, or fills its screen."""

DEEPEST = 24
"""How deep a file may be nested. What reads JSON goes down as deep, and some processes die of that."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-f]{64}")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+"')
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True)
class Invitation:
    """What a joiner is told.

    Attributes:
        federation: the contract's address.
        chain_id: of its chain.
        block: the one that it was founded in.
        charter: what its members agree on.
        code: hash of the code at the contract's address, 0x and 64 hexadecimal digits.
        coin: where the coin is that stakes are put down in; ``NATIVE`` is the chain's own currency.
        coin_name: what people call it.
        rpc: URLs of nodes of the chain that hold no secret; may be empty.
        settings: by group, what a joiner begins with and may change (``config.invited`` says what is taken of it).
        withheld: in one line each, what the founder's settings hold and this does not, and why.
        release: of rayfed, by which it was written.
    """

    federation: Address
    chain_id: int
    block: int
    charter: Charter
    code: str
    coin: Address = NATIVE
    coin_name: str = "ether"
    rpc: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    release: str = ""

    @property
    def needs(self) -> dict[str, str]:
        """What a member puts down, in words: its stake, and its bonds in the chain's own currency."""
        stake, terms = self.charter.stake, self.charter.terms(self.coin)
        where = "" if self.coin == NATIVE else f" (the coin at {self.coin})"
        return {
            "stake": f"{coins(stake.stake)} {self.coin_name}{where}",
            "bonds": f"{coins(terms.bonds)} of the chain's own currency",
        }

    def to_json(self) -> str:
        """Return the file's text."""
        value = {
            "rayfed": KIND,
            "edition": EDITION,
            "release": self.release,
            "federation": self.federation,
            "chain_id": self.chain_id,
            "block": self.block,
            "rpc": list(self.rpc),
            "code": self.code,
            "coin": {"address": self.coin, "name": self.coin_name},
            "needs": self.needs,
            "settings": dict(self.settings),
            "withheld": list(self.withheld),
            "genesis": "0x" + self.charter.genesis.hex(),
            "charter_hash": "0x" + self.charter.hash.hex(),
            "charter": json.loads(self.charter.canonical_json()),
        }
        return json.dumps(value, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Invitation:
        """Return the invitation that a file's text is.

        Raises:
            CodecError: it is none, or damaged, or of another edition.
        """
        if _depth(text) > DEEPEST:
            raise CodecError(f"it is damaged, or no invitation: nested deeper than {DEEPEST} times")
        try:
            return cls._read(json.loads(text))
        except CodecError:
            raise
        except (ValueError, RecursionError) as error:
            raise CodecError(f"it is damaged, or no invitation: not JSON: {error}") from error

    @classmethod
    def _read(cls, value: Any) -> Invitation:
        if not isinstance(value, dict) or value.get("rayfed") != KIND:
            raise CodecError("it is no invitation")
        if value.get("edition") != EDITION:
            by = f", written by rayfed {str(value['release'])[:20]!r}" if value.get("release") else ""
            raise CodecError(
                f"it is of edition {str(value.get('edition'))[:20]!r} of the protocol{by}; "
                f"this program speaks edition {EDITION}"
            )
        entry = canonical.fields(value, TYPES, "it is damaged: invitation")
        charter = _charter(entry)
        coin = canonical.fields(entry["coin"], {"address": str, "name": str}, "it is damaged: invitation.coin")
        for name, found, shape in (
            ("federation", entry["federation"], _ADDRESS),
            ("coin.address", coin["address"], _ADDRESS),
            ("code", entry["code"], _HASH),
        ):
            if not shape.fullmatch(found):
                raise CodecError(f"it is damaged: invitation.{name}: {found!r} is not one")
        for name in ("rpc", "withheld"):
            if not all(isinstance(one, str) for one in entry[name]):
                raise CodecError(f"it is damaged: invitation.{name}: not a list of texts")
        for told in (coin["name"], entry["release"], *entry["rpc"], *entry["withheld"]):
            if not told.isprintable() or len(told) > LONGEST:
                raise CodecError(f"it is damaged: {told[:40]!r} is not a line of at most {LONGEST} characters")
        if entry["chain_id"] < 1 or entry["block"] < 0:
            raise CodecError("it is damaged: there is no such chain, or no such block on one")
        made = cls(
            federation=entry["federation"],
            chain_id=entry["chain_id"],
            block=entry["block"],
            charter=charter,
            code=entry["code"],
            coin=coin["address"],
            coin_name=coin["name"],
            rpc=tuple(entry["rpc"]),
            settings=entry["settings"],
            withheld=tuple(entry["withheld"]),
            release=entry["release"],
        )
        if made.needs != entry["needs"] or entry["genesis"] != "0x" + charter.genesis.hex():
            raise CodecError("it is damaged: what it says of stake, bonds or genesis is not its charter's")
        return made


TYPES: dict[str, type] = {
    "rayfed": str,
    "edition": int,
    "release": str,
    "federation": str,
    "chain_id": int,
    "block": int,
    "rpc": list,
    "code": str,
    "coin": dict,
    "needs": dict,
    "settings": dict,
    "withheld": list,
    "genesis": str,
    "charter_hash": str,
    "charter": dict,
}
"""What stands in the file."""


def is_invitation(text: str) -> bool:
    """Say whether a text begins as an invitation does."""
    return f'"rayfed": "{KIND}"' in text[:200]


def coins(units: int) -> str:
    """Return an amount in the smallest unit as whole coins, exactly."""
    whole, rest = divmod(units, COIN)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def _depth(text: str) -> int:
    """Return how deep a text's lists and objects are nested, whatever stands in its strings."""
    steps = (1 if bracket in "[{" else -1 for bracket in _BRACKET.findall(_TEXT.sub("", text)))
    return max(accumulate(steps), default=0)


def _charter(entry: Mapping[str, Any]) -> Charter:
    """Return the charter, having checked that it is the one whose hash is stated."""
    text = canonical.dumps(entry["charter"])
    if "0x" + hashlib.sha256(text.encode()).hexdigest() != entry["charter_hash"]:
        raise CodecError("it is damaged: its charter does not hash to charter_hash")
    return Charter.from_json(text)
