"""``python -m rayfed economics``: what attacks on a federation with these settings would cost. Starts nothing."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rayfed.protocol.messages import Terms

SIZES = (8, 32, 256)
GWEI = 10**9
COLUMNS = ("attack", "seats", "coins lost", "ether lost", "others lose", "holds up", "defender lays out", "gets back")


def main(words: Sequence[str]) -> int:
    """Print the table for some sizes of federation; return the exit code.

    Raises:
        ConfigError: a setting or a size is wrong.
    """
    args = _parser().parse_args(words)
    from rayfed.testing.economics import Prices, attacks, clock_suffices, flood_blocks, least_bond

    prices = Prices(round(args.gas_price * GWEI), args.block_gas, args.block_seconds)
    terms = _terms(args.settings)
    for members in args.members:
        print(f"\n{members} members\n")
        print("| " + " | ".join(COLUMNS) + " |\n| --- |" + " ---: |" * (len(COLUMNS) - 1))
        for one in attacks(terms, members, prices):
            cells = (
                one.name,
                str(one.members),
                *(_amount(units) for units in (one.coin, one.native, one.others)),
                _time(one.seconds),
                _amount(one.defence),
                f"{one.refunded:.0%}" if one.defence else "",
            )
            print("| " + " | ".join(cells) + " |")
        least = least_bond(members, prices)
        if terms.bond < least:
            print(f"\nstake.bond pays for less than a match: {_amount(least)} would", end="")
        if not clock_suffices(terms, members, prices):
            print("\nstake.clock_seconds or stake.proof_seconds: a match's moves do not fit twice", end="")
        print(f"\nAll entries that strangers can make in one round fill {flood_blocks(members, prices)} blocks.")
    sys.stdout.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("rayfed economics", description=__doc__.partition(": ")[2] if __doc__ else "")
    parser.add_argument("settings", nargs="*", metavar="SETTING=VALUE", help="as for a run, such as +profile=real")
    parser.add_argument("--members", type=_sizes, default=SIZES, help="sizes of a roster, by commas (8,32,256)")
    parser.add_argument("--gas-price", type=float, default=20.0, help="the dearest reckoned with, in gwei (20)")
    parser.add_argument("--block-gas", type=int, default=45_000_000, help="what a block has room for (45000000)")
    parser.add_argument("--block-seconds", type=int, default=12, help="from one block to the next (12)")
    return parser


def _sizes(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers, such as 8,32,256")
    return tuple(int(word) for word in text.split(","))


def _terms(overrides: Sequence[str]) -> Terms:
    """Return the terms that a run with these settings would be founded on, as far as attacks are concerned."""
    from rayfed.config import load
    from rayfed.protocol.messages import Terms
    from rayfed.runtime.drafting import stake_terms

    settings = load(overrides)
    chosen, stake = settings.federation, stake_terms(settings)
    return Terms(
        charter=b"\1" * 32,
        genesis=b"\1" * 32,
        rounds=chosen.rounds,
        join_seconds=chosen.join_seconds,
        commit_seconds=chosen.commit,
        vote_seconds=chosen.vote_seconds,
        attest_seconds=chosen.attest_seconds,
        start_members=chosen.start,
        min_members=chosen.fewest,
        max_missed=chosen.max_missed,
        max_unsettled=chosen.max_unsettled,
        max_void=chosen.max_void,
        limit_seconds=chosen.limit_seconds,
        stake=stake.stake,
        reward=stake.reward,
        bond=stake.bond,
        window_seconds=stake.window_seconds,
        clock_seconds=stake.clock_seconds,
        proof_seconds=stake.proof_seconds,
        right_share=stake.right_share,
    )


def _amount(units: int) -> str:
    """Return an amount in whole coins."""
    return f"{units / 10**18:.4g}" if units else ""


def _time(seconds: int) -> str:
    if not seconds:
        return ""
    for length, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {word}"
    return f"{seconds} s"
