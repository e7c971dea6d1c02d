"""One S3 client and one pool of threads per process and endpoint, and what its errors mean in plain words."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from rayfed.encoding.certificates import untrusted
from rayfed.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

THREADS = 8
"""Ranges fetched at a time, by all stores of a process together."""

CONNECT_SECONDS = 5
READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to connect. Holds no credentials: those come from where AWS tools look for them.

    ``attempts`` counts the first one; between them botocore waits longer and longer (its mode ``standard``).
    """

    url: str | None = None
    region: str | None = None
    attempts: int = 5


@dataclass(slots=True)
class Connection:
    """A client (safe to use from several threads, unlike the session that makes it) and its threads."""

    client: S3Client
    pool: ThreadPoolExecutor
    users: int = field(default=1)


_lock = threading.Lock()
_connections: dict[Endpoint, Connection] = {}


def acquire(endpoint: Endpoint) -> Connection:
    """Return this process's connection to the endpoint; give it back with ``release``.

    Raises:
        ConfigError: the endpoint's URL or the region cannot be used.
    """
    with _lock:
        connection = _connections.get(endpoint)
        if connection is not None:
            connection.users += 1
            return connection
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="rayfed-s3")  # starts no thread before it has work
        connection = _connections[endpoint] = Connection(_client(endpoint), pool)
        return connection


def release(endpoint: Endpoint) -> None:
    """Close the connection if nobody else in this process uses it."""
    with _lock:
        connection = _connections[endpoint]
        connection.users -= 1
        if connection.users == 0:
            del _connections[endpoint]
            connection.pool.shutdown()
            connection.client.close()


def _client(endpoint: Endpoint) -> S3Client:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=2 * THREADS,
        retries={"mode": "standard", "total_max_attempts": endpoint.attempts},
        # Every read is checked against its root and every write carries a SHA-256: botocore's own checksums would
        # hash each blob once more, and their trailers are what many S3-compatible servers stumble over.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = boto3.session.Session()
        return session.client("s3", endpoint_url=endpoint.url, region_name=endpoint.region, config=config)
    except ValueError as error:
        raise ConfigError("store.endpoint_url", f"{endpoint.url!r} is not the URL of an endpoint") from error
    except (boto.NoRegionError, boto.InvalidRegionError) as error:
        raise ConfigError("store.region", str(error)) from error
    except (boto.ProfileNotFound, boto.ConfigParseError) as error:
        raise StoreError(f"S3 credentials: {error}") from error


REFUSED = {
    "403",
    "AccessDenied",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
ELSEWHERE = {"301", "307", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}


def code(error: boto.ClientError) -> str:
    """Return what the server called the error; for an answer without a body, its HTTP status."""
    return error.response.get("Error", {}).get("Code", "unknown")


def explain(error: boto.BotoCoreError | boto.ClientError, bucket: str, endpoint: Endpoint) -> StoreError:
    """Return a one-line error that names the setting to change. Quotes codes, never a server's text or a header."""
    place = endpoint.url or "AWS"
    if isinstance(error, boto.ClientError):
        name = code(error)
        if name == "NoSuchBucket":
            return StoreError(f"store.bucket: there is no bucket {bucket!r} at {place}")
        if name in REFUSED:
            return StoreError(
                f"store.bucket: {place} refuses access to bucket {bucket!r} ({name}); check the AWS credentials, and "
                "that they allow s3:GetObject, s3:PutObject and s3:ListBucket"
            )
        if name in ELSEWHERE:
            return StoreError(f"store.region: bucket {bucket!r} lies in another region ({name})")
        return StoreError(f"store.endpoint_url: {place} answers {name} for bucket {bucket!r}")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return StoreError(
            "S3 credentials: none found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role"
        )
    if isinstance(error, boto.ParamValidationError):
        return StoreError(f"store.bucket: {bucket!r} is not a valid bucket name")
    why = untrusted(error, "AWS_CA_BUNDLE") or type(error).__name__
    return StoreError(f"store.endpoint_url: {place} does not answer ({why})")
