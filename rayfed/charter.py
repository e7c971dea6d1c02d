"""The charter: all that the nodes of a federation agree on. Its hash is in the contract.

Nothing in it is random or bound to a machine, a time or an address, and it holds no floats, so the same settings give
the same text and the same hash everywhere. A node whose own charter hashes differently cannot join.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields
from typing import Any

from rayfed import canonical, rules
from rayfed.errors import CodecError, ConfigError
from rayfed.layout import Layout
from rayfed.messages import MAX_MEMBERS, Root, Terms

VERSION = 1


@dataclass(frozen=True, slots=True)
class DataTerms:
    """What the pictures look like when they reach the model.

    Attributes:
        classes: the classes' names in the order of their labels.
        shape: (channels, height, width).
        mean, std: by channel, of pixels in 0..1, in units of 1e-6.
    """

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: tuple[int, ...]
    std: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("classes", "shape", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class MergeTerms:
    """How the included updates become one model: the arguments of ``rules.make``.

    Attributes:
        rule: name of the rule.
        trim: per 10,000, cut from each end by ``trimmed_mean``; 0 <= trim < 5000.
        max_weight: cap on a weight in ``mean`` and ``norm_clipping``; 1..rules.MAX_WEIGHT.
        mixing, f, bucket, clip, iterations: as in ``rules.make``; in the text only where they are not the default.
    """

    rule: str
    trim: int = 0
    max_weight: int = 1_000_000
    mixing: str = "none"
    f: int = 0
    bucket: int = 2
    clip: int = 10_000
    iterations: int = 8

    def to_dict(self) -> dict[str, Any]:
        """Return the terms as canonical JSON has them."""
        always = ("rule", "trim", "max_weight")
        return {i.name: getattr(self, i.name) for i in fields(self) if i.name in always or self._differs(i)}

    def _differs(self, item: Field[Any]) -> bool:
        return bool(getattr(self, item.name) != item.default)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> MergeTerms:
        """Return the terms of ``to_dict``'s value.

        Raises:
            CodecError: a key is missing or unknown, or says what goes without saying.
        """
        types = {item.name: str if item.name in ("rule", "mixing") else int for item in fields(cls)}
        always = ("rule", "trim", "max_weight")
        expected = {name: kind for name, kind in types.items() if name in always or name in value}
        terms = cls(**canonical.fields(value, expected, "charter.merge"))
        if terms.to_dict() != value:
            raise CodecError("charter.merge: a key is there whose value is the default")
        return terms


@dataclass(frozen=True)
class Charter:
    """What the nodes agree on.

    Attributes:
        name: what people call the federation.
        layout: the model's tensors and their fixed point.
        data: how pictures are prepared.
        model: how to build the model: ``_target_`` and its arguments; strings, whole numbers, lists and objects
            (a float as its text).
        merge: the merge rule.
        rounds, join_seconds, commit_seconds, vote_seconds, attest_seconds, start_members, min_members, max_missed,
            quorum: as in ``messages.Terms``.
        genesis: root of the blob that round 1 starts from.
        genesis_source: how to build that blob (a seed, or a weights file and its hash); free as ``model`` is.
        version: of this format.
    """

    name: str
    layout: Layout
    data: DataTerms
    model: Mapping[str, Any]
    merge: MergeTerms
    rounds: int
    join_seconds: int
    commit_seconds: int
    vote_seconds: int
    attest_seconds: int
    start_members: int
    min_members: int
    max_missed: int
    quorum: tuple[int, int]
    genesis: Root
    genesis_source: Mapping[str, Any]
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check every bound that the contract checks, so that a wrong setting costs no transaction.

        Raises:
            ConfigError: naming the setting.
            CodecError: something is in it that canonical JSON does not hold.
        """
        object.__setattr__(self, "quorum", tuple(self.quorum))
        if self.version != VERSION:
            raise ConfigError("charter", f"version {self.version} is not known here, only {VERSION}")
        if len(self.genesis) != 32 or not any(self.genesis):
            raise ConfigError("charter", "genesis must be a root of 32 bytes that are not all zero")
        for name in ("join_seconds", "commit_seconds", "vote_seconds", "attest_seconds", "rounds"):
            _within(name, getattr(self, name), 1, 2**32 - 1)
        _within("start_members", self.start_members, 1, MAX_MEMBERS)
        _within("min_members", self.min_members, 1, self.start_members)
        _within("max_missed", self.max_missed, 0, 7)
        numerator, denominator = self.quorum
        _within("quorum", denominator, 1, 255)
        if not denominator <= 2 * numerator < 2 * denominator:
            raise ConfigError("federation.quorum", f"must be at least 1/2 and below 1, not {numerator}/{denominator}")
        self.rule()
        self.canonical_json()

    def rule(self) -> rules.Rule:
        """Return the merge rule."""
        chosen = asdict(self.merge)
        return rules.make(chosen.pop("rule"), **chosen)

    def terms(self) -> Terms:
        """Return what the contract is founded with."""
        return Terms(
            charter=self.hash,
            genesis=self.genesis,
            rounds=self.rounds,
            join_seconds=self.join_seconds,
            commit_seconds=self.commit_seconds,
            vote_seconds=self.vote_seconds,
            attest_seconds=self.attest_seconds,
            start_members=self.start_members,
            min_members=self.min_members,
            max_missed=self.max_missed,
            quorum=self.quorum,
        )

    @property
    def hash(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).digest()

    def canonical_json(self) -> str:
        """Return the one text that stands for this charter."""
        value: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        value["layout"] = self.layout.to_dict()
        value["data"], value["merge"] = asdict(self.data), self.merge.to_dict()
        value["genesis"] = "0x" + self.genesis.hex()
        return canonical.dumps(value)

    @classmethod
    def from_json(cls, text: str | bytes) -> Charter:
        """Return the charter that this text stands for.

        Raises:
            CodecError: the text is not canonical JSON, a key is missing or unknown, or a value is not possible.
        """
        whole = {item.name: int for item in fields(cls)}
        objects = {"layout": dict, "data": dict, "model": dict, "merge": dict, "genesis_source": dict}
        entry = canonical.fields(
            canonical.loads(text), {**whole, **objects, "name": str, "quorum": list, "genesis": str}, "charter"
        )
        names = ("classes", "shape", "mean", "std")
        data = canonical.fields(entry["data"], dict.fromkeys(names, list), "charter.data")
        for name in names:
            if not all(isinstance(item, str if name == "classes" else int) for item in data[name]):
                raise CodecError(f"charter.data.{name}: an item is of the wrong type")
        merge = MergeTerms.from_dict(entry["merge"])
        if len(entry["quorum"]) != 2 or not all(isinstance(item, int) for item in entry["quorum"]):
            raise CodecError("charter.quorum: not two whole numbers")
        try:
            return cls(
                **{
                    **entry,
                    "layout": Layout.from_dict(entry["layout"]),
                    "data": DataTerms(**data),
                    "merge": merge,
                    "quorum": tuple(entry["quorum"]),
                    "genesis": _root(entry["genesis"]),
                }
            )
        except ConfigError as error:
            raise CodecError(f"charter: {error}") from error


def _within(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"federation.{name}", f"must be a whole number in {low}..{high}, not {value!r}")


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise CodecError(f"charter.genesis: {text!r} is no root") from error
    if "0x" + root.hex() != text:
        raise CodecError(f"charter.genesis: {text!r} is not written as 0x and lower-case hex")
    return root
