"""Everything rayfed raises on purpose.

    RayfedError
    ├── ConfigError            a setting is wrong; the message names it
    │   └── DataError          the images that a setting points at cannot be used
    ├── CodecError             weights cannot become a blob, or a blob cannot become weights
    ├── LedgerError
    │   ├── LedgerUnreachable  nothing answers at the RPC URL
    │   ├── WrongChain         another chain id than the one asked for
    │   ├── NotAFederation     no code there, or code that is not ours
    │   ├── CharterMismatch    the federation was founded on another charter
    │   └── Rejected           the contract refused a transaction; ``name`` is its error
    └── StoreError
        ├── BlobMissing        nobody has it (yet)
        └── BlobCorrupt        bytes that do not hash to their root

A bad peer is a verdict, not an exception: nothing here is raised because another node misbehaved, except the two
store errors, which the node that asked turns into a ballot without that update.
"""

from __future__ import annotations


class RayfedError(Exception):
    """Base of all errors that rayfed raises on purpose; its text is one line that a user can act on."""


class ConfigError(RayfedError):
    """A setting is wrong.

    ``setting`` is the dotted Hydra key to change, for instance ``federation.nodes``.
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(setting, message)
        self.setting = setting
        self.message = message

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}"


class DataError(ConfigError):
    """The images that a setting points at are missing, empty or broken."""


class CodecError(RayfedError):
    """Weights cannot become a blob (NaN, infinity, other layout), or bytes are no blob of this layout."""


class LedgerError(RayfedError):
    """Base of what goes wrong between a node and its chain."""


class LedgerUnreachable(LedgerError):
    """Nothing answers at the RPC URL, or it stopped answering."""


class WrongChain(LedgerError):
    """The chain has another id than the one in ``ledger.chain_id``."""


class NotAFederation(LedgerError):
    """There is no code at the address, or code that is not a rayfed federation."""


class CharterMismatch(LedgerError):
    """The federation at this address was founded on another charter."""


class Rejected(LedgerError):
    """The contract refused a transaction; ``name`` is the name of its custom error."""

    def __init__(self, name: str, detail: str = "") -> None:
        super().__init__(name, detail)
        self.name = name
        self.detail = detail

    def __str__(self) -> str:
        return f"the contract refused: {self.name}{f' ({self.detail})' if self.detail else ''}"


class StoreError(RayfedError):
    """Base of what goes wrong between a node and the store."""


class BlobMissing(StoreError):
    """Nobody who was asked has the blob (yet)."""


class BlobComing(BlobMissing):
    """It is on its way from somebody, and not waited for here."""


class BlobCorrupt(StoreError):
    """Bytes came back that do not hash to the root that was asked for."""
