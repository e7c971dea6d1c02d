"""Bytes on their way to a bucket and from it: nothing is copied on the way, long blobs come in several ranges."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from botocore import exceptions as boto

from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt
from rayfed.store.s3.connection import Connection
from rayfed.store.verified import short, wrong_size

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PART_BYTES = 8 << 20
"""Blobs longer than this are fetched in ranges of this size, several at a time."""

CHUNK_BYTES = 1 << 20
"""How much one read takes off a connection: bounds what urllib3 holds beside the blob itself."""


class Body:
    """A file-like view of a blob, because botocore sends ``bytes`` or files but no memoryviews. Reads copy nothing."""

    def __init__(self, blob: memoryview) -> None:
        self._blob = blob
        self._at = 0

    def read(self, amount: int = -1) -> memoryview:
        stop = self._blob.nbytes if amount is None or amount < 0 else self._at + amount
        chunk = self._blob[self._at : stop]
        self._at += chunk.nbytes
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._blob.nbytes)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


@dataclass(frozen=True, slots=True)
class Download:
    """Fetches one object, by ranges into one piece of memory.

    Attributes:
        connection: gives the client and the threads.
        bucket, key: where the object is.
        root: of the blob, for messages.
        place: the bucket in words, for messages.
        attempts: how often a broken transfer is taken up again.
        part_bytes: objects longer than this are fetched in ranges of this size.
    """

    connection: Connection
    bucket: str
    key: str
    root: Root
    place: str
    attempts: int
    part_bytes: int = PART_BYTES

    def fetch(self, size: int) -> memoryview:
        """Return ``size`` bytes that have not been hashed yet.

        Raises:
            BlobCorrupt: the object has another size, or changed while it was read.
            botocore's errors, as they come.
        """
        starts = range(0, size, self.part_bytes)
        first = self._open(0, min(size, self.part_bytes))
        found = _object_bytes(first)
        if found != size:
            first["Body"].close()
            raise wrong_size(self.root, found, size, self.place)
        blob = np.empty(size, np.uint8).data  # not bytearray: that would write zeros first
        if "ContentRange" not in first:  # this server sends whole objects only
            self._fill(0, blob, first)
            return blob
        parts = [(start, blob[start : start + self.part_bytes]) for start in starts]
        rest: list[Future[None]] = [self.connection.pool.submit(self._fill, start, part) for start, part in parts[1:]]
        try:
            self._fill(0, parts[0][1], first)
            for task in rest:
                task.result()
        finally:
            for task in rest:
                task.cancel()
        return blob

    def _open(self, start: int, stop: int) -> GetObjectOutputTypeDef:
        return self.connection.client.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes={start}-{stop - 1}")

    def _fill(self, start: int, part: memoryview, answer: GetObjectOutputTypeDef | None = None) -> None:
        """Fill ``part`` with the object's bytes from ``start`` on, going on where a broken connection stopped."""
        filled = 0
        for attempt in range(1, self.attempts + 1):
            if answer is None:
                answer = self._open(start + filled, start + part.nbytes)
                if answer["ContentLength"] != part.nbytes - filled:
                    answer["Body"].close()
                    raise BlobCorrupt(f"blob {short(self.root)} in {self.place} changed while it was read")
            try:
                for count in _chunks(answer["Body"], part[filled:]):
                    filled += count
                return
            except (boto.HTTPClientError, boto.IncompleteReadError):
                if attempt == self.attempts:
                    raise
                answer = None


def _chunks(body: StreamingBody, into: memoryview) -> Iterator[int]:
    """Read a body into memory; yield after each chunk how long it was."""
    with body:
        while into.nbytes:
            chunk = body.read(min(CHUNK_BYTES, into.nbytes))
            if not chunk:  # botocore has raised unless the server announced fewer bytes than were asked for
                return
            into[: len(chunk)] = chunk
            into = into[len(chunk) :]
            yield len(chunk)


def _object_bytes(answer: GetObjectOutputTypeDef) -> int:
    """Return how long the whole object is, from ``Content-Range: bytes 0-4095/8192`` or else ``Content-Length``."""
    total = answer.get("ContentRange", "").rpartition("/")[2]
    return int(total) if total.isdigit() else answer["ContentLength"]
