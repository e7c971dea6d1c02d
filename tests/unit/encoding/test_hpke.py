"""HPKE with a sender's key of one's choice: the library opens it; who has unwrapped a secret can wrap it again."""

from __future__ import annotations

import secrets

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from rayfed.encoding.hpke import SUITE, WRAPPED, unwrap, wrap

SECRET = secrets.token_bytes(32)
INFO = b"what it is for"


def test_the_library_opens_what_is_wrapped_here() -> None:
    for _ in range(20):
        private = X25519PrivateKey.generate()
        wrapped = wrap(SECRET, private.public_key().public_bytes_raw(), INFO)
        assert len(wrapped) == WRAPPED
        assert SUITE.decrypt(wrapped, private, info=INFO) == SECRET == unwrap(wrapped, private, INFO)
        with pytest.raises(InvalidTag):
            unwrap(wrapped, private, INFO + b"!")
        with pytest.raises(InvalidTag):
            unwrap(wrapped, X25519PrivateKey.generate(), INFO)


def test_the_same_secret_for_the_same_key_is_the_same_and_for_any_other_is_not() -> None:
    one, other = (X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(2))
    assert wrap(SECRET, one, INFO) == wrap(SECRET, one, INFO)
    wrapped = {wrap(SECRET, one, INFO), wrap(SECRET, other, INFO), wrap(secrets.token_bytes(32), one, INFO)}
    assert len({text[:32] for text in wrapped}) == 3  # no sender's key serves twice


@pytest.mark.parametrize("public", [b"", b"short", bytes(32), bytes(33)])
def test_what_is_no_key(public: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        wrap(SECRET, public, INFO)
