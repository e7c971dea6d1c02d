"""Blobs for some eyes only: encrypted once with a fresh key, which is wrapped for each member who may read them.

A store that others can read gets these bytes in place of a blob. Roots stay those of the plaintext, so merge, court and
audit are as they are, and whoever opens a sealed blob still has to hash it: who sealed it may have lied.

Layout, numbers big-endian::

    magic(8) | size of the blob(8) | recipients(2) | recipients x (mark(8) | HPKE's enc(32) | wrapped secret(48)) | body

The body is the blob in segments of ``SEGMENT`` bytes, each with a tag of 16 bytes: AES-256-GCM under a key that follows
from the secret, the segment's number as its nonce, magic, size and context as associated data. Wrapping is HPKE
(``encoding.hpke``) in a way that whoever opens a blob can check everybody's (``Opened.left_out``).
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rayfed.encoding import hpke
from rayfed.errors import BlobCorrupt, StoreError

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"rfseal01"

SEGMENT = 16 << 20
"""Bytes of plaintext in a segment; below the 2 GiB that one call takes."""

MOST_RECIPIENTS = 1024
"""A roster's members and then some: joiners, watchers."""

ENTRIES_OF_ONE = 2
"""Entries that are tried for one key. An honest author writes one; a thousand wrong ones would each cost a segment."""

_HEAD = struct.Struct(">8sQH")
_MARK, _TAG, _WRAP = 8, 16, hpke.WRAPPED
_INFO = b"rayfed sealed blob 1\0"


class SealedForOthers(StoreError):
    """A sealed blob has no key that this private key opens; whoever can open it may seal it anew."""


def new_key() -> tuple[bytes, bytes]:
    """Return a fresh X25519 key pair, (private, public), 32 bytes each."""
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def sealed_bytes(size: int, recipients: int) -> int:
    """Return how long a sealed blob of ``size`` bytes is."""
    return _HEAD.size + recipients * (_MARK + _WRAP) + size + _TAG * _segments(size)


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed blob, opened.

    Attributes:
        blob: what its author sealed, read-only; not yet what its root names.
        secret: what it was sealed with.
        wraps: the entries for its recipients as they lie.
        context: what it was sealed as.
    """

    blob: memoryview
    secret: bytes
    wraps: frozenset[bytes]
    context: bytes

    def left_out(self, recipients: Sequence[bytes]) -> list[bytes]:
        """Return those of these public keys that could open it, and have no entry that lets them."""
        entries = {public: _entry(self.secret, public, self.context) for public in recipients}
        return [public for public, entry in entries.items() if entry and entry not in self.wraps]


def seal(blob: Buffer, recipients: Sequence[bytes], context: bytes) -> memoryview:
    """Encrypt a blob with a fresh key, for each of these public keys once.

    Args:
        blob: any bytes, at least one.
        recipients: X25519 public keys, 32 bytes each. One that is none, or that leads to no secret, is left out: a
            member's wrong key must keep nobody else from reading.
        context: what the blob is (federation, root): it opens under the same context only.

    Raises:
        ValueError: there is nothing to encrypt, or there are more than MOST_RECIPIENTS.
    """
    view = memoryview(blob).cast("B")
    if not view.nbytes:
        raise ValueError("there is nothing to seal")
    secret = secrets.token_bytes(32)
    head = _header(secret, view.nbytes, recipients, context)
    sealed = np.empty(len(head) + view.nbytes + _TAG * _segments(view.nbytes), np.uint8).data
    sealed[: len(head)] = head
    cipher, bound = _cipher(secret), _bound(view.nbytes, context)
    for number, plain, encrypted in _pieces(view.nbytes):
        cipher.encrypt_into(_nonce(number), view[plain], bound, sealed[len(head) :][encrypted])
    return sealed.toreadonly()


def unseal(sealed: Buffer, privates: Sequence[bytes], context: bytes) -> Opened:
    """Open a sealed blob with the first of these private keys that does.

    Raises:
        SealedForOthers: no key in it is for one of these.
        BlobCorrupt: it is no sealed blob, or does not open with the key that was wrapped for one of these.
    """
    size, entries, body = _parts(sealed)
    bound = _bound(size, context)
    blob = np.empty(size, np.uint8).data
    last: Exception | None = None
    for secret in _secrets(entries, privates, context):
        try:
            cipher = _cipher(secret)
            for number, plain, encrypted in _pieces(size):
                cipher.decrypt_into(_nonce(number), body[encrypted], bound, blob[plain])
            return Opened(blob.toreadonly(), secret, frozenset(_split(entries)), context)
        except InvalidTag as error:
            last = error
    if last is not None:
        raise BlobCorrupt("a sealed blob does not open with the key that was wrapped for this member") from last
    raise SealedForOthers("a sealed blob holds no key that this member's key opens")


def is_sealed(data: Buffer) -> bool:
    """Say whether these bytes begin as a sealed blob does."""
    return bytes(memoryview(data).cast("B")[: len(MAGIC)]) == MAGIC


def _header(secret: bytes, size: int, recipients: Sequence[bytes], context: bytes) -> bytes:
    if len(recipients) > MOST_RECIPIENTS:
        raise ValueError(f"{len(recipients)} recipients are more than {MOST_RECIPIENTS}")
    entries = [entry for public in dict.fromkeys(recipients) if (entry := _entry(secret, public, context))]
    return _HEAD.pack(MAGIC, size, len(entries)) + b"".join(entries)


def _entry(secret: bytes, public: bytes, context: bytes) -> bytes:
    """Return the entry for a recipient; empty if its key is none, or a point of low order."""
    try:
        return _mark(public) + hpke.wrap(secret, public, _INFO + context)
    except ValueError:
        return b""


def _parts(sealed: Buffer) -> tuple[int, memoryview, memoryview]:
    """Return (size of the blob, entries, body).

    Raises:
        BlobCorrupt: it is no sealed blob.
    """
    view = memoryview(sealed).cast("B")
    if view.nbytes >= _HEAD.size:
        magic, size, count = _HEAD.unpack(view[: _HEAD.size])
        if magic == MAGIC and size and count <= MOST_RECIPIENTS and view.nbytes == sealed_bytes(size, count):
            end = _HEAD.size + count * (_MARK + _WRAP)
            return size, view[_HEAD.size : end], view[end:]
    raise BlobCorrupt(f"{view.nbytes} bytes are no sealed blob")


def _secrets(entries: memoryview, privates: Sequence[bytes], context: bytes) -> Iterator[bytes]:
    """Yield the secrets that were wrapped for a member; its author may have wrapped anything."""
    for private in privates:
        own = X25519PrivateKey.from_private_bytes(private)
        mark = _mark(own.public_key().public_bytes_raw())
        for entry in islice((entry for entry in _split(entries) if entry.startswith(mark)), ENTRIES_OF_ONE):
            try:
                secret = hpke.unwrap(entry[_MARK:], own, _INFO + context)
            except (InvalidTag, ValueError):
                continue
            if len(secret) == 32:
                yield secret


def _split(entries: memoryview) -> Iterator[bytes]:
    for start in range(0, entries.nbytes, _MARK + _WRAP):
        yield bytes(entries[start : start + _MARK + _WRAP])


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hashlib.sha256(b"rayfed body\0" + secret).digest())


def _mark(public: bytes) -> bytes:
    """Return by what a recipient finds its entry."""
    return hashlib.sha256(b"rayfed recipient\0" + public).digest()[:_MARK]


def _bound(size: int, context: bytes) -> bytes:
    return MAGIC + struct.pack(">Q", size) + context


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _segments(size: int) -> int:
    return -(-size // SEGMENT)


def _pieces(size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield (number, place in the blob, place in the body) of each segment."""
    for number, start in enumerate(range(0, size, SEGMENT)):
        stop = min(start + SEGMENT, size)
        yield number, slice(start, stop), slice(start + number * _TAG, stop + (number + 1) * _TAG)
