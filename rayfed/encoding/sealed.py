"""Blobs for some eyes only: encrypted once with a fresh key, which is wrapped for each member who may read them.

A store that others can read gets these bytes in place of a blob. Roots stay those of the plaintext, so merge, court and
audit are as they are, and whoever opens a sealed blob still has to hash it: who sealed it may have lied.

Layout, numbers big-endian::

    magic(8) | size of the blob(8) | recipients(2) | recipients x (mark(8) | HPKE's enc(32) | wrapped key(48)) | body

The body is the blob in segments of ``SEGMENT`` bytes, each with a tag of 16 bytes: AES-256-GCM under the fresh key, the
segment's number as its nonce, magic, size and context as associated data. Wrapping is HPKE in base mode (RFC 9180) with
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. Wrapping anew for others leaves the body as it is.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from rayfed.errors import BlobCorrupt, StoreError

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"rfseal01"

SEGMENT = 16 << 20
"""Bytes of plaintext in a segment; below the 2 GiB that one call takes."""

MOST_RECIPIENTS = 1024
"""A roster's members and then some: joiners, watchers."""

_HEAD = struct.Struct(">8sQH")
_MARK, _KEY, _TAG = 8, 32, 16
_WRAP = _KEY + _KEY + _TAG
_INFO = b"rayfed sealed blob 1\0"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SealedForOthers(StoreError):
    """A sealed blob has no key that this private key opens; whoever can open it may ``rewrap`` it."""


def new_key() -> tuple[bytes, bytes]:
    """Return a fresh X25519 key pair, (private, public), 32 bytes each."""
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def sealed_bytes(size: int, recipients: int) -> int:
    """Return how long a sealed blob of ``size`` bytes is."""
    return _HEAD.size + recipients * (_MARK + _WRAP) + size + _TAG * _segments(size)


def seal(blob: Buffer, recipients: Sequence[bytes], context: bytes) -> memoryview:
    """Encrypt a blob with a fresh key, for each of these public keys once.

    Args:
        blob: any bytes, at least one.
        recipients: X25519 public keys, 32 bytes each. One that is none, or that leads to no secret, is left out: a
            member's wrong key must keep nobody else from reading.
        context: what the blob is (chain, contract, round, root): it opens under the same context only.

    Raises:
        ValueError: there is nothing to encrypt, or there are more than MOST_RECIPIENTS.
    """
    view = memoryview(blob).cast("B")
    if not view.nbytes:
        raise ValueError("there is nothing to seal")
    key = AESGCM.generate_key(256)
    head = _header(key, view.nbytes, recipients, context)
    sealed = np.empty(len(head) + view.nbytes + _TAG * _segments(view.nbytes), np.uint8).data
    sealed[: len(head)] = head
    cipher, bound = AESGCM(key), _bound(view.nbytes, context)
    for number, plain, encrypted in _pieces(view.nbytes):
        cipher.encrypt_into(_nonce(number), view[plain], bound, sealed[len(head) :][encrypted])
    return sealed.toreadonly()


def unseal(sealed: Buffer, private: bytes, context: bytes) -> memoryview:
    """Return what was sealed, read-only. It is what its author sealed, not yet what its root names.

    Raises:
        SealedForOthers: no key in it is for this one, or what is there does not open.
        BlobCorrupt: it is no sealed blob, was changed, or belongs to another context.
    """
    return _opened(sealed, private, context)[1].toreadonly()


def rewrap(sealed: Buffer, private: bytes, recipients: Sequence[bytes], context: bytes) -> memoryview:
    """Return the same sealed blob for other recipients; the body is opened to see that it can be, and stays as it is.

    Raises:
        As ``seal`` and ``unseal``.
    """
    key, blob = _opened(sealed, private, context)
    _, _, body = _parts(sealed)
    return memoryview(_header(key, blob.nbytes, recipients, context) + bytes(body))


def _opened(sealed: Buffer, private: bytes, context: bytes) -> tuple[bytes, memoryview]:
    """Return (key, blob) of the first key for this member that opens all of it."""
    size, entries, body = _parts(sealed)
    bound = _bound(size, context)
    blob = np.empty(size, np.uint8).data
    last: Exception | None = None
    for key in _keys(entries, private, context):
        try:
            cipher = AESGCM(key)
            for number, plain, encrypted in _pieces(size):
                cipher.decrypt_into(_nonce(number), body[encrypted], bound, blob[plain])
            return key, blob
        except InvalidTag as error:
            last = error
    if last is not None:
        raise BlobCorrupt("a sealed blob does not open with the key that was wrapped for this member") from last
    raise SealedForOthers("a sealed blob holds no key that this member's key opens")


def _header(key: bytes, size: int, recipients: Sequence[bytes], context: bytes) -> bytes:
    if len(recipients) > MOST_RECIPIENTS:
        raise ValueError(f"{len(recipients)} recipients are more than {MOST_RECIPIENTS}")
    entries = []
    for public in dict.fromkeys(recipients):
        try:
            wrapped = _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(public), info=_INFO + context)
        except ValueError:  # no key, or a point of low order
            continue
        entries.append(_mark(public) + wrapped)
    return _HEAD.pack(MAGIC, size, len(entries)) + b"".join(entries)


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


def _keys(entries: memoryview, private: bytes, context: bytes) -> Iterator[bytes]:
    """Yield the keys that were wrapped for a member; its author may have wrapped anything."""
    own = X25519PrivateKey.from_private_bytes(private)
    mark = _mark(own.public_key().public_bytes_raw())
    for start in range(0, entries.nbytes, _MARK + _WRAP):
        entry = bytes(entries[start : start + _MARK + _WRAP])
        if not entry.startswith(mark):
            continue
        try:
            key = _SUITE.decrypt(entry[_MARK:], own, info=_INFO + context)
        except (InvalidTag, ValueError):
            continue
        if len(key) == _KEY:
            yield key


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
