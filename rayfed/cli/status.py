"""``python -m rayfed status``: how a federation stands, for anybody, and what one account has there."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.cli.keys import refuse_key
from rayfed.cli.owner_options import account, add_keys, check_address
from rayfed.cli.whereabouts import Whereabouts, whereabouts
from rayfed.errors import ConfigError, LedgerUnreachable, WrongChain

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.connection import EthereumFederation
    from rayfed.reporting.federation_state import FederationStanding

WATCH_SECONDS = 5.0


def main(words: Sequence[str]) -> int:
    """Show it once, or again and again until all is over; return the exit code.

    Raises:
        ConfigError: the command line is not right, or does not say where the federation is.
        LedgerError: the chain does not answer, or there is no federation.
    """
    for word in words:
        refuse_key(word)
    args = _parser().parse_args(words)
    for option in ("federation", "address"):
        check_address(f"--{option}", getattr(args, option))
    place = whereabouts(args.where, args.federation, args.rpc, args.chain_id)
    federation = _connected(place)
    try:
        Looker(args, place, federation).run()
    finally:
        federation.close()
    return 0


class Looker:
    """Shows one federation as the command line asks for it."""

    def __init__(self, args: argparse.Namespace, place: Whereabouts, federation: EthereumFederation) -> None:
        """Prepare; nothing is asked before ``run``."""
        from rayfed.reporting.state_reader import Reader

        self._args = args
        self._place = place
        self._federation = federation
        first = federation.founded()
        self._reader = Reader(federation, federation.rpc.chain_id, first, place.names())
        self._address = args.address or (account(args, federation).address if _has_key(args) else None)

    def run(self) -> None:
        """Show it; with ``--watch`` until nothing more is to come. A chain that is away is waited for then."""
        from rayfed.reporting.federation_state import is_over

        while True:
            try:
                told = self._reader.look(self._place.reasons())
                self._show(told)
            except LedgerUnreachable as error:
                if self._args.watch is None:
                    raise
                print(f"waiting for the chain: {error}", flush=True)
            else:
                if self._args.watch is None or is_over(told.view):
                    return
            time.sleep(self._args.watch)

    def _show(self, told: FederationStanding) -> None:
        args = self._args
        if args.html is not None:
            self._write(told)
        if args.json:
            print(json.dumps(self._plain(told), indent=None if args.watch else 2), flush=True)
        elif args.html is None:
            self._lines(told)

    def _lines(self, told: FederationStanding) -> None:
        from rich.console import Console

        from rayfed.cli.account_state import AccountState
        from rayfed.reporting.state_text import lines

        out = Console(highlight=False)
        if self._args.watch and out.is_terminal:
            out.clear()
        for line in lines(told):
            out.print(line, markup=False, soft_wrap=True)
        if self._address is not None:
            out.print()
            for line in AccountState(self._federation, self._address).lines():
                out.print(line, markup=False, soft_wrap=True)
        if self._args.watch and not out.is_terminal:
            out.print()

    def _plain(self, told: FederationStanding) -> dict[str, Any]:
        from rayfed.reporting.federation_state import plain_account

        plain = told.to_dict()
        if self._address is not None:
            has = self._federation.account(self._address)
            plain["account"] = {"address": self._address, "seat": told.view.index_of(self._address)}
            plain["account"] |= plain_account(has)
        return plain

    def _write(self, told: FederationStanding) -> None:
        from rayfed.reporting.state_page import page

        path: Path = self._args.html
        try:
            new = path.with_name(f".{path.name}.new")
            new.write_text(page(told, round(self._args.watch or 0)), encoding="utf-8")
            new.replace(path)  # who has it open never loads half of it
        except OSError as error:
            raise ConfigError("--html", f"cannot write {path}: {error.strerror}") from error


def _connected(place: Whereabouts) -> EthereumFederation:
    from rayfed.ledger.ethereum.connection import EthereumFederation

    try:
        return EthereumFederation.open(place.rpc, place.federation, chain_id=place.chain_id, spare=place.spare)
    except WrongChain as error:
        raise ConfigError("--chain-id", str(error).partition(": ")[2]) from error


def _has_key(args: argparse.Namespace) -> bool:
    return any(each is not None for each in (args.node, args.keystore, args.key_file))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0.5 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.5 and 86400 seconds")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed status",
        description="Tell how a federation stands: phase and time left, for whom it waits, its members (when each was "
        "heard of last, what was merged, who refused what), what can still be contested, stakes and pay. Nobody needs "
        "a key to look. With an account, what that has there as well: seat, stake, bonds, what it can claim.",
    )
    parser.add_argument(
        "where", nargs="?", metavar="WHERE", help="the contract's address, a run's folder, or an invitation"
    )
    parser.add_argument("--rpc", metavar="URL", help="a node of the federation's chain")
    parser.add_argument("--federation", metavar="ADDRESS", help="the contract's address, as in the other commands")
    parser.add_argument("--chain-id", type=int, help="refuse any other chain")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help="show it again and again, by default every 5 seconds, until all is over and settled",
    )
    parser.add_argument("--json", action="store_true", help="as JSON; with --watch one line each time")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page that needs nothing else")
    add_keys(parser, required=False).add_argument(
        "--address", metavar="ADDRESS", help="tell of this account as well: nobody needs a key to look"
    )
    return parser
