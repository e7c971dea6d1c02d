"""Blobs in an S3 bucket, at AWS or behind any endpoint that speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import IO, TYPE_CHECKING, cast

import numpy as np
from botocore import exceptions as boto

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store.s3 import connection
from rayfed.store.s3.connection import Connection, Endpoint, code, explain
from rayfed.store.verified import short, verified, wrong_size

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

PART_BYTES = 8 << 20
"""Blobs longer than this are fetched in ranges of this size, several at a time."""

CHUNK_BYTES = 1 << 20
"""How much one read takes off a connection: bounds what urllib3 holds beside the blob itself."""

LARGEST_BYTES = 5 << 30
"""The most that S3 takes in one request."""


class _Body:
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


class S3Store:
    """One object a blob, ``<prefix>/<root in hex>``.

    Objects are written only where there is none (``If-None-Match: *``), so concurrent writers do no harm. Who may
    write to the bucket could still occupy a root that it saw on the ledger with other bytes; ``put`` therefore looks
    at what is there, and replaces what is not the blob.

    Credentials come from where AWS tools look for them (environment, profile, role), never from the config.

    Args:
        bucket: must exist.
        prefix: of all keys, without a trailing slash.
        endpoint_url: None for AWS.
        region: None for the environment's.
        attempts: how often a request is sent at most.
        part_bytes: blobs longer than this are fetched in ranges of this size.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        endpoint_url: str | None = None,
        region: str | None = None,
        *,
        attempts: int = 5,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._endpoint = Endpoint(endpoint_url, region, attempts)
        self._part_bytes = part_bytes
        self._lock = threading.Lock()
        self._acquired: Connection | None = None

    def __repr__(self) -> str:
        return f"S3Store({self._place!r})"

    def check(self) -> None:
        """Ask for the bucket once, so that a wrong setting shows before anything starts.

        Raises:
            ConfigError: the endpoint's URL or the region cannot be used.
            StoreError: the endpoint does not answer, there is no such bucket, or it refuses.
        """
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except boto.ClientError as error:
            if code(error) == "404":  # an answer to HEAD has no body that could say what is missing
                raise StoreError(
                    f"store.bucket: there is no bucket {self._bucket!r} at {self._endpoint.url or 'AWS'}"
                ) from error
            raise self._explained(error) from error
        except boto.BotoCoreError as error:
            raise self._explained(error) from error

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob. One that is already there whole stays; a damaged one is replaced.

        Raises:
            StoreError: the endpoint does not answer or refuses, or the blob is longer than S3 takes at once.
        """
        data = blob.cast("B")
        if data.nbytes > LARGEST_BYTES:
            raise StoreError(f"store.kind: S3 takes at most {LARGEST_BYTES} bytes at once, a blob has {data.nbytes}")
        try:
            self._put(root, data)
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise self._explained(error) from error

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked; ``holders`` do not matter here.

        Raises:
            BlobMissing: it is not there.
            BlobCorrupt: it has another size (then no byte of it is read) or another hash.
            StoreError: the endpoint does not answer or refuses.
        """
        try:
            return verified(self._fetch(root, size), root, size, self._place)
        except boto.ClientError as error:
            if code(error) in ("NoSuchKey", "404"):
                raise BlobMissing(f"blob {short(root)} is not in {self._place}") from error
            if code(error) in ("InvalidRange", "416"):
                raise BlobCorrupt(f"blob {short(root)} in {self._place} is shorter than {size} bytes") from error
            raise self._explained(error) from error
        except boto.BotoCoreError as error:
            raise self._explained(error) from error

    def has(self, root: Root) -> bool:
        """Say whether there is an object of this name.

        Raises:
            StoreError: the endpoint does not answer or refuses.
        """
        try:
            return self._head(root) is not None
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Let go of the connections, unless another store of this process uses them too."""
        with self._lock:
            if self._acquired is not None:
                self._acquired = None
                connection.release(self._endpoint)

    @property
    def _connection(self) -> Connection:
        with self._lock:
            if self._acquired is None:
                self._acquired = connection.acquire(self._endpoint)
            return self._acquired

    @property
    def _client(self) -> S3Client:
        return self._connection.client

    @property
    def _place(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def _key(self, root: Root) -> str:
        return f"{self._prefix}/{root.hex()}" if self._prefix else root.hex()

    def _explained(self, error: boto.ClientError | boto.BotoCoreError) -> StoreError:
        return explain(error, self._bucket, self._endpoint)

    def _head(self, root: Root) -> HeadObjectOutputTypeDef | None:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=self._key(root), ChecksumMode="ENABLED")
        except boto.ClientError as error:
            if code(error) == "404":
                return None
            raise

    def _put(self, root: Root, data: memoryview) -> None:
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        conditional = True
        for _ in range(self._endpoint.attempts):
            there = self._head(root)
            if there is not None and self._is_the_blob(there, root, data.nbytes, digest):
                return
            try:
                if there is None and conditional:
                    self._send(root, data, digest, only_if_absent=True)
                else:
                    self._send(root, data, digest, only_if_absent=False)
                return
            except boto.ClientError as error:
                if code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                    continue  # somebody was faster: look at what they wrote
                if conditional and code(error) in ("NotImplemented", "501"):
                    conditional = False  # this server knows no conditional writes
                    continue
                raise
        raise StoreError(f"store.bucket: others keep writing blob {short(root)} in {self._place}")

    def _is_the_blob(self, there: HeadObjectOutputTypeDef, root: Root, size: int, digest: str) -> bool:
        """Say whether the object is the blob: by the checksum that S3 took when it was written, or else by reading."""
        if there["ContentLength"] != size:
            return False
        if there.get("ChecksumSHA256") == digest:
            return True
        try:
            self.get(root, size)
        except (BlobMissing, BlobCorrupt):
            return False
        return True

    def _send(self, root: Root, data: memoryview, digest: str, *, only_if_absent: bool) -> None:
        body = cast("IO[bytes]", _Body(data))
        key = self._key(root)
        if only_if_absent:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=digest,
                IfNoneMatch="*",
            )
        else:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256", ChecksumSHA256=digest
            )

    def _fetch(self, root: Root, size: int) -> memoryview:
        """Return ``size`` bytes that have not been hashed yet, fetched by ranges into one piece of memory."""
        starts = range(0, size, self._part_bytes)
        first = self._open(root, 0, min(size, self._part_bytes))
        found = _object_bytes(first)
        if found != size:
            first["Body"].close()
            raise wrong_size(root, found, size, self._place)
        blob = np.empty(size, np.uint8).data  # not bytearray: that would write zeros first
        if "ContentRange" not in first:  # this server sends whole objects only
            self._fill(root, 0, blob, first)
            return blob
        parts = [(start, blob[start : start + self._part_bytes]) for start in starts]
        rest: list[Future[None]] = [
            self._connection.pool.submit(self._fill, root, start, part) for start, part in parts[1:]
        ]
        try:
            self._fill(root, 0, parts[0][1], first)
            for task in rest:
                task.result()
        finally:
            for task in rest:
                task.cancel()
        return blob

    def _open(self, root: Root, start: int, stop: int) -> GetObjectOutputTypeDef:
        return self._client.get_object(Bucket=self._bucket, Key=self._key(root), Range=f"bytes={start}-{stop - 1}")

    def _fill(self, root: Root, start: int, part: memoryview, answer: GetObjectOutputTypeDef | None = None) -> None:
        """Fill ``part`` with the object's bytes from ``start`` on, going on where a broken connection stopped."""
        filled = 0
        for attempt in range(1, self._endpoint.attempts + 1):
            if answer is None:
                answer = self._open(root, start + filled, start + part.nbytes)
                if answer["ContentLength"] != part.nbytes - filled:
                    answer["Body"].close()
                    raise BlobCorrupt(f"blob {short(root)} in {self._place} changed while it was read")
            try:
                for count in _chunks(answer["Body"], part[filled:]):
                    filled += count
                return
            except (boto.HTTPClientError, boto.IncompleteReadError):
                if attempt == self._endpoint.attempts:
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
