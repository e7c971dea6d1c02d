"""The X25519 keys that a member reads with, in a file of its own: one in hexadecimal a line, the newest last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from rayfed.encoding.sealed import new_key
from rayfed.errors import ConfigError

FILE = "reading.keys"
"""Beside a node's key, unless ``store.key_file`` says another one."""

MOST_KEYS = 64


class ReadingKeys:
    """Private keys, of which the newest one's public half is on the member's card.

    Older ones stay: what was encrypted to them may be asked for until its round is settled, and an audit asks for it
    later still. Whoever has this file can read what its member could.

    Args:
        privates: 32 bytes each, the newest first.
    """

    def __init__(self, privates: tuple[bytes, ...]) -> None:
        self.privates = privates

    @property
    def public(self) -> bytes:
        """What others encrypt to."""
        return X25519PrivateKey.from_private_bytes(self.privates[0]).public_key().public_bytes_raw()

    @classmethod
    def read(cls, file: Path, setting: str = "store.key_file") -> ReadingKeys:
        """Return the keys in a file.

        Raises:
            ConfigError: it cannot be read, or holds something else; names ``setting``.
        """
        try:
            lines = file.read_text(encoding="ascii").split()
            keys = tuple(bytes.fromhex(line) for line in reversed(lines))
        except OSError as error:
            raise ConfigError(setting, f"cannot read {file}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(setting, f"{file} does not hold a member's reading keys") from error
        if not 1 <= len(keys) <= MOST_KEYS or any(len(key) != 32 for key in keys):
            raise ConfigError(setting, f"{file} does not hold a member's reading keys")
        return cls(keys)

    @classmethod
    def made(cls, file: Path, setting: str = "store.key_file") -> ReadingKeys:
        """Return the keys in a file; where there is none, it is made, with a fresh one, for its owner's eyes alone.

        Raises:
            ConfigError: it cannot be made or read; names ``setting``.
        """
        if not file.exists():
            try:
                aside = _written(file, [new_key()[0]])
                with suppress(FileExistsError):
                    os.link(aside, file)  # two nodes that share the file make one key
                aside.unlink()
            except OSError as error:
                raise ConfigError(setting, f"cannot make {file}: {error.strerror}") from error
        return cls.read(file, setting)

    @classmethod
    def renewed(cls, file: Path, setting: str = "store.key_file") -> ReadingKeys:
        """Put a fresh key behind those in a file, and return them all; a node takes it up when it starts again.

        Raises:
            ConfigError: there is no such file, it holds something else or no further key; names ``setting``.
        """
        before = cls.read(file, setting)
        if len(before.privates) >= MOST_KEYS:
            raise ConfigError(setting, f"{file} holds {MOST_KEYS} keys already: take out the first lines, the oldest")
        try:
            os.replace(_written(file, [*reversed(before.privates), new_key()[0]]), file)
        except OSError as error:
            raise ConfigError(setting, f"cannot write {file}: {error.strerror}") from error
        return cls.read(file, setting)


def _written(file: Path, keys: Sequence[bytes]) -> Path:
    """Write keys into a new file beside another one, for its owner's eyes alone; return where."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as text:
        text.writelines(f"{key.hex()}\n" for key in keys)
        text.flush()
        os.fsync(text.fileno())
    return aside
