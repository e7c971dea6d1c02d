"""``python -m rayfed keys``: encrypted keystores, and the addresses that follow from them.

No command takes a key or a password as an argument, from the environment or over a pipe: an argument stays in the
shell's history, and every user of the machine can see it while the command runs. Passwords are asked for, or come
from a file that only its owner can read.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

SHORT = 12
"""A password of fewer letters gets a warning."""

_KEY = re.compile(r"(?:.*=)?[\"']?(?:0[xX])?[0-9a-fA-F]{64}[\"']?")
_FILES = ("ledger.key_file", "ledger.keystore", "ledger.password_file")


def main(words: Sequence[str]) -> int:
    """Run one of ``new``, ``list``, ``address``, ``export``, ``import``, ``renew``; return the exit code.

    Raises:
        ConfigError: in one line, and never with a part of a key or a password.
    """
    for word in words:
        refuse_key(word)
    args = _parser().parse_args(words)
    code: int = args.command(args)
    return code


def refuse_key(word: str) -> None:
    """Refuse a word of a command line that looks like a private key, without repeating it.

    Raises:
        ConfigError: it does.
    """
    if _KEY.fullmatch(word):
        raise ConfigError(
            "command line",
            "a word there looks like a private key; it is now in your shell's history, so consider it stolen, and "
            "give the name of a key file instead",
        )


def refuse_key_settings(words: Sequence[str]) -> None:
    """As ``refuse_key`` for the settings that name a file with a key, before anything writes the settings down."""
    for word in words:
        if word.lstrip("+").startswith(tuple(f"{name}=" for name in _FILES)):
            refuse_key(word)


def _new(args: argparse.Namespace) -> int:
    _absent(args.keystore)
    account = _fresh()
    _keep(args.keystore, account, args.password_file)
    print(f"{account.address} in {args.keystore}")
    _warn(
        "this file and its password are all that makes this party's nodes: keep a copy of each, in two places. "
        "Nobody can make them again"
    )
    return 0


def _list(args: argparse.Namespace) -> int:
    """Show the keystores of a folder by what they say of themselves; nothing is decrypted."""
    try:
        paths = sorted(path for path in args.folder.iterdir() if path.is_file())
    except OSError as error:
        raise ConfigError("folder", f"cannot read {args.folder}: {error.strerror}") from error
    for path in paths:
        told = _told(path)
        if told is not None:
            print(f"{told}  {path}{_exposed(path.stat())}")
    return 0


def _exposed(status: os.stat_result) -> str:
    """Return a warning if others may read a keystore, with what to do if that is for this user to do."""
    if not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ""
    return "  READABLE BY OTHERS" + (": chmod 600" if status.st_uid == os.geteuid() else "")


def _told(path: Path) -> str | None:
    """Return the address that a keystore names, or None for any other file."""
    from eth_utils.address import is_hex_address, to_checksum_address

    try:
        content = json.loads(path.read_bytes()[: 1 << 16])
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("version") != 3 or "crypto" not in content:
        return None
    address = str(content.get("address", ""))
    return str(to_checksum_address(address)) if is_hex_address(address) else "(no address stated)".ljust(42)


def _address(args: argparse.Namespace) -> int:
    print(_chosen(args).address)
    return 0


def _export(args: argparse.Namespace) -> int:
    from rayfed.ledger.ethereum import keys

    if not args.i_know:
        raise ConfigError(
            "--i-know",
            "an exported key is not encrypted: whoever sees it controls its account for ever. "
            "Add --i-know if that is what you want",
        )
    account = _chosen(args)
    if args.to is None:
        _warn("the next line is a private key. Clear the terminal's history when you are done")
        print(f"0x{bytes(account.key).hex()}")
    else:
        keys.write_key(args.to, account, "--to")
        print(f"{account.address} in {args.to}, not encrypted")
    return 0


def _import(args: argparse.Namespace) -> int:
    from rayfed.ledger.ethereum import keys

    _absent(args.keystore)
    if args.source is None:
        account = _typed()
    elif keys.encrypted(args.source, "source"):
        text = keys.read_secret(args.source, "source", "a private key")
        account = keys.open_keystore(args.source, text, _ask(f"Password of {args.source}: "), "source")
    else:
        account = keys.load_key(args.source, "source")
    _keep(args.keystore, account, args.password_file)
    print(f"{account.address} in {args.keystore}")
    if args.source is not None:
        _warn(f"{args.source} is still there; once you have opened the keystore, destroy it: shred -u {args.source}")
    return 0


def _chosen(args: argparse.Namespace) -> LocalAccount:
    """Return the account of the keystore itself, or the one that its node has in a federation."""
    from rayfed.ledger.ethereum import identity, keys

    if (args.federation is None) != (args.chain_id is None):
        raise ConfigError("--federation", "must be given together with --chain-id: the address depends on both")
    if args.federation is not None and not re.fullmatch("0x[0-9a-fA-F]{40}", args.federation):
        raise ConfigError("--federation", f"{args.federation!r} is not an address: 0x and 40 hexadecimal digits")
    if args.chain_id is not None and not 0 < args.chain_id < 2**63:
        raise ConfigError("--chain-id", f"{args.chain_id} is not a chain id: 1 to 2**63 - 1")
    if not 0 <= args.index < 2**32:
        raise ConfigError("--index", f"{args.index} is out of range: 0 to 2**32 - 1")
    text = keys.read_secret(args.keystore, "keystore", "a private key")
    password = _password(args.password_file, f"Password of {args.keystore}: ")
    account = keys.open_keystore(args.keystore, text, password, "keystore")
    if args.federation is None:
        return account
    return identity.derive(account, args.chain_id, args.federation, args.index)


def _renew(args: argparse.Namespace) -> int:
    from rayfed.store.confidential.reading_keys import ReadingKeys

    keys = ReadingKeys.renewed(args.file, "keys renew")
    print(f"{len(keys.privates)} reading keys in {args.file}; the node announces the new one when it starts again")
    return 0


def _fresh() -> LocalAccount:
    from eth_account import Account

    from rayfed.ledger.ethereum.identity import ORDER

    account: LocalAccount = Account.from_key((1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big"))
    return account


def _typed() -> LocalAccount:
    from eth_account import Account

    digits = _ask("Private key (64 hexadecimal digits, not shown): ").strip().removeprefix("0x")
    try:
        account: LocalAccount = Account.from_key(bytes.fromhex(digits))
    except Exception:  # whatever it says may quote what was typed
        raise ConfigError("private key", "that was not a private key (64 hexadecimal digits)") from None
    return account


def _keep(path: Path, account: LocalAccount, password_file: Path | None) -> None:
    from rayfed.ledger.ethereum import keys

    if password_file is not None:
        password = keys.load_password(password_file, "--password-file")
    else:
        password = _ask("New password: ")
        if not password:
            raise ConfigError("password", "is empty, so anybody could open the file")
        if _ask("Again: ") != password:
            raise ConfigError("password", "the two passwords differ")
    if len(password) < SHORT:
        _warn(f"a password of fewer than {SHORT} letters can be guessed by whoever has the file")
    keys.write_keystore(path, account, password, "keystore")


def _password(file: Path | None, prompt: str) -> str:
    from rayfed.ledger.ethereum import keys

    return _ask(prompt) if file is None else keys.load_password(file, "--password-file")


def _ask(prompt: str) -> str:
    """Ask on the terminal, without showing what is typed.

    Raises:
        ConfigError: there is no terminal; getpass would read standard input in its place, with an echo.
    """
    if not sys.stdin.isatty():
        raise ConfigError("--password-file", "there is no terminal to ask on: say which file holds the password")
    return getpass.getpass(prompt)


def _absent(path: Path) -> None:
    """Complain before a password is asked for, not after."""
    if path.exists():
        raise ConfigError("keystore", f"{path} is there already, and a key is never written over")


def _warn(text: str) -> None:
    print(f"rayfed: warning: {text}.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed keys",
        description="Encrypted keystores (Web3 Secret Storage, version 3), and the node keys derived from them.",
    )
    commands = parser.add_subparsers(required=True, metavar="new|list|address|export|import|renew")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=run)
        return made

    def keystore(made: argparse.ArgumentParser, text: str) -> None:
        made.add_argument("keystore", type=Path, help=text)
        made.add_argument("--password-file", type=Path, help="file whose first line is the password (mode 0600)")

    def which(made: argparse.ArgumentParser) -> None:
        made.add_argument("--federation", help="of the node in this federation, and not of the master key")
        made.add_argument("--chain-id", type=int, help="of the federation's chain")
        made.add_argument("--index", type=int, default=0, help="0: the node that joins; N: node N-1 of a run")

    keystore(command("new", _new, "Make a fresh master key and write it, encrypted, to a new file."), "to write")
    command("list", _list, "List a folder's keystores with the addresses that they state.").add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="default: this folder"
    )
    made = command("address", _address, "Show an address: the master key's own, or that of its node in a federation.")
    keystore(made, "with the master key")
    which(made)
    made = command("export", _export, "Show a private key, or write it to a file, not encrypted.")
    keystore(made, "with the master key")
    which(made)
    made.add_argument("--to", type=Path, help="write to this new file (mode 0600) and do not print")
    made.add_argument("--i-know", action="store_true", help="you know that whoever sees the key controls the account")
    made = command("import", _import, "Encrypt an existing key: from a file, or typed without being shown.")
    keystore(made, "to write")
    made.add_argument("--from", dest="source", type=Path, help="a plain key file or a keystore; asked for if not given")
    command("renew", _renew, "Put a new reading key behind those in a file; old ones go on reading.").add_argument(
        "file", type=Path, help="reading.keys of a member"
    )
    return parser
