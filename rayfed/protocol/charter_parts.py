"""The parts of a charter: what the data look like, how updates are merged, what is at stake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any

from rayfed.aggregation import rules
from rayfed.aggregation.rules.optimizer import RATE_UNIT
from rayfed.encoding import canonical, differences
from rayfed.encoding.layout import Layout
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.messages import NATIVE
from rayfed.protocol.metric import Metric, of_task

SHARES = 10_000
"""``right_share`` counts in parts of this."""

MOST_RIGHT_SHARE = 1_000
"""``right_share`` at most. A larger part would pay for being slashed under one name and paid under another."""

MAX_UNSETTLED = 16
"""Rounds that may be unsettled at once, at most: the contract has so many slots."""

MIN_BITS, MAX_BITS = 8, 31
"""What ``DataTerms.bits`` may be where it is said."""

OPTIONAL: dict[str, type] = {"bits": int, "prepare": dict, "task": dict}
"""What is in the text of ``DataTerms`` only where it says something."""


@dataclass(frozen=True, slots=True)
class DataTerms:
    """What the data look like when they reach the model, and what is learned from them.

    Attributes:
        classes: the classes' names in the order of their labels; empty where there are none.
        shape: of one example's first input; of an image (channels, height, width).
        mean, std: by channel, of pixels in 0..1, in units of 1e-6; empty for what is not images.
        bits: how many bits of a grey value are meant in a file that has more than 8, of which the highest 8 are used;
            0: as the file says, and then not in the text.
        prepare: how what is not images reaches the model (its inputs; the columns of a table, their means, deviations
            and categories); empty for images, and then not in the text.
        task: what is learned (``_target_`` and parameters, as ``model`` is written) and its ``metric``; empty for one
            class an example and accuracy, and then not in the text.
    """

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: tuple[int, ...]
    std: tuple[int, ...]
    bits: int = 0
    prepare: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("classes", "shape", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def metric(self) -> Metric:
        """The figure by which the model is measured."""
        return of_task(self.task)

    def to_dict(self) -> dict[str, Any]:
        """Return the terms as canonical JSON has them."""
        value = asdict(self)
        return {name: value[name] for name in value if name not in OPTIONAL or value[name]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> DataTerms:
        """Return the terms of ``to_dict``'s value.

        Raises:
            CodecError: a key is missing or unknown, or a value is not possible.
        """
        lists = ("classes", "shape", "mean", "std")
        expected = {**dict.fromkeys(lists, list), **{name: kind for name, kind in OPTIONAL.items() if name in value}}
        data = canonical.fields(value, expected, "charter.data")
        for name in lists:
            if not all(isinstance(item, str if name == "classes" else int) for item in data[name]):
                raise CodecError(f"charter.data.{name}: an item is of the wrong type")
        if "bits" in data and not MIN_BITS <= data["bits"] <= MAX_BITS:
            raise CodecError(f"charter.data.bits: not from {MIN_BITS} to {MAX_BITS}")
        if empty := [name for name in OPTIONAL if name in data and not data[name]]:
            raise CodecError(f"charter.data.{empty[0]}: is given and says nothing")
        of_task(data.get("task", {}))
        return cls(**data)


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
        bits: how wide an update's values are, one of ``differences.BITS``; in the text only where it is not 32.
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
    bits: int = 32

    def rule_alone(self) -> rules.Rule:
        """Return the rule, without the optimiser's step."""
        chosen = asdict(self)
        for name in ("optimizer", "server_lr", "momentum", "second_momentum", "tau", "bits"):
            del chosen[name]
        return rules.make(chosen.pop("rule"), **chosen)

    def check_bits(self, layout: Layout) -> None:
        """Raise ``ConfigError`` where updates of this model cannot be as narrow as ``bits`` says."""
        if isinstance(self.bits, bool) or self.bits not in differences.BITS:
            raise ConfigError("merge.bits", f"an update's values have 32, 16 or 8 bits, not {self.bits!r}")
        small = [spec for spec in layout.tensors if spec.kind == "int" and spec.dtype != "int64"]
        if self.bits != 32 and small:
            words = f"{small[0].name} is {small[0].dtype}, which a difference of {self.bits} bits may leave"
            raise ConfigError("merge.bits", f"{words}; 32 keeps it as it is")

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
    """What is at stake, and what is paid; amounts in the coin's smallest unit, bonds in the chain's own currency's.

    Attributes:
        coin: ``native`` (the chain's own currency), ``dlc`` (a DeepLearningCoin that the founder deploys for this
            federation) or the address of an ERC-20 (EIP-55).
        stake, reward, bond, window_seconds, clock_seconds, proof_seconds, right_share: as in ``messages.Terms``.
        allow_list: root of who may join, ``0x`` and 64 hexadecimal digits; all zero: anybody.
    """

    coin: str = "native"
    stake: int = 0
    reward: int = 0
    bond: int = 10**15
    window_seconds: int = 60
    clock_seconds: int = 60
    proof_seconds: int = 60
    right_share: int = MOST_RIGHT_SHARE
    allow_list: str = "0x" + "0" * 64

    def check(self) -> None:
        """Check every bound that the contract checks.

        Raises:
            ConfigError: naming the setting.
        """
        is_address = re.fullmatch(r"0x[0-9a-fA-F]{40}", self.coin) and self.coin != NATIVE
        if self.coin not in ("native", "dlc") and not is_address:
            raise ConfigError("stake.coin", f"{self.coin!r} is neither dlc, native nor a coin's address")
        limits = {
            "stake": ("amount", 0, 2**112 - 1),
            "reward": ("reward", 0, 2**112 - 1),
            "bond": ("bond", 1, 2**96 - 1),
            "window_seconds": ("window_seconds", 1, 2**32 - 1),
            "clock_seconds": ("clock_seconds", 1, 2**32 - 1),
            "proof_seconds": ("proof_seconds", 1, 2**32 - 1),
            "right_share": ("right_share", 0, MOST_RIGHT_SHARE),
        }
        for name, (setting, low, high) in limits.items():
            within(setting, getattr(self, name), low, high, "stake")
        if not re.fullmatch(r"0x[0-9a-f]{64}", self.allow_list):
            raise ConfigError("stake.allow_list", f"{self.allow_list!r} is not a root of 32 bytes")


def within(name: str, value: int, low: int, high: int, group: str = "federation") -> None:
    """Raise ``ConfigError`` naming the setting where a value is not a whole number in ``low..high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{group}.{name}", f"must be a whole number in {low}..{high}, not {value!r}")
