"""The charter: all that the nodes of a federation agree on. Its hash is in the contract.

Nothing in it is random or bound to a machine, a time or an address, and it holds no floats, so the same settings give
the same text and the same hash everywhere. A node whose own charter hashes differently cannot join.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields
from functools import cached_property
from typing import Any

from rayfed.aggregation import rules
from rayfed.aggregation.rules.optimizer import RATE_UNIT, Optimizer, Stepped, extended
from rayfed.encoding import canonical
from rayfed.encoding.layout import Layout
from rayfed.encoding.primitives import MAX_MEMBERS, Address, Root
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.messages import NATIVE, Terms

VERSION = 2


SHARES = 10_000
"""``refused_share`` and ``challenger_share`` count in parts of this."""


@dataclass(frozen=True, slots=True)
class DataTerms:
    """What the images look like when they reach the model.

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
        optimizer, server_lr, momentum, second_momentum, tau: what is done with the rule's result, as in
            ``rules.optimizer.Optimizer``; in the text only where they are not the default.
    """

    rule: str
    trim: int = 0
    max_weight: int = 1_000_000
    mixing: str = "none"
    f: int = 0
    bucket: int = 2
    clip: int = 10_000
    iterations: int = 8
    optimizer: str = "none"
    server_lr: int = RATE_UNIT
    momentum: int = 9_000
    second_momentum: int = 9_900
    tau: int = 1_000_000

    def rule_alone(self) -> rules.Rule:
        """Return the rule, without the optimiser's step."""
        chosen = asdict(self)
        for name in ("optimizer", "server_lr", "momentum", "second_momentum", "tau"):
            del chosen[name]
        return rules.make(chosen.pop("rule"), **chosen)

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
        types = {item.name: str if item.name in ("rule", "mixing", "optimizer") else int for item in fields(cls)}
        always = ("rule", "trim", "max_weight")
        expected = {name: kind for name, kind in types.items() if name in always or name in value}
        terms = cls(**canonical.fields(value, expected, "charter.merge"))
        if terms.to_dict() != value:
            raise CodecError("charter.merge: a key is given although its value is the default")
        return terms


@dataclass(frozen=True, slots=True)
class StakeTerms:
    """What is at stake, and what is paid; amounts in the coin's smallest unit.

    Attributes:
        coin: ``native`` (the chain's own currency), ``dlc`` (a DeepLearningCoin that the founder deploys for this
            federation) or the address of an ERC-20 (EIP-55).
        stake, reward, bond, challenge_seconds, proof_seconds, refused_share, challenger_share: as in
            ``messages.Terms``.
        allow_list: root of who may join, ``0x`` and 64 hexadecimal digits; all zero: anybody.
    """

    coin: str = "native"
    stake: int = 0
    reward: int = 0
    bond: int = 10**15
    challenge_seconds: int = 60
    proof_seconds: int = 60
    refused_share: int = 0
    challenger_share: int = 5_000
    allow_list: str = "0x" + "0" * 64


@dataclass(frozen=True)
class Charter:
    """What the nodes agree on.

    Attributes:
        name: what people call the federation.
        layout: the model's tensors and their fixed point (``blob_layout`` is the blobs').
        data: how images are prepared.
        model: how to build the model: ``_target_`` and its arguments; strings, whole numbers, lists and objects
            (a float as its text).
        merge: the merge rule.
        rounds, join_seconds, commit_seconds, vote_seconds, attest_seconds, start_members, min_members, max_missed,
            quorum: as in ``messages.Terms``.
        genesis: root of the blob that round 1 starts from.
        genesis_source: how to build that blob (a seed, or a weights file and its hash); free as ``model`` is.
        stake: what is at stake, and what is paid.
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
    stake: StakeTerms = StakeTerms()
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
        _check_stake(self.stake)
        self.rule()
        self.canonical_json()

    def rule(self) -> rules.Rule:
        """Return how a round's included updates and its base become the next model, with ``blob_layout``'s values."""
        merge = self.merge
        rule = merge.rule_alone()
        if merge.optimizer == "none":
            return rule
        chosen = Optimizer(merge.optimizer, merge.server_lr, merge.momentum, merge.second_momentum, merge.tau)
        return Stepped(rule, chosen, self.layout)

    @cached_property
    def blob_layout(self) -> Layout:
        """The layout of all blobs: the model's, and behind it what the merge's optimiser remembers, if there is one."""
        return extended(self.layout, self.merge.optimizer)

    def terms(self, coin: Address = NATIVE) -> Terms:
        """Return what the contract is founded with.

        Args:
            coin: where the founder has deployed the coin; asked for only where the charter says ``dlc``.
        """
        stake, rule = self.stake, self.rule()
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
            coin={"native": NATIVE, "dlc": coin}.get(stake.coin, stake.coin),
            stake=stake.stake,
            reward=stake.reward,
            bond=stake.bond,
            challenge_seconds=stake.challenge_seconds,
            proof_seconds=stake.proof_seconds,
            refused_share=stake.refused_share,
            challenger_share=stake.challenger_share,
            allow_list=bytes.fromhex(stake.allow_list[2:]),
            rule=rule.code,
            trim=self.merge.trim if rule.name == "trimmed_mean" else 0,
            max_weight=self.merge.max_weight,
            layout=self.blob_layout.hash,
            values=self.blob_layout.size,
        )

    @property
    def hash(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).digest()

    def canonical_json(self) -> str:
        """Return the one text that stands for this charter."""
        value: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        value["layout"] = self.layout.to_dict()
        value["data"], value["merge"], value["stake"] = asdict(self.data), self.merge.to_dict(), asdict(self.stake)
        value["genesis"] = "0x" + self.genesis.hex()
        return canonical.dumps(value)

    @classmethod
    def from_json(cls, text: str | bytes) -> Charter:
        """Return the charter that this text stands for.

        Raises:
            CodecError: the text is not canonical JSON, a key is missing or unknown, or a value is not possible.
        """
        whole = {item.name: int for item in fields(cls)}
        objects = {"layout": dict, "data": dict, "model": dict, "merge": dict, "genesis_source": dict, "stake": dict}
        entry = canonical.fields(
            canonical.loads(text), {**whole, **objects, "name": str, "quorum": list, "genesis": str}, "charter"
        )
        names = ("classes", "shape", "mean", "std")
        data = canonical.fields(entry["data"], dict.fromkeys(names, list), "charter.data")
        for name in names:
            if not all(isinstance(item, str if name == "classes" else int) for item in data[name]):
                raise CodecError(f"charter.data.{name}: an item is of the wrong type")
        kinds = {item.name: str if item.name in ("coin", "allow_list") else int for item in fields(StakeTerms)}
        stake = canonical.fields(entry["stake"], kinds, "charter.stake")
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
                    "stake": StakeTerms(**stake),
                    "quorum": tuple(entry["quorum"]),
                    "genesis": _root(entry["genesis"]),
                }
            )
        except ConfigError as error:
            raise CodecError(f"charter: {error}") from error


def _within(name: str, value: int, low: int, high: int, group: str = "federation") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{group}.{name}", f"must be a whole number in {low}..{high}, not {value!r}")


def _check_stake(stake: StakeTerms) -> None:
    """Check what is at stake as the contract does."""
    is_address = re.fullmatch(r"0x[0-9a-fA-F]{40}", stake.coin) and stake.coin != NATIVE
    if stake.coin not in ("native", "dlc") and not is_address:
        raise ConfigError("stake.coin", f"{stake.coin!r} is neither dlc, native nor a coin's address")
    limits = {
        "stake": ("amount", 0, 2**128 - 1),
        "reward": ("reward", 0, 2**128 - 1),
        "bond": ("bond", 1, 2**128 - 1),
        "challenge_seconds": ("challenge_seconds", 1, 2**32 - 1),
        "proof_seconds": ("proof_seconds", 1, 2**32 - 1),
        "refused_share": ("refused_share", 0, SHARES),
        "challenger_share": ("challenger_share", 0, SHARES),
    }
    for name, (setting, low, high) in limits.items():
        _within(setting, getattr(stake, name), low, high, "stake")
    if not re.fullmatch(r"0x[0-9a-f]{64}", stake.allow_list):
        raise ConfigError("stake.allow_list", f"{stake.allow_list!r} is not a root of 32 bytes")


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise CodecError(f"charter.genesis: {text!r} is not a root") from error
    if "0x" + root.hex() != text:
        raise CodecError(f"charter.genesis: {text!r} is not written as 0x and lower-case hex")
    return root
