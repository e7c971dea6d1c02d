"""A bucket as a place for bytes that are not what their root says: encrypted ones."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator, Sequence

from botocore import exceptions as boto

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt
from rayfed.store.s3.bucket import S3Store
from rayfed.store.verified import wrong_size

log = logging.getLogger(__name__)


class S3Shelf(S3Store):
    """Follows ``OpenPlace`` besides; see ``S3Store``."""

    def lay(self, root: Root, data: memoryview) -> None:
        """See ``OpenPlace``."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        try:
            self._send(root, data, digest, only_if_absent=False)
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise self._explained(error) from error

    def take(self, root: Root, most: int, holders: Sequence[Address]) -> Iterator[tuple[str, memoryview]]:
        """See ``OpenPlace``."""
        try:
            there = self._head(root)
            if there is None:
                return
            if there["ContentLength"] > most:
                raise wrong_size(root, there["ContentLength"], most, self._place)
            data = self._download(root).fetch(there["ContentLength"])
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise self._explained(error) from error
        except BlobCorrupt as error:
            log.warning("%s", error)
            return
        yield self._place, data
