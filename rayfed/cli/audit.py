"""``python -m rayfed audit``: what an audit is asked for on the command line, and how it tells what it found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rayfed.audit import MEMORY, ChainRecord, Report, RoundReport, Severity, audit, opened
from rayfed.audit.record import FILE
from rayfed.encoding.primitives import bits
from rayfed.encoding.urls import public
from rayfed.errors import CodecError, ConfigError
from rayfed.reporting.words import duration, size
from rayfed.store.confidential.reading_keys import ReadingKeys

CLEAN = 0
DISCREPANCIES = 1

LARGEST_FILE = 1 << 30
"""Bytes of a record or a charter at most: both are text of a few hundred bytes a message."""

LINES = 40
"""Findings of a kind that are shown; the JSON report has them all."""

STORES = """where blobs lie; may be given several times. files:PATH is a store's folder, a node's, or a run's output
folder with all its nodes' disks; s3:BUCKET/PREFIX?endpoint_url=URL&region=NAME is a bucket (credentials come from
the environment, as always); ipfs:RPC_URL?peer=ADDRESS asks by a Kubo node of one's own; p2p:?relay=URL asks the
members, as far as they give something to a stranger; several:PLACE,PLACE asks in order; ray_peers:ADDRESS asks the
nodes that still run on a Ray cluster"""


def main(words: Sequence[str]) -> int:
    """Audit what the command line names.

    Returns:
        0 where all is as it must be, 1 where something is not.

    Raises:
        ConfigError: the command line names something that is not there.
        LedgerError: the chain does not answer, or there is no federation.
    """
    args = _parser().parse_args(words)
    charter = _text(args.charter, "--charter") if args.charter else ""
    if args.run is not None and args.run.is_file():
        charter = _invited(args, charter)
    elif args.run is not None:
        args.record = args.record or args.run / FILE
        args.store = args.store or [f"files:{args.run}"]
    if (args.record is None) == (args.federation is None or args.rpc is None):
        raise ConfigError("audit", "give a run's folder, an invitation, --record, or both --federation and --rpc")
    if args.memory < 1:
        raise ConfigError("--memory", f"{args.memory} MiB is not enough memory")
    console = Console()
    with ExitStack() as stack:
        record = _record(args, charter)
        keys = ReadingKeys.read(args.key_file, "--key-file") if args.key_file else None
        told = (record.federation, keys, record.cards)
        places = [place for uri in args.store for place in stack.enter_context(opened(uri, *told))]
        progress = stack.enter_context(_bar())
        report = audit(
            record,
            places,
            source=str(args.record or public(args.rpc, path_is_secret=True)),
            signatures=args.record is not None,
            strict=args.strict,
            memory=args.memory << 20,
            threads=args.threads,
            progress=progress,
        )
    show(report, console)
    if args.json:
        _write(args.json, report.to_json(), "--json")
    if args.write_record:
        _write(args.write_record, record.to_json(), "--write-record")
    return CLEAN if report.clean else DISCREPANCIES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed audit",
        description="Check a finished or running federation from ledger and store, without key or stake. "
        "Exit code: 0 no discrepancy, 1 discrepancies (each is named), 2 bad input.",
    )
    parser.add_argument(
        "run",
        nargs="?",
        type=Path,
        metavar="WHERE",
        help=f"a run's output folder: its {FILE} and its nodes' disks; or an invitation, which names chain and store",
    )
    parser.add_argument("--federation", metavar="ADDRESS", help="the contract's address")
    parser.add_argument("--rpc", metavar="URL", help="a node of its chain")
    parser.add_argument("--from-block", type=int, help="read events from here; by default from the founding block")
    parser.add_argument("--record", type=Path, metavar="FILE", help="audit this record instead of asking a chain")
    parser.add_argument("--store", action="append", default=[], metavar="PLACE", help=STORES)
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="a member's reading.keys, for what is encrypted to the members"
    )
    parser.add_argument("--charter", type=Path, metavar="FILE", help="charter.json; most records contain it")
    parser.add_argument("--strict", action="store_true", help="count whatever nobody can check as a discrepancy")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole report here")
    parser.add_argument(
        "--write-record", type=Path, metavar="FILE", help="write the record to this file, for audits without the chain"
    )
    parser.add_argument(
        "--memory", type=int, default=MEMORY >> 20, metavar="MIB", help="memory for blobs (%(default)s)"
    )
    parser.set_defaults(chain_id=None)  # whatever answers, unless an invitation says which
    parser.add_argument("--threads", type=int, help="blobs checked at the same time; by default one per core")
    return parser


def _invited(args: argparse.Namespace, charter: str) -> str:
    """Take from an invitation what the command line does not say; return the charter.

    Raises:
        ConfigError: it is none, or says of something where it is to its founder and nobody else.
    """
    from rayfed.config import load
    from rayfed.config.invited import composed, read
    from rayfed.store import options_of

    invitation = read(args.run)
    args.federation = args.federation or invitation.federation
    args.chain_id = invitation.chain_id
    args.rpc = args.rpc or next(iter(invitation.rpc), None)
    if args.rpc is None:
        raise ConfigError("--rpc", "the invitation names no node of its chain: say --rpc URL")
    if not args.store:
        try:
            options = options_of(load(composed([str(args.run)], learns=False)).store)
        except ConfigError as error:
            raise ConfigError("--store", f"say where blobs are: {error}") from error
        args.store = [] if options.within_cluster else [options.uri]
    return charter or invitation.charter.canonical_json()


def _record(args: argparse.Namespace, charter: str) -> ChainRecord:
    if args.record is None:
        from rayfed.audit import chain
        from rayfed.ledger.ethereum.connection import EthereumFederation

        connection = EthereumFederation.open(args.rpc, args.federation, chain_id=args.chain_id)
        try:
            return chain.read(connection, charter, args.from_block)
        finally:
            connection.close()
    try:
        record = ChainRecord.from_json(_text(args.record, "--record"))
    except CodecError as error:
        raise ConfigError("--record", str(error)) from error
    if args.federation is not None and args.federation.lower() != record.federation.lower():
        raise ConfigError("--record", f"it is about the federation {record.federation}, not of {args.federation}")
    return record.with_charter(charter) if charter else record


def _text(path: Path, setting: str) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(setting, f"{path} is larger than {LARGEST_FILE >> 20} MiB")
        # A newline that an editor added is no part of it.
        return path.read_bytes().decode("ascii").rstrip("\n")
    except OSError as error:
        raise ConfigError(setting, f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(setting, f"{path} is not UTF-8 text: {error.reason}") from error


def _write(path: Path, text: str, setting: str) -> None:
    try:
        path.write_text(text + "\n")
    except OSError as error:
        raise ConfigError(setting, f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show how far the audit is, on a terminal only."""
    columns = [TextColumn("auditing"), BarColumn(), MofNCompleteColumn(), TextColumn("blobs"), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("blobs", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# -- what it tells --------------------------------------------------------------------------------------------------


def show(report: Report, console: Console) -> None:
    """Print the rounds as a table, then every finding, then the verdict."""
    console.print(f"Federation {report.federation} on chain {report.chain_id}, by {report.source}", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("round", "status", "included", "attesters", "merge"):
        table.add_column(name)
    for name in ("copies", "MB", "seconds"):
        table.add_column(name, justify="right")
    for one in report.rounds:
        table.add_row(*_row(one))
    console.print(table)
    for severity, style in (
        (Severity.NOTE, "cyan"),
        (Severity.UNCHECKED, "yellow"),
        (Severity.DISCREPANCY, "bold red"),
    ):
        found = report.of(severity)
        for finding in found[:LINES]:
            console.print(f"{severity.value}: {finding.line()}", style=style, markup=False, soft_wrap=True)
        if len(found) > LINES:
            console.print(f"{severity.value}: {len(found) - LINES} more, all in the JSON report", style=style)
    speed = f"{size(report.bytes)} hashed in {duration(report.seconds)}"
    if report.clean and not report.bytes:
        words = "No discrepancy in what the contract said; no blob was hashed, as none had to be there yet."
        console.print(words, style="yellow")
    elif report.clean:
        unchecked = len(report.of(Severity.UNCHECKED))
        rest = f"; not checkable: {unchecked}" if unchecked else ""
        rounds = sum(1 for one in report.rounds if one.round)
        console.print(f"No discrepancy in {rounds} round{'s' * (rounds != 1)}{rest}; {speed}.", style="green")
    else:
        wrong = len(report.of(Severity.DISCREPANCY)) + (len(report.of(Severity.UNCHECKED)) if report.strict else 0)
        console.print(f"{wrong} discrepanc{'y' if wrong == 1 else 'ies'}; {speed}.", style="bold red")
    if report.signed:
        console.print(f"{report.signed} of {report.messages} messages checked against their members' signatures.")
    if report.frozen:
        console.print(f"The frozen part of the model, which is in no blob: {report.frozen}.")
    console.print(f"As of block {report.block} ({report.block_hash[:18]}...); record {report.record_digest[:16]}...")


def _row(one: RoundReport) -> list[str]:
    return [
        str(one.round) if one.round else "genesis",
        one.status.name.lower() if one.round else "",
        _members(one.included),
        _members(one.attesters),
        one.merge,
        str(one.blobs),
        f"{one.bytes / 1e6:.1f}",
        f"{one.seconds:.2f}",
    ]


def _members(bitmap: int) -> str:
    """Return the members of a bitmap as runs: ``0-3, 7``."""
    runs: list[list[int]] = []
    for index in bits(bitmap):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
