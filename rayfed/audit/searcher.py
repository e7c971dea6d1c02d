"""Looking for one blob in all places: every copy hashed or compared, the first good one kept."""

from __future__ import annotations

import mmap
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rayfed.audit.findings import Finding, Severity
from rayfed.audit.places import BlobPlace, Copy
from rayfed.encoding import codec, merkle
from rayfed.encoding.header import UPDATE, Header
from rayfed.encoding.layout import Layout
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError

MISSING = "nobody has it"
DAMAGED = "no copy of it hashes to its root"


@dataclass(slots=True)
class Sighting:
    """What came of looking for one blob.

    ``blob`` is a verified copy, or None; ``reason`` says why there is none, or why it is no valid blob for its place.
    """

    root: Root
    index: int | None = None
    blob: memoryview | None = None
    reason: str = ""
    missing: bool = False
    copies: int = 0
    hashed: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def owner(self) -> int:
        """Index of the member whose update it is.

        Raises:
            ValueError: it is a model, which is nobody's.
        """
        if self.index is None:
            raise ValueError("a model has no owner")
        return self.index

    @property
    def valid(self) -> bool:
        """Whether there is a verified blob with the right header."""
        return self.blob is not None and not self.reason


class Searcher:
    """Looks for blobs, and owns the memory that they are read into. Safe to use from several threads.

    Args:
        layout: of every blob.
        places: where copies may lie; every copy in every place is checked.
    """

    def __init__(self, layout: Layout, places: Sequence[BlobPlace]) -> None:
        self._layout = layout
        self._places = places
        self._spare: defaultdict[int, list[memoryview]] = defaultdict(list)  # by their size
        self._lock = threading.Lock()

    def look(self, root: Root, holders: Sequence[Address], header: Header, good: memoryview | None = None) -> Sighting:
        """Find a blob, and check every copy of it.

        The first good copy is found by hashing, all others are compared with it, which takes a quarter of the time.

        Args:
            good: the blob, where its bytes are known already; it is then not in the sighting.
        """
        sighting = Sighting(root)
        size = self._layout.update_size if header.kind == UPDATE else self._layout.blob_size
        bad: list[Copy] = []
        for place in self._places:
            for copy in place.copies(root, size, holders):
                known = good if good is not None else sighting.blob
                try:
                    if known is not None:
                        leaf = copy.differs(known)
                        sighting.hashed += size * copy.verified
                        if leaf is not None:
                            sighting.findings.append(_damaged(root, copy, leaf))
                    elif not self._first(copy, sighting, size):
                        bad.append(copy)
                    sighting.copies += 1
                except BlobMissing:
                    continue
                except BlobCorrupt as error:
                    sighting.copies += 1
                    sighting.findings.append(_damaged(root, copy, None, str(error)))
                except StoreError as error:
                    sighting.findings.append(
                        Finding(Severity.UNCHECKED, "blob", str(error), root=root, place=copy.place)
                    )
        known = good if good is not None else sighting.blob
        sighting.findings += [_damaged(root, copy, _leaf(copy, known)) for copy in bad]
        if known is None:
            sighting.missing = not sighting.copies
            sighting.reason = MISSING if sighting.missing else DAMAGED
        elif good is None:
            sighting.reason = codec.check(self._layout, known, header)
        return sighting

    def _first(self, copy: Copy, sighting: Sighting, size: int) -> bool:
        """Read a copy while there is no good one yet; say whether it is good."""
        taken: list[memoryview] = []

        def room() -> memoryview:
            taken.append(self.room(size))
            return taken[0]

        try:
            blob = copy.read(room)
            sighting.hashed += size
            if copy.verified or merkle.root(blob) == sighting.root:
                sighting.blob = blob
                return True
            return False
        finally:
            if sighting.blob is None:
                for buffer in taken:
                    self.reuse(buffer)

    def room(self, size: int) -> memoryview:
        """Return a buffer of a blob's size: one used before where there is one, for new pages cost time."""
        with self._lock:
            spare = self._spare[size]
            return spare.pop() if spare else np.empty(size, np.uint8).data

    def give_back(self, sightings: Iterable[Sighting]) -> None:
        """Take the buffers of these blobs back, to be used again; the sightings have no blob any more."""
        with self._lock:
            for sighting in sightings:
                if sighting.blob is not None and not sighting.blob.readonly:
                    self._spare[sighting.blob.nbytes].append(sighting.blob)
                sighting.blob = None

    def spool(self, sighting: Sighting) -> None:
        """Put a blob into a temporary file, and its buffer back."""
        if sighting.blob is not None:
            spooled = _spooled(sighting.blob)
            self.give_back([sighting])
            sighting.blob = spooled

    def reuse(self, buffer: memoryview) -> None:
        """Take back a buffer that ``room`` gave."""
        with self._lock:
            self._spare[buffer.nbytes].append(buffer)


def _damaged(root: Root, copy: Copy, leaf: int | None, reason: str = "") -> Finding:
    words = reason or "this copy does not hash to its root"
    return Finding(Severity.DISCREPANCY, "blob", words, leaf=leaf, root=root, place=copy.place)


def _leaf(copy: Copy, good: memoryview | None) -> int | None:
    """Return the first leaf in which a damaged copy is not as a good one, if there is one to compare with."""
    try:
        return None if good is None else copy.differs(good)
    except StoreError:
        return None  # it was there a moment ago; that it was damaged is known


def _spooled(blob: memoryview) -> memoryview:
    """Return the same bytes out of a temporary file, which nobody else can open: memory that the system may reclaim."""
    with tempfile.TemporaryFile(dir=Path(tempfile.gettempdir())) as file:
        file.write(blob)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), blob.nbytes, access=mmap.ACCESS_READ))
