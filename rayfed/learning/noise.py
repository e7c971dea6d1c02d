"""Random numbers that nobody else can foretell: a node's own secret, drawn out by AES-256 in counter mode.

What DP-SGD draws must be unknown to whoever sees the update, so it cannot come from the run's seed, which all nodes
know. It must also be the same when a restarted node trains the same round again, or two different updates would exist
for one round. Both follow from a keystream whose key is derived from the node's private key and from all that goes
into the round (as RFC 6979 does for signatures): other inputs, other numbers; the same inputs, the same.
"""

from __future__ import annotations

import numpy as np
from Crypto.Cipher import AES
from numpy.typing import NDArray

_UNIT = 2.0**-53


class SecretStream:
    """Uniform and normal numbers from the AES-256-CTR keystream of ``key`` (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError(f"a key of AES-256 has 32 bytes, not {len(key)}")
        self._cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=0)

    def whole(self, n: int) -> NDArray[np.uint64]:
        """Return (n,) whole numbers, 0..2**64 - 1."""
        return np.frombuffer(self._cipher.encrypt(bytes(8 * n)), dtype="<u8").astype(np.uint64, copy=False)

    def uniform(self, n: int) -> NDArray[np.float64]:
        """Return (n,) numbers in [0, 1), multiples of 2**-53."""
        return (self.whole(n) >> np.uint64(11)).astype(np.float64) * _UNIT

    def normal(self, n: int) -> NDArray[np.float64]:
        """Return (n,) standard normal numbers (Box and Muller 1958), of at most 8.6 in size."""
        pairs = (n + 1) // 2
        radius = np.sqrt(-2.0 * np.log(1.0 - self.uniform(pairs)))
        angle = 2.0 * np.pi * self.uniform(pairs)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]
