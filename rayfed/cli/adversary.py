"""``python -m rayfed chaos adversary``: searches for a way to break a promise, and tells how where there is one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rayfed.errors import ConfigError
from rayfed.testing.adversary.scope import Scope
from rayfed.testing.adversary.search import Searched, exhaustive, guided
from rayfed.testing.adversary.second import SecondEdition

HELD = 0
BROKEN = 1

SMALL = (Scope(2, 1, rounds=1), Scope(1, 2, rounds=1), Scope(2, 1, rounds=2))
"""Scopes that are searched exhaustively: every order of what the dishonest may do within their bounds."""

LARGE = tuple(
    Scope(honest, dishonest, rounds=3, disputes=2, turns_back=1, max_missed=2, rich=True)
    for honest, dishonest in ((4, 1), (3, 2), (1, 4), (5, 2), (4, 3), (1, 6), (7, 2), (5, 4), (1, 8))
)
"""Scopes that are searched by guesses: 5, 7 and 9 members, less than a third dishonest, less than two thirds, all but
one."""


def main(words: Sequence[str]) -> int:
    """Run what the command line asks for.

    Returns:
        0 where every promise was kept, 1 where one was broken.

    Raises:
        ConfigError: there is no such federation, or the report cannot be written.
    """
    args = _parser().parse_args(words)
    console, told = Console(), list[tuple[Scope, Searched]]()
    for scope in _scopes(args):
        if args.guided:
            found = guided(SecondEdition.begin(scope), args.tries, args.seed)
        else:
            found = exhaustive(SecondEdition.begin(scope), args.states)
        told.append((scope, found))
        console.print(_line(scope, found), highlight=False)
        for breach in found.findings.values():
            console.print(f"  {breach.promise}:", highlight=False)
            for move in breach.moves:
                console.print(f"    {move}", highlight=False, soft_wrap=True)
        if args.json is not None:
            _write(args.json, told)
    console.print(_table(told))
    return BROKEN if any(found.findings for _, found in told) else HELD


def _scopes(args: argparse.Namespace) -> list[Scope]:
    scopes = list(LARGE if args.guided else SMALL)
    if (args.honest is None) != (args.dishonest is None):
        raise ConfigError("--honest", "goes with --dishonest")
    if args.honest is not None:
        if args.honest < 1 or args.dishonest < 1 or args.honest + args.dishonest < 2:
            raise ConfigError("--honest", "there is at least one honest member, and one dishonest")
        scopes = [replace(scopes[0], honest=args.honest, dishonest=args.dishonest)]
    if args.rounds is not None:
        if args.rounds < 1:
            raise ConfigError("--rounds", f"must be at least 1, is {args.rounds}")
        scopes = [replace(scope, rounds=args.rounds) for scope in scopes]
    return [replace(scope, rule=args.rule) for scope in scopes]


def _line(scope: Scope, found: Searched) -> str:
    how = "every state" if found.complete else f"{found.tried} moves tried"
    kept = "every promise is kept" if not found.findings else f"{len(found.findings)} promises are broken"
    return f"{scope.honest} honest, {scope.dishonest} dishonest, {scope.rounds} rounds: {how}; {kept}"


def _table(told: Sequence[tuple[Scope, Searched]]) -> Table:
    shown = Table(box=SIMPLE_HEAD)
    for name in ("honest", "dishonest", "rounds", "states", "tried", "complete", "broken", "damage", "seconds"):
        shown.add_column(name, justify="right", no_wrap=True)
    for scope, found in told:
        counts = scope.honest, scope.dishonest, scope.rounds, found.states, found.tried
        last = "yes" if found.complete else "no", len(found.findings), f"{found.worst:.1f}", f"{found.seconds:.0f}"
        shown.add_row(*map(str, (*counts, *last)))
    return shown


def _write(path: Path, told: Sequence[tuple[Scope, Searched]]) -> None:
    report = [{"scope": asdict(scope), **asdict(found)} for scope, found in told]
    try:
        path.write_text(json.dumps(report, indent=1) + "\n")
    except OSError as error:
        raise ConfigError("--json", f"cannot write {path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed chaos adversary",
        description="Let dishonest members try all that the ledger allows, and check the promises in each state.",
    )
    parser.add_argument("--guided", action="store_true", help="5 to 9 members by guesses, instead of 3 exhaustively")
    parser.add_argument("--honest", type=int, help="only one federation, with so many honest members")
    parser.add_argument("--dishonest", type=int, help="and so many dishonest ones")
    parser.add_argument("--rounds", type=int, help="rounds in which the dishonest act")
    parser.add_argument("--rule", type=int, default=3, choices=(0, 1, 2, 3), help="merge rule (default: 3, the median)")
    parser.add_argument("--states", type=int, default=1_000_000, help="states at most (default: %(default)s)")
    parser.add_argument("--tries", type=int, default=100_000, help="guesses for each federation (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the guesses (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found to this file")
    return parser
