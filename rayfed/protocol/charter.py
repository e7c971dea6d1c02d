"""The charter: all that the nodes of a federation agree on. Its hash is in the contract.

Nothing in it is random or bound to a machine, a time or an address, and it holds no floats, so the same settings give
the same text and the same hash everywhere. A node whose own charter hashes differently cannot join.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from rayfed.aggregation import rules
from rayfed.aggregation.rules.optimizer import Optimizer, Stepped, extended
from rayfed.encoding import canonical, differences
from rayfed.encoding.layout import Layout
from rayfed.encoding.primitives import MAX_MEMBERS, Address, Root
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.charter_parts import MAX_UNSETTLED, SHARES, DataTerms, MergeTerms, StakeTerms, within
from rayfed.protocol.messages import NATIVE, Terms

__all__ = ["MAX_UNSETTLED", "SHARES", "VERSION", "Charter", "DataTerms", "MergeTerms", "StakeTerms"]

PUBLIC, MEMBERS = "public", "members"
"""Who is given the final model where stores are confidential."""

VERSION = 3
"""Of the charter's format. 1 and 2 were the first edition's, whose federations the second does not carry on."""


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
            max_unsettled, max_void, limit_seconds: as in ``messages.Terms``.
        genesis: root of the blob that round 1 starts from.
        genesis_source: how to build that blob (a seed, or a weights file and its hash); free as ``model`` is.
        stake: what is at stake, and what is paid.
        final_model: ``public`` (members give the final model to all who ask) or ``members``, where stores are
            confidential; in the text only where it is ``members``.
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
    max_unsettled: int
    max_void: int
    limit_seconds: int
    genesis: Root
    genesis_source: Mapping[str, Any]
    stake: StakeTerms = field(default_factory=StakeTerms)
    final_model: str = PUBLIC
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check every bound that the contract checks, so that a wrong setting costs no transaction.

        Raises:
            ConfigError: naming the setting.
            CodecError: something is in it that canonical JSON does not hold.
        """
        if self.version != VERSION:
            raise ConfigError("charter", _other(self.version))
        if len(self.genesis) != 32 or not any(self.genesis):
            raise ConfigError("charter", "genesis must be a root of 32 bytes that are not all zero")
        for name in ("join_seconds", "commit_seconds", "vote_seconds", "attest_seconds", "limit_seconds", "rounds"):
            within(name, getattr(self, name), 1, 2**32 - 1)
        within("start_members", self.start_members, 1, MAX_MEMBERS)
        within("min_members", self.min_members, 1, self.start_members)
        within("max_missed", self.max_missed, 0, 7)
        within("max_unsettled", self.max_unsettled, 1, MAX_UNSETTLED)
        within("max_void", self.max_void, 1, 2**16 - 1)
        self.stake.check()
        if self.final_model not in (PUBLIC, MEMBERS):
            raise ConfigError("federation.final_model", f"{self.final_model!r} is neither {PUBLIC} nor {MEMBERS}")
        self.rule()
        self.merge.check_bits(self.layout)
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
        """The layout of all blobs: the model's, and behind it what the merge's optimiser remembers, if there is one. It
        says how wide updates are, too."""
        return replace(extended(self.layout, self.merge.optimizer), bits=self.merge.bits)

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
            max_unsettled=self.max_unsettled,
            max_void=self.max_void,
            limit_seconds=self.limit_seconds,
            coin={"native": NATIVE, "dlc": coin}.get(stake.coin, stake.coin),
            stake=stake.stake,
            reward=stake.reward,
            bond=stake.bond,
            window_seconds=stake.window_seconds,
            clock_seconds=stake.clock_seconds,
            proof_seconds=stake.proof_seconds,
            right_share=stake.right_share,
            allow_list=bytes.fromhex(stake.allow_list[2:]),
            rule=rule.code,
            trim=self.merge.trim if rule.name == "trimmed_mean" else 0,
            max_weight=self.merge.max_weight,
            layout=self.blob_layout.hash,
            values=self.blob_layout.size,
            encoding=differences.word(self.merge.bits),
            frozen=self.blob_layout.frozen_digest,
        )

    @property
    def hash(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).digest()

    def canonical_json(self) -> str:
        """Return the one text that stands for this charter."""
        value: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        value["layout"] = self.layout.to_dict()
        value["data"], value["merge"], value["stake"] = self.data.to_dict(), self.merge.to_dict(), asdict(self.stake)
        value["genesis"] = "0x" + self.genesis.hex()
        if self.final_model == PUBLIC:
            del value["final_model"]
        return canonical.dumps(value)

    @classmethod
    def from_json(cls, text: str | bytes) -> Charter:
        """Return the charter that this text stands for.

        Raises:
            CodecError: the text is not canonical JSON or of another version, a key is missing or unknown, or a value is
                not possible.
        """
        value = canonical.loads(text)
        if isinstance(value, dict) and isinstance(value.get("version"), int) and value["version"] != VERSION:
            raise CodecError(f"charter: {_other(value['version'])}")
        whole = {item.name: int for item in fields(cls)}
        objects = {"layout": dict, "data": dict, "model": dict, "merge": dict, "genesis_source": dict, "stake": dict}
        texts = {"name": str, "genesis": str, "final_model": str}
        expected = {**whole, **objects, **texts}
        if isinstance(value, dict) and "final_model" not in value:
            del expected["final_model"]
        entry = canonical.fields(value, expected, "charter")
        if entry.get("final_model") == PUBLIC:
            raise CodecError("charter.final_model: is given although its value is the default")
        data = DataTerms.from_dict(entry["data"])
        kinds = {item.name: str if item.name in ("coin", "allow_list") else int for item in fields(StakeTerms)}
        stake = canonical.fields(entry["stake"], kinds, "charter.stake")
        merge = MergeTerms.from_dict(entry["merge"])
        try:
            return cls(
                **{
                    **entry,
                    "layout": Layout.from_dict(entry["layout"]),
                    "data": data,
                    "merge": merge,
                    "stake": StakeTerms(**stake),
                    "genesis": _root(entry["genesis"]),
                }
            )
        except ConfigError as error:
            raise CodecError(f"charter: {error}") from error


def _other(version: object) -> str:
    """Say of which edition a charter of another version is."""
    if version in (1, 2):
        return (
            f"version {version} is of the first edition, which this program does not speak: found a federation anew, "
            "or use the rayfed that founded it"
        )
    return f"version {version} is not known here, only {VERSION}"


def _root(text: str) -> bytes:
    try:
        root = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise CodecError(f"charter.genesis: {text!r} is not a root") from error
    if "0x" + root.hex() != text:
        raise CodecError(f"charter.genesis: {text!r} is not written as 0x and lower-case hex")
    return root
