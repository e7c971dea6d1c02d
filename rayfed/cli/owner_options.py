"""The words of an owner's commands (``TEXTS``): where, by which account, how much."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError, WrongChain
from rayfed.protocol.messages import COIN

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.ethereum.connection import EthereumFederation

TEXTS = {
    "claim": "Pay out what an account is owed: rewards of settled rounds and its share of lost stakes, in the coin; "
    "bonds that came back and what its moves in court cost, in ether. Settles rounds whose time is over.",
    "withdraw": "Have stake and bonds paid out. Does what has to come before, as far as it can be done now, and says "
    "what it waits for: leaves a federation that is over, settles rounds, frees the seat.",
    "leave": "Leave a federation that is still running. Stop the node first, or it joins again.",
    "release": "Free a seat that nothing rests on any more: the account's own, or anybody's.",
    "deposit": "Deposit stake for a member: from another account, or after a lost match.",
    "bonds": "Deposit bonds for a member, in ether: from another account, or after a lost match.",
    "fund": "Add to the pool from which rewards are paid.",
    "refund": "Have paid out, when all is over and settled, what is left of what an account has put into the pool.",
    "announce": "Say how a member can be reached: a card of at most 256 bytes, which the federation keeps as an event.",
}


def connected(args: argparse.Namespace) -> EthereumFederation:
    """Connect to the federation that the words name.

    Raises:
        ConfigError: it is on another chain than they say.
        LedgerError: it is not there.
    """
    from rayfed.ledger.ethereum.connection import EthereumFederation

    try:
        return EthereumFederation.open(args.rpc, args.federation, chain_id=args.chain_id)
    except WrongChain as error:
        raise ConfigError("--chain-id", str(error).partition(": ")[2]) from error


def account(args: argparse.Namespace, federation: EthereumFederation) -> LocalAccount:
    """Return the account that one of ``--node``, ``--keystore``, ``--key-file`` stands for; without them that of the
    node that has joined from here."""
    from rayfed.ledger.ethereum import identity, keys
    from rayfed.runtime import homes

    if args.node is not None:
        return keys.load_key(args.node / "key", "--node")
    if args.key_file is not None:
        return keys.load_key(args.key_file, "--key-file", args.password_file)
    if args.keystore is None:
        path = homes.base() / f"{federation.rpc.chain_id}-{federation.address.lower()}" / "key"
        if not path.is_file():
            raise ConfigError("--node", f"say whose account: --node, --keystore or --key-file; no key is in {path}")
        return keys.load_key(path, "--node")
    if args.password_file is None:
        raise ConfigError("--password-file", f"{args.keystore} is encrypted: say which file holds its password")
    master = keys.load_key(args.keystore, "--keystore", args.password_file)
    return identity.derive(master, federation.rpc.chain_id, federation.address, args.index)


def check_address(option: str, address: str | None) -> None:
    """Raise ``ConfigError`` where an option's word is not an address."""
    from eth_utils.address import is_address

    if address is not None and not is_address(address):
        raise ConfigError(option, f"{address!r} is not an Ethereum address (or its checksum is wrong)")


def _amount(text: str) -> int:
    try:
        amount = Decimal(text) * COIN
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of coins") from None
    if amount <= 0 or amount != int(amount) or amount >= 1 << 112:
        raise argparse.ArgumentTypeError(
            f"{text} is not an amount: it must be more than 0, and at most 18 digits after the point"
        )
    return int(amount)


def add_keys(parser: argparse.ArgumentParser, *, required: bool = True) -> argparse._MutuallyExclusiveGroup:
    """Add the words that say which account is meant, for ``account``; return the group of which one is."""
    key = parser.add_mutually_exclusive_group(required=required)
    default = "" if required else "; by default the key of the node that joined from here"
    key.add_argument("--node", type=Path, metavar="FOLDER", help=f"a folder with a node's key in it{default}")
    key.add_argument("--keystore", type=Path, metavar="FILE", help="a master key: the account of its node here")
    key.add_argument("--key-file", type=Path, metavar="FILE", help="a key file, plain or encrypted: its own account")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password (mode 0600)")
    parser.add_argument(
        "--index", type=int, default=0, help="which node of --keystore; 0: the one that joins; N: node N-1 of a run"
    )
    return key


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return what reads the words behind one of ``TEXTS``."""
    parser = argparse.ArgumentParser(f"rayfed {command}", description=TEXTS[command])
    parser.add_argument("--rpc", metavar="URL", required=True, help="a node of the federation's chain")
    parser.add_argument("--federation", metavar="ADDRESS", required=True, help="the contract's address")
    parser.add_argument("--chain-id", type=int, help="refuse any other chain")
    add_keys(parser, required=False)
    if command in ("claim", "withdraw", "refund"):
        parser.add_argument("--to", metavar="ADDRESS", help="who is paid; by default the account itself")
    if command in ("deposit", "bonds"):
        parser.add_argument("--member", metavar="ADDRESS", help="for whom; by default the account itself")
        parser.add_argument("--amount", type=_amount, metavar="COINS", help="by default what is missing")
    if command == "fund":
        parser.add_argument("--amount", type=_amount, metavar="COINS", required=True, help="how much")
    if command == "release":
        parser.add_argument("--seat", type=int, metavar="N", help="which seat; by default the account's own")
    if command == "announce":
        parser.add_argument("--card", required=True, metavar="TEXT", help="what others read, at most 256 bytes")
    return parser
