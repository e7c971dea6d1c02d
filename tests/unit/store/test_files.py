"""FileStore: whole files or none, no copy on the own disk, nobody else's links and pipes on a shared one."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import rayfed
from rayfed.config.groups.store import StoreSettings
from rayfed.encoding import merkle
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError, StoreError
from rayfed.store import Site, options_of
from rayfed.store.files.disk import ABANDONED_SECONDS, FileStore
from rayfed.store.files.options import FilesOptions

SIZE = 3 * 4096


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


@pytest.fixture(params=[True, False], ids=["mapped", "copied"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "blobs", mapped=request.param)


def leftovers(store: FileStore) -> list[Path]:
    return list(store.path.rglob("*.part"))


def test_a_blob_lies_under_its_root_and_nothing_else_is_left(store: FileStore) -> None:
    root, data = blob_of(1)
    store.put(root, data)
    assert [file for file in store.path.rglob("*") if file.is_file()] == [store.file(root)]
    assert store.file(root).read_bytes() == data
    assert store.file(root).name == root.hex()
    assert list(store.roots()) == [root]


def test_own_disk_is_read_without_a_copy_and_a_shared_folder_with_one(tmp_path: Path) -> None:
    root, data = blob_of(1)
    own, shared = FileStore(tmp_path), FileStore(tmp_path, mapped=False)
    own.put(root, data)
    view, copy = own.get(root, SIZE), shared.get(root, SIZE)
    with open(own.file(root), "r+b") as file:
        file.write(b"\xff" if data[0] != 0xFF else b"\x00")
    assert view[0] != data[0]
    assert copy == data


def test_views_are_read_only_and_outlive_the_file(store: FileStore) -> None:
    root, data = blob_of(2)
    store.put(root, data)
    view = store.get(root, SIZE)
    assert view.readonly
    assert store.prune(keep=()) == 1
    store.close()
    assert view == data
    assert not store.has(root)


def test_a_view_of_any_item_size_can_be_put(store: FileStore) -> None:
    values = np.arange(2048, dtype="<i4")
    root = merkle.root(memoryview(values.tobytes()))
    store.put(root, values.data)
    assert store.get(root, values.nbytes) == values.tobytes()


def test_putting_again_leaves_a_whole_file_alone_and_mends_a_damaged_one(store: FileStore) -> None:
    root, data = blob_of(3)
    store.put(root, data)
    inode = store.file(root).stat().st_ino
    store.put(root, data)
    assert store.file(root).stat().st_ino == inode
    for damage in (bytes(SIZE), bytes(4096), b""):
        store.file(root).write_bytes(damage)
        store.put(root, data)
        assert store.get(root, SIZE) == data


def test_a_huge_file_is_refused_by_its_length_alone(store: FileStore) -> None:
    root, data = blob_of(4)
    store.put(root, data)
    os.truncate(store.file(root), 1 << 42)  # 4 TiB, all hole: reading it would not end
    with pytest.raises(BlobCorrupt, match=f"{1 << 42} bytes instead of {SIZE}"):
        store.get(root, SIZE)


def test_links_pipes_and_folders_are_no_blobs(store: FileStore, tmp_path: Path) -> None:
    root, data = blob_of(5)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(data)
    place = store.file(root)
    place.parent.mkdir()
    place.symlink_to(elsewhere)
    with pytest.raises(BlobCorrupt, match="link"):
        store.get(root, SIZE)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(BlobCorrupt, match="not a plain file"):
        store.get(root, SIZE)
    store.put(root, data)
    assert store.get(root, SIZE) == data
    place.unlink()
    place.mkdir()
    with pytest.raises(BlobCorrupt, match="not a plain file"):
        store.get(root, SIZE)
    with pytest.raises(StoreError, match=r"store\.path"):
        store.put(root, data)
    assert leftovers(store) == []


def test_durable_puts_read_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path, durable=True)
    root, data = blob_of(7)
    store.put(root, data)
    assert store.get(root, SIZE) == data


def test_prune_keeps_what_it_is_told_and_clears_what_killed_writers_left(store: FileStore) -> None:
    blobs = [blob_of(seed) for seed in range(4)]
    for root, data in blobs:
        store.put(root, data)
    old, new = store.path / ".old.part", store.path / ".new.part"
    for file in (old, new):
        file.write_bytes(b"half")
    past = time.time() - 2 * ABANDONED_SECONDS
    os.utime(old, (past, past))
    stranger = store.path / "README"
    stranger.write_text("not ours")
    kept = {blobs[0][0], blobs[2][0]}
    assert store.prune(kept) == 2
    assert set(store.roots()) == kept
    assert not old.exists()
    assert new.exists()
    assert stranger.exists()


def test_readers_never_see_half_a_file(store: FileStore) -> None:
    root, data = blob_of(9, 64 * 4096)
    stop = threading.Event()
    seen: list[int] = []
    wrong: list[BaseException] = []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append(store.get(root, data.nbytes).nbytes)
            except BlobMissing:
                continue
            except BaseException as error:
                wrong.append(error)
                raise

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        store.file(root).unlink(missing_ok=True)
        store.put(root, data)
    while not seen and reader.is_alive():
        time.sleep(0.001)
    stop.set()
    reader.join()
    assert not wrong
    assert seen


@contextmanager
def no_long_files() -> Iterator[None]:
    """Let the kernel refuse files of more than 4096 bytes, as a full disk or a quota would.

    No fixture: its limit would hold while pytest writes to what may be a file as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_the_kernel_does_not_let_grow_names_the_setting(tmp_path: Path) -> None:
    root, data = blob_of(10)
    store = FileStore(tmp_path, setting="cluster.state_dir")
    with no_long_files(), pytest.raises(StoreError, match=r"^cluster\.state_dir: no room left"):
        store.put(root, data)
    assert not store.has(root)
    assert leftovers(store) == []


FULL_DISK = """
import sys
from rayfed.errors import StoreError
from rayfed.store.files import FileStore
store = FileStore(sys.argv[1])
try:
    store.put(bytes(32), memoryview(bytes(1 << 20)))
except StoreError as error:
    print(error)
print(list(store.path.rglob("*.part")), store.has(bytes(32)))
"""


def test_a_full_disk_names_the_setting_and_kills_nobody(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("a small disk of one's own takes unshare (util-linux)")
    mount = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if subprocess.run([*mount, f"mount -t tmpfs -o size=64k none {tmp_path}"], capture_output=True).returncode:
        pytest.skip("this kernel lets users mount nothing")
    script = f'mount -t tmpfs -o size=64k none {tmp_path} && exec "$0" -c "$1" {tmp_path}'
    run = subprocess.run(
        [*mount, script, sys.executable, FULL_DISK],
        capture_output=True,
        text=True,
        cwd=Path(rayfed.__path__[0]).parent,
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 0, run.stderr
    assert lines == [f"store.path: no room left for a blob below {tmp_path}: No space left on device", "[] False"]


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^store\.path: cannot make the folder"):
        FileStore(tmp_path / "file" / "blobs")


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"kind": "ipfs"}, "store.kind"),
        ({"kind": "ray_peers"}, "store.kind"),
        ({"kind": "files"}, "store.path"),
        ({"kind": "s3"}, "store.bucket"),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "minio:9000"}, "store.endpoint_url"),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "http://"}, "store.endpoint_url"),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "http://host:port"}, "store.endpoint_url"),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "https://me:secret@host"}, "store.endpoint_url"),
        ({"kind": "s3", "bucket": "b", "endpoint_url": "https://me:secret@host:port"}, "store.endpoint_url"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, str], setting: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        options_of(StoreSettings(**settings)).open(Site(FileStore(tmp_path), ""))
    assert caught.value.setting == setting
    assert "secret" not in str(caught.value)


def test_its_options_open_a_shared_folder(tmp_path: Path) -> None:
    root, data = blob_of(11)
    options = FilesOptions(path=str(tmp_path / "shared"))
    store = options.open(Site(FileStore(tmp_path / "own"), ""))
    store.put(root, data)
    assert store.get(root, SIZE) == data
    assert (tmp_path / "shared").is_dir()
    assert not any((tmp_path / "own").iterdir())


def test_nodes_of_one_process_share_a_file(tmp_path: Path) -> None:
    one, other, late = (FileStore(tmp_path / name) for name in ("one", "other", "late"))
    data = memoryview(bytes(range(256)) * 32)
    root = merkle.root(data)
    assert not other.link(root, one)  # there is nothing yet
    one.put(root, data)
    assert other.link(root, one)
    assert other.file(root).samefile(one.file(root))
    assert other.get(root, len(data)) == data
    assert not other.link(root, one)  # it is there already
    one.file(root).write_bytes(bytes(len(data)))
    assert not late.link(root, one)  # damaged since
    late.put(root, data)
    assert late.get(root, len(data)) == data


def test_putting_again_what_was_damaged_in_the_meantime_repairs_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "blobs")
    data = memoryview(bytes(range(256)) * 32)
    root = merkle.root(data)
    store.put(root, data)
    before = store.file(root).stat()
    store.put(root, data)
    assert store.file(root).stat().st_ino == before.st_ino  # as it was written: not written again
    store.file(root).write_bytes(bytes(len(data)))
    os.utime(store.file(root), ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    store.put(root, data)
    assert store.get(root, len(data)) == data
