"""Blobs as files: a folder that parties share, and every node's own disk."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError, StoreError
from rayfed.store.files.reading import mapped, read_into_memory
from rayfed.store.verified import short, verified, wrong_size

ABANDONED_SECONDS = 3600.0
"""A temporary file older than this belongs to a writer that was killed."""

ROOT_BYTES = 32

COMPARE_BYTES = 1 << 18
"""Fits the second-level cache twice."""


class FileStore:
    """One file a blob, ``<path>/<first two hex digits>/<root in hex>``, always whole: written aside, then renamed.

    Files are not synced to the disk platter by default. A killed process loses nothing that way (the kernel has the
    bytes), and after a power cut a damaged file is found out by its hash and fetched or built again; what a node
    must never lose, what it signed, does not live here. ``durable`` buys the rest for one fsync a blob.

    With ``mapped``, reads are views of the file itself, without a copy. That is right only where nobody else can
    write: a file that is changed after it was verified changes under its reader's hands, and one that is cut kills
    the reader (SIGBUS). For a folder that other parties write to, ``mapped=False`` reads into memory of its own.

    Args:
        path: the folder; made if it is not there.
        mapped: whether only this party writes here.
        durable: whether to fsync before a blob counts as kept.
        setting: which setting the path came from, for messages.

    Raises:
        ConfigError: the folder cannot be made or written.
    """

    def __init__(
        self, path: str | Path, *, mapped: bool = True, durable: bool = False, setting: str = "store.path"
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self._folder = str(self.path)
        self._mapped = mapped
        self._durable = durable
        self._setting = setting
        self._wrote: dict[Root, tuple[int, int, int]] = {}  # what ``_stamp`` said of files written by this object
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(setting, f"cannot make the folder {self.path}: {error.strerror}") from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigError(setting, f"the folder {self.path} is not writable")

    def __repr__(self) -> str:
        return f"FileStore({str(self.path)!r})"

    def file(self, root: Root) -> Path:
        """Return where the blob with this root lies, or would lie."""
        return Path(_place(self._folder, root))

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob. One that is already there whole stays; a damaged one is replaced.

        Raises:
            StoreError: the disk is full or refuses.
        """
        data = blob.cast("B")
        if self._holds(root, data):
            return
        try:
            temporary, handle = self._temporary()
            try:
                try:
                    written = 0
                    while written < data.nbytes:  # one write moves at most 2 GiB, and fewer on a disk that fills up
                        written += os.write(handle, data[written:])
                    if self._durable:
                        os.fsync(handle)
                    stamp = _stamp(os.fstat(handle))
                finally:
                    os.close(handle)
                self._name(temporary, root)
                self._wrote[root] = stamp
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._refusal("write", error) from error

    def link(self, root: Root, other: FileStore) -> bool:
        """Keep the blob that another store of the same process wrote, without writing it again.

        Returns:
            whether that was possible: the other's file is as it wrote it, on the same disk, and there is none here yet.
        """
        try:
            there, here = _place(other._folder, root), _place(self._folder, root)
            if other._wrote.get(root) != _stamp(os.stat(there, follow_symlinks=False)):
                return False
            try:
                os.link(there, here, follow_symlinks=False)
            except FileNotFoundError:  # the first blob of its folder
                Path(here).parent.mkdir(exist_ok=True)
                os.link(there, here, follow_symlinks=False)
        except OSError:  # another disk, no links on it, a file here already: ``put`` knows what to do
            return False
        self._wrote[root] = other._wrote[root]
        return True

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked; ``holders`` do not matter here.

        Raises:
            BlobMissing: it is not here.
            BlobCorrupt: it has another size (then no byte is read) or another hash, or is not a plain file.
            StoreError: the disk refuses.
        """
        found = self._open(root)
        if found is None:
            raise BlobMissing(f"blob {short(root)} is not in {self.path}")
        handle, length = found
        try:
            if length != size:
                raise wrong_size(root, length, size, str(self.path))
            blob = mapped(handle, size) if self._mapped else read_into_memory(handle, size)
        except OSError as error:
            raise self._refusal("read", error) from error
        finally:
            os.close(handle)
        try:
            return verified(blob, root, size, str(self.path))
        except BlobCorrupt:
            self._wrote.pop(root, None)  # whoever wrote it, what lies here is not to be taken for whole again
            raise

    def unverified(self, root: Root) -> memoryview | None:
        """Return whatever lies under this root, mapped and not hashed, or None: to hand on to a peer that will hash it.

        Raises:
            BlobCorrupt: it is empty or not a plain file.
            StoreError: the disk refuses.
        """
        found = self._open(root)
        if found is None:
            return None
        handle, length = found
        try:
            if length == 0:
                raise BlobCorrupt(f"blob {short(root)} in {self.path} is empty")
            return mapped(handle, length)
        except OSError as error:
            raise self._refusal("read", error) from error
        finally:
            os.close(handle)

    def has(self, root: Root) -> bool:
        """Say whether there is a file of this name."""
        return os.path.isfile(_place(self._folder, root))

    def roots(self) -> Iterator[Root]:
        """Yield the roots of all blobs that lie here, in no order."""
        for folder in os.scandir(self._folder):
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for name in os.listdir(folder):
                try:
                    root = bytes.fromhex(name)
                except ValueError:
                    continue  # not ours
                if len(root) == ROOT_BYTES:
                    yield root

    def prune(self, keep: Collection[Root]) -> int:
        """Remove all blobs but these, and what killed writers left behind; views of removed blobs stay readable.

        Returns:
            how many blobs were removed.
        """
        gone = [root for root in self.roots() if root not in keep]
        self.remove(gone)
        try:
            for temporary in self.path.glob(".*.part"):
                try:
                    abandoned = time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS
                except FileNotFoundError:
                    continue  # its writer has just named it
                if abandoned:
                    temporary.unlink(missing_ok=True)
        except OSError as error:
            raise self._refusal("clean up", error) from error
        return len(gone)

    def remove(self, roots: Iterable[Root]) -> None:
        """Remove these blobs; views of them stay readable.

        Raises:
            StoreError: the disk refuses.
        """
        for root in roots:
            self._wrote.pop(root, None)
            try:
                os.unlink(_place(self._folder, root))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._refusal("clean up", error) from error

    def close(self) -> None:
        """Nothing to let go of: no file stays open."""

    def _temporary(self) -> tuple[Path, int]:
        """Open a new file on the disk on which it will stay, so that naming it is one atomic rename."""
        temporary = self.path / f".{secrets.token_hex(8)}.part"
        # Mode 666 less the umask, not mkstemp's 600: other parties read a shared folder.
        return temporary, os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def _name(self, temporary: Path, root: Root) -> None:
        target = self.file(root)
        try:
            target.parent.mkdir(exist_ok=True)
            os.replace(temporary, target)
        except OSError as error:
            raise self._refusal("write", error) from error

    def _holds(self, root: Root, data: memoryview) -> bool:
        """Say whether just these bytes lie under this root: comparing takes a quarter of the time of hashing."""
        try:
            found = self._open(root)
        except BlobCorrupt:
            return False
        if found is None:
            return False
        handle, length = found
        try:
            if length != data.nbytes:
                return False
            if self._wrote.get(root) == _stamp(os.fstat(handle)):
                return True  # just as this object wrote it: the same inode, never touched since
            wanted = np.frombuffer(data, np.uint8)
            block = np.empty(min(length, COMPARE_BYTES), np.uint8)
            for start in range(0, length, COMPARE_BYTES):
                count = os.readv(handle, [block.data])  # fewer only where the file was cut
                if not np.array_equal(block[:count], wanted[start : start + COMPARE_BYTES]):
                    return False
            return True
        except OSError as error:
            raise self._refusal("read", error) from error
        finally:
            os.close(handle)

    def _open(self, root: Root) -> tuple[int, int] | None:
        """Return (file descriptor, length), or None if there is no such file."""
        try:
            # A link or a pipe that somebody laid here is not followed and not waited for.
            handle = os.open(_place(self._folder, root), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise BlobCorrupt(f"blob {short(root)} in {self.path} is a link") from error
            raise self._refusal("read", error) from error
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise BlobCorrupt(f"blob {short(root)} in {self.path} is not a plain file")
        return handle, status.st_size

    def _refusal(self, verb: str, error: OSError) -> StoreError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return StoreError(f"{self._setting}: no room left for a blob below {self.path}: {error.strerror}")
        return StoreError(f"{self._setting}: cannot {verb} below {self.path}: {error.strerror}")


def _place(folder: str, root: Root) -> str:
    """Return where a blob lies below a folder, as text: paths as objects take longer than what is done with a file."""
    name = root.hex()
    return f"{folder}/{name[:2]}/{name}"


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    """Return what tells a file from another one of the same name, and from itself after somebody wrote to it."""
    return status.st_ino, status.st_size, status.st_mtime_ns
