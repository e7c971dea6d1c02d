"""A node's signing key in a file of its own: readable by its owner alone, made once, never shown."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.errors import ConfigError

SETTING = "ledger.key_file"


def load_key(path: Path, setting: str = SETTING) -> LocalAccount:
    """Return the account whose private key the file holds (64 hexadecimal digits, ``0x`` optional).

    ``setting`` is what an error names as the thing to change.

    Raises:
        ConfigError: the file is missing, holds no key, or can be read by others than its owner.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(256)
    except OSError as error:
        raise ConfigError(setting, f"cannot read {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(setting, f"{path} holds a private key but others may read it; run: chmod 600 {path}")
    try:
        digits = text.decode("ascii").strip().removeprefix("0x")
        if len(digits) != 64:
            raise ValueError("not 64 digits")
        account: LocalAccount = Account.from_key(bytes.fromhex(digits))
    except Exception:
        # Whatever the libraries said may quote the file's content, which may be most of a key: say nothing of it.
        raise ConfigError(setting, f"{path} does not hold a private key (64 hexadecimal digits)") from None
    return account


def make_key(path: Path, setting: str = SETTING) -> LocalAccount:
    """Write a fresh key to ``path`` with mode 0600 and return its account.

    The file appears whole or not at all: it is written under another name, synced, and linked into place. If another
    process was first, its key stays and is the one returned.

    Raises:
        ConfigError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"0x{secrets.token_hex(32)}\n")
                file.flush()
                os.fsync(file.fileno())
            load_key(temporary, setting)  # one in 2**128 draws is no key of the curve: better found here than later
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(setting, f"cannot write {path}: {error.strerror}") from error
    return load_key(path, setting)


def load_or_make_key(path: Path, setting: str = SETTING) -> LocalAccount:
    """Return the account in ``path``; make it first if there is no such file."""
    return load_key(path, setting) if path.exists() else make_key(path, setting)


def _sync(folder: Path) -> None:
    """Make a new name in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
