"""A signing key in a file of its own: readable by its owner alone, made once, never shown.

A file holds the key as it is (64 hexadecimal digits: what a node makes for itself) or encrypted with a password (Web3
Secret Storage, version 3: what wallets write). Who only reads the chain does without eth_account, a third of what the
ledger's imports take.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.errors import ConfigError, LedgerError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.backend import Signer

SETTING = "ledger.key_file"
PASSWORD = "ledger.password_file"


def load_key(path: Path, setting: str = SETTING, password_file: Path | None = None) -> LocalAccount:
    """Return the account whose private key the file holds (64 hexadecimal digits, ``0x`` optional; or a keystore).

    ``setting`` is what an error names as the thing to change.

    Raises:
        ConfigError: the file is missing, holds no key, or can be read by others than its owner; a keystore's password
            is missing or wrong.
    """
    from eth_account import Account

    text = read_secret(path, setting, "a private key")
    if text.lstrip().startswith(b"{"):
        if password_file is None:
            raise ConfigError(PASSWORD, f"{path} is encrypted: say which file holds its password")
        return open_keystore(path, text, load_password(password_file), setting)
    try:
        digits = text.decode("ascii").strip().removeprefix("0x")
        if len(digits) != 64:
            raise ValueError("not 64 digits")
        account: LocalAccount = Account.from_key(bytes.fromhex(digits))
    except Exception:
        # Whatever the libraries said may quote the file's content, which may be most of a key: say nothing of it.
        raise ConfigError(setting, f"{path} does not hold a private key (64 hexadecimal digits)") from None
    return account


def encrypted(path: Path, setting: str = SETTING) -> bool:
    """Whether the file holds a keystore and not a bare key.

    Raises:
        ConfigError: the file is missing, or can be read by others than its owner.
    """
    return read_secret(path, setting, "a private key").lstrip().startswith(b"{")


def load_password(path: Path, setting: str = PASSWORD) -> str:
    """Return the first line of a file, without its end.

    Raises:
        ConfigError: the file is missing, empty, or can be read by others than its owner.
    """
    lines = read_secret(path, setting, "a password").splitlines()
    try:
        password = lines[0].decode() if lines else ""
    except UnicodeDecodeError:
        raise ConfigError(setting, f"{path} holds no password: its first line is not UTF-8") from None
    if not password:
        raise ConfigError(setting, f"{path} holds no password: its first line is empty")
    return password


def open_keystore(path: Path, text: bytes, password: str, setting: str = SETTING) -> LocalAccount:
    """Return the account in a keystore (Web3 Secret Storage, version 3) that was read from ``path``.

    Raises:
        ConfigError: it is none, or the password is another one.
    """
    from eth_account import Account

    try:
        content = json.loads(text)
        secret = bytes(Account.decrypt(content, password))
        account: LocalAccount = Account.from_key(secret)
    except ValueError as error:
        if "MAC mismatch" in str(error):
            raise ConfigError(PASSWORD, f"the password does not open {path}") from None
        raise ConfigError(setting, f"{path} is not a keystore of Web3 Secret Storage, version 3") from None
    except Exception:
        # Not only ValueError: a library that meets a strange file may raise anything, and may quote what it met.
        raise ConfigError(setting, f"{path} is not a keystore of Web3 Secret Storage, version 3") from None
    claimed = str(content.get("address", account.address)).lower().removeprefix("0x")
    if claimed != account.address.lower().removeprefix("0x"):
        raise ConfigError(setting, f"{path} claims the address 0x{claimed} and holds the key of {account.address}")
    return account


def write_keystore(path: Path, account: LocalAccount, password: str, setting: str = SETTING) -> None:
    """Write the account's key to ``path``, encrypted (scrypt), with mode 0600; the file appears whole or not at all.

    Raises:
        ConfigError: the file is there already, or its folder cannot be written.
    """
    from eth_account import Account

    content: dict[str, Any] = Account.encrypt(account.key, password)
    if not _write(path, json.dumps(content) + "\n", setting):
        raise ConfigError(setting, f"{path} is there already, and a key is never written over")


def write_key(path: Path, account: LocalAccount, setting: str = SETTING) -> None:
    """Write the account's key to ``path`` as it is, with mode 0600; otherwise as ``write_keystore``."""
    if not _write(path, f"0x{bytes(account.key).hex()}\n", setting):
        raise ConfigError(setting, f"{path} is there already, and a key is never written over")


def read_secret(path: Path, setting: str, what: str) -> bytes:
    """Return the content of a small file that nobody but its owner may read.

    Raises:
        ConfigError: the file is missing, or can be read by others.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(1 << 16)
    except OSError as error:
        raise ConfigError(setting, f"cannot read {path}: {error.strerror}") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and _is_secret(text):
            raise ConfigError(setting, f"{path} holds {what} but others may read it; run: chmod 600 {path}")
        # Whoever mistyped a name must not be told to lock everybody out of a file that others need.
        raise ConfigError(
            setting, f"{path} is not a file with {what} of yours alone: give one that nobody else may read (mode 600)"
        )
    return text


def _is_secret(text: bytes) -> bool:
    """Whether a file's content may be nothing but a key, a keystore, or a password: one line, or a keystore's JSON."""
    if text.lstrip().startswith(b"{"):
        return b'"crypto"' in text.lower() and b'"version"' in text
    return 0 < len(text.strip()) <= 1024 and len(text.strip().splitlines()) == 1


def make_key(path: Path, setting: str = SETTING) -> LocalAccount:
    """Write a fresh key to ``path`` with mode 0600 and return its account.

    The file appears whole or not at all: it is written under another name, synced, and linked into place. If another
    process was first, its key stays and is the one returned.

    Raises:
        ConfigError: the folder cannot be written.
    """
    _write(path, f"0x{secrets.token_hex(32)}\n", setting, check=True)
    return load_key(path, setting)


def load_or_make_key(path: Path, setting: str = SETTING) -> LocalAccount:
    """Return the account in ``path``; make it first if there is no such file."""
    return load_key(path, setting) if path.exists() else make_key(path, setting)


def _write(path: Path, text: str, setting: str, check: bool = False) -> bool:
    """Let a private file appear, whole; return False if one of this name is there already, and stays.

    Args:
        check: load what was written as a key before it gets its name.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if check:
                load_key(temporary, setting)  # one in 2**128 draws is no key of the curve: better found than later
            new = False
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
                new = True
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(setting, f"cannot write {path}: {error.strerror}") from error
    return new


def _sync(folder: Path) -> None:
    """Make a new name in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def account_of(signer: Signer) -> LocalAccount:
    """Return an account that can sign on Ethereum.

    Raises:
        LedgerError: it is another ledger's.
    """
    from eth_account.signers.local import LocalAccount

    if not isinstance(signer, LocalAccount):
        raise LedgerError(f"{signer.address} is no account on Ethereum")
    return signer
