"""What a node does about an act that the ledger refuses again and again though it is still due: it stops, and says
which setting to change. Its watchtower goes on."""

from __future__ import annotations

import re

from rayfed.errors import ConfigError
from rayfed.node.pending import Rejection
from rayfed.protocol.messages import Verb

TRIES = 5
"""Refusals in a row, for one reason, after which an act is hopeless."""

UNHEARD = ("NotMined", "NotHeard")
"""What a handle says of what the chain has not refused: it may be heard the next time, or in the next round."""

NOT_DUE = ("NothingDue", "Paused")
"""What the contract says of an act that is not due by the state that refuses it: its clock is behind the node's, it has
gone back to a time in which the node still pauses, or somebody was quicker."""

_SETTING = re.compile(r"([a-z_]+(?:\.[a-z_]+)+): (.+)")

_CAUSES = {
    "UnderStaked": ("stake.amount", "the account has too little at stake and not enough of the coin to add to it"),
    "UnderBonded": (
        "stake.bond",
        "the account has too few bonds, and too little of the chain's currency to add to them",
    ),
    "NotAllowed": ("stake.allow_list", "the federation's allow-list does not name this account"),
    "CharterMismatch": ("federation_address", "the federation was founded on another charter"),
    "FederationFull": ("federation_address", "all seats of the federation are taken"),
}


def act(verb: Verb, round: int) -> str:
    """Return an act in words; some belong to no round."""
    return f"{verb} of round {round}" if round else f"{verb}"


def hopeless(verb: Verb, round: int, refusal: Rejection | None) -> ConfigError | None:
    """Return why an act that is still due has been refused too often; None if it may be tried again."""
    if refusal is None or refusal.times < TRIES or refusal.reason in UNHEARD + NOT_DUE:
        return None
    named = _SETTING.fullmatch(refusal.reason)
    if named is not None:
        setting, cause = named.groups()
    else:
        setting, cause = _CAUSES.get(refusal.reason, ("ledger", refusal.reason))
    return ConfigError(
        setting, f"{act(verb, round)} was refused {refusal.times} times, though it is still due: {cause}"
    )
