"""``python -m rayfed hashes``: what this release's contracts and files are, to be compared with what others have."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from rayfed.errors import ConfigError

HEADS = ("contract", "Keccak-256 of its creation code", "address by the deterministic proxy")


def main(words: Sequence[str]) -> int:
    """Print the hashes.

    Raises:
        ConfigError: a file cannot be read.
    """
    args = _parser().parse_args(words)
    for row in rows():
        print("  ".join(row))
    for path in args.files:
        print(f"sha256:{digest(path)}  {path.name}")
    return 0


def rows() -> list[tuple[str, str, str]]:
    """Return name, hash and address of each part of the contracts, in the order in which they are put on a chain.

    The address is where the deterministic deployment proxy puts the part on any chain that has it; it follows from the
    creation code, which the hash is of, and from the addresses of the parts before it, which that code holds.
    """
    from eth_utils.crypto import keccak

    from rayfed.ledger.ethereum import parts

    return [(part.name, f"0x{keccak(part.init).hex()}", part.address) for part in parts.parts(parts.PROXY)]


def digest(path: Path) -> str:
    """Return a file's SHA-256.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError("hashes", f"cannot read {path}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed hashes",
        description="Print the hashes of this release's contracts, with the addresses at which their code lies on "
        "chains that have the deterministic deployment proxy, and of files: a wheel, say.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="print its SHA-256 as well")
    return parser
