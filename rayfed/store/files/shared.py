"""A folder that several parties read and write."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt
from rayfed.store.files.disk import FileStore
from rayfed.store.files.reading import read_into_memory
from rayfed.store.verified import short

log = logging.getLogger(__name__)


class SharedFolder(FileStore):
    """Follows ``OpenPlace`` besides; see ``FileStore``."""

    def lay(self, root: Root, data: memoryview) -> None:
        """See ``OpenPlace``."""
        self._wrote.pop(root, None)  # other bytes may come to lie under the same root
        self.put(root, data)

    def take(self, root: Root, most: int, holders: Sequence[Address]) -> Iterator[tuple[str, memoryview]]:
        """See ``OpenPlace``."""
        try:
            found = self._open(root)
        except BlobCorrupt as error:
            log.warning("%s", error)
            return
        if found is None:
            return
        handle, length = found
        try:
            data = read_into_memory(handle, length) if length <= most else None
        except OSError as error:
            raise self._refusal("read", error) from error
        finally:
            os.close(handle)
        if data is None:
            log.warning("blob %s in %s has %d bytes, which is too long", short(root), self.path, length)
        else:
            yield str(self.path), data
