"""HPKE's base mode with a sender's key of one's choice, which the library makes at random.

Source: RFC 9180; DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. What ``wrap`` returns, the library's own
``Suite.decrypt`` opens. The sender's key follows from what is wrapped, so whoever has unwrapped it can wrap it again
for anybody and compare (Fujisaki and Okamoto's transform, CRYPTO '99): a wrong key for somebody else is found out.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

WRAPPED = 32 + 32 + 16
"""Bytes of a wrapped secret: the sender's public key, 32 bytes encrypted, the tag."""

_KEM_ID = b"KEM" + (0x0020).to_bytes(2, "big")
_HPKE_ID = b"HPKE" + bytes.fromhex("002000010002")


def wrap(secret: bytes, public: bytes, info: bytes) -> bytes:
    """Encrypt 32 random bytes to a public key; the same ones to the same key give the same.

    Raises:
        ValueError: it is no public key, or leads to no secret.
    """
    own = X25519PrivateKey.from_private_bytes(hmac.digest(secret, b"rayfed sender\0" + public + info, "sha256"))
    sender = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    shared = _expand(_KEM_ID, _extract(_KEM_ID, b"", b"eae_prk", shared), b"shared_secret", sender + public, 32)
    context = b"\0" + _extract(_HPKE_ID, b"", b"psk_id_hash", b"") + _extract(_HPKE_ID, b"", b"info_hash", info)
    inner = _extract(_HPKE_ID, shared, b"secret", b"")
    key, nonce = (_expand(_HPKE_ID, inner, label, context, size) for label, size in ((b"key", 32), (b"base_nonce", 12)))
    return sender + AESGCM(key).encrypt(nonce, secret, b"")


def unwrap(wrapped: bytes, private: X25519PrivateKey, info: bytes) -> bytes:
    """Return what was wrapped.

    Raises:
        InvalidTag: it was wrapped for somebody else, or changed.
        ValueError: it has no sender's key that leads to a secret.
    """
    return SUITE.decrypt(wrapped, private, info=info)


def _extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(hashlib.sha256().digest_size), b"HPKE-v1" + suite + label + secret, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return HKDFExpand(SHA256(), size, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info).derive(key)
