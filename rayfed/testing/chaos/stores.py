"""A node's way to the blobs that all have published, with the trouble that is on it."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobMissing, StoreError
from rayfed.store.verified import verified
from rayfed.testing.chaos.faults import Fuse
from rayfed.testing.chaos.weather import Weather


class PublishedBlobs:
    """What all doors to the store lead to: bytes by the root that they were put under, and from when on.

    Unlike ``MemoryStore`` it believes whoever puts something.
    """

    def __init__(self) -> None:
        self.bytes: dict[Root, bytes] = {}
        self.since: dict[Root, int] = {}


class ChaosStore:
    """One node's door to the blobs; follows the ``rayfed.store.Store`` protocol."""

    def __init__(self, blobs: PublishedBlobs, weather: Weather, fuse: Fuse) -> None:
        self._blobs = blobs
        self._weather = weather
        self._fuse = fuse

    def put(self, root: Root, blob: memoryview) -> None:
        """See ``Store``."""
        self._reach()
        weather = self._weather
        if root not in self._blobs.bytes:
            slow = weather.happens(weather.scenario.store_slow)
            later = weather.random.randint(1, weather.scenario.outage_seconds) if slow else 0
            self._blobs.bytes[root] = bytes(blob)
            self._blobs.since[root] = weather.clock.now + later
        self._fuse.check()

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``Store``."""
        self._reach()
        if not self.has(root):
            raise BlobMissing(f"nobody has {root.hex()[:8]}")
        found = self._blobs.bytes[root]
        if self._weather.happens(self._weather.scenario.garbage):
            found = self._instead(found)
        blob = verified(memoryview(found), root, size, "chaos")
        self._fuse.check()
        return blob

    def has(self, root: Root) -> bool:
        """See ``Store``."""
        return self._blobs.since.get(root, self._weather.clock.now + 1) <= self._weather.clock.now

    def close(self) -> None:
        """Nothing to let go of."""

    def _reach(self) -> None:
        self._fuse.check()
        if self._weather.clock.now < self._weather.store_until:
            raise StoreError("store.endpoint_url: chaos: the store does not answer")

    def _instead(self, right: bytes) -> bytes:
        """Return what a broken or hostile place would give: noise, another blob, one that is cut or has a wrong bit."""
        random = self._weather.random
        match random.randrange(4):
            case 0:
                return random.randbytes(len(right))
            case 1:
                return self._blobs.bytes[random.choice(sorted(self._blobs.bytes))]
            case 2:
                return right[: random.randrange(len(right))]
            case _:
                place = random.randrange(len(right))
                return right[:place] + bytes([right[place] ^ 1 << random.randrange(8)]) + right[place + 1 :]
