"""What the store ``s3`` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from rayfed.store import Store
    from rayfed.store.s3.shelf import S3Shelf

IN_QUERY = ("endpoint_url", "region")
"""Options that stand behind the question mark of a URI."""

CHECK_ATTEMPTS = 2
"""How often ``check`` asks: enough for a lost packet, and a user who mistyped an address waits for seconds."""


@dataclass(frozen=True)
class S3Options(StoreOptions):
    """A bucket of S3, at AWS or at any server that speaks its protocol.

    Credentials come from where AWS tools look for them, never from settings.

    Attributes:
        bucket: s3: name of the bucket, which must exist.
        prefix: s3: what every object's key begins with.
        endpoint_url: s3: http(s) URL of a server that is not AWS; null is AWS.
        region: s3: the bucket's region; null takes what the AWS settings of the machine say.
    """

    bucket: str | None = None
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None

    def validate(self) -> None:
        """See ``StoreOptions``."""
        if not self.bucket:
            raise ConfigError("store.bucket", "store=s3 needs the name of a bucket")
        if self.endpoint_url:
            _check_url(self.endpoint_url)

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``: the bucket is there and answers."""
        store = self._open(attempts=CHECK_ATTEMPTS)
        try:
            store.check()
        finally:
            store.close()

    def open(self, site: Site) -> Store:
        """See ``StoreOptions``."""
        return site.shelved(self._open(), openly=True)

    def _open(self, **options: int) -> S3Shelf:
        from rayfed.store.s3.shelf import S3Shelf

        self.validate()
        return S3Shelf(self.bucket or "", self.prefix, self.endpoint_url, self.region, **options)

    @property
    def uri(self) -> str:
        """``s3:BUCKET/PREFIX?endpoint_url=URL&region=NAME``."""
        query = urlencode({name: getattr(self, name) for name in IN_QUERY if getattr(self, name)})
        path = f"{self.bucket}/{quote(self.prefix)}" if self.prefix else f"{self.bucket}"
        return f"s3:{path}?{query}" if query else f"s3:{path}"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``."""
        name, _, query = rest.partition("?")
        bucket, _, prefix = name.partition("/")
        given = {key: values[-1] for key, values in parse_qs(query).items()}
        if unknown := given.keys() - set(IN_QUERY):
            raise ConfigError("store", f"s3 has no option {min(unknown)}; there are {' and '.join(IN_QUERY)}")
        return cls(bucket=bucket, prefix=unquote(prefix), **given)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        secret = parts.username is not None or parts.password is not None
        _ = parts.port  # raises if it is not a number
    except ValueError:
        usable, secret = False, "@" in url
    if secret:
        raise ConfigError("store.endpoint_url", "holds credentials; give them as AWS_ACCESS_KEY_ID and so on instead")
    if not usable:
        raise ConfigError("store.endpoint_url", f"{url!r} does not begin with http:// or https://, or names no server")
