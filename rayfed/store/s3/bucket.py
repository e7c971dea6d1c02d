"""Blobs in an S3 bucket, at AWS or behind any endpoint that speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, cast

from botocore import exceptions as boto

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store.s3 import connection
from rayfed.store.s3.connection import Connection, Endpoint, code, explain
from rayfed.store.s3.transfer import PART_BYTES, Body, Download
from rayfed.store.verified import short, verified

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

LARGEST_BYTES = 5 << 30
"""The most that S3 takes in one request."""


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
            return verified(self._download(root).fetch(size), root, size, self._place)
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

    def _download(self, root: Root) -> Download:
        attempts = self._endpoint.attempts
        return Download(self._connection, self._bucket, self._key(root), root, self._place, attempts, self._part_bytes)

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
        body = cast("IO[bytes]", Body(data))
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
