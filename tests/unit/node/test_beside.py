"""The frozen part of a model is given to who joins without its file, and to nobody whom the last model is kept from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rayfed.encoding.layout import FROZEN_FILE, Frozen
from rayfed.encoding.sealed import SealedForOthers
from rayfed.errors import StoreError
from rayfed.learning import frozen
from rayfed.node.beside import Beside
from rayfed.store.files import FileStore
from rayfed.store.files.shared import SharedFolder
from tests.unit.store.confidential.test_sealed_store import Members

VALUES = {"body.weight": torch.arange(700.0).view(7, 100), "body.count": torch.tensor(3)}


def written(folder: Path) -> tuple[Path, Frozen]:
    """Write a frozen part down as a node does."""
    frozen.write(VALUES, folder)
    agreed = frozen.describe(nn.Module(), VALUES)
    assert agreed is not None
    return folder / FROZEN_FILE, agreed


def test_it_is_published_under_its_root_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path, agreed = written(tmp_path / "mine")
    store, disk = SharedFolder(tmp_path / "shared", mapped=False), FileStore(tmp_path / "disk")
    Beside(path, agreed, store, disk, opens=True).publish()
    blob = bytes(store.get(agreed.root, agreed.blob_size))
    assert blob[: agreed.size] == path.read_bytes()
    assert not any(blob[agreed.size :])
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / FROZEN_FILE).write_bytes(blob[: agreed.size])
    back = frozen.given(tmp_path / "theirs" / FROZEN_FILE, agreed)
    assert all(frozen.same(back[name], value) for name, value in VALUES.items())
    path.unlink()
    Beside(path, agreed, store, disk, opens=True).publish()  # what the store has is not read again


def test_what_is_damaged_is_not_given(tmp_path: Path) -> None:
    path, agreed = written(tmp_path)
    store, disk = SharedFolder(tmp_path / "shared", mapped=False), FileStore(tmp_path / "disk")
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(StoreError, match=r"^the model's frozen part: .*frozen\.bin is damaged$"):
        Beside(path, agreed, store, disk, opens=True).publish()
    path.unlink()
    with pytest.raises(StoreError, match=r"^the model's frozen part: cannot read .*frozen\.bin: No such file"):
        Beside(path, agreed, store, disk, opens=True).publish()
    assert not store.has(agreed.root)


@pytest.mark.parametrize("opens", [True, False])
def test_where_blobs_are_encrypted_it_is_as_open_as_the_last_model(opens: bool, tmp_path: Path) -> None:
    path, agreed = written(tmp_path / "mine")
    members = Members(tmp_path)
    alice, bob = members.join("alice"), members.join("bob")
    stranger = members.opened("stranger", None, visits=True)
    Beside(path, agreed, alice, FileStore(tmp_path / "alice" / "disk"), opens).publish()
    assert bytes(bob.get(agreed.root, agreed.blob_size))[: agreed.size] == path.read_bytes()
    if opens:
        assert stranger.get(agreed.root, agreed.blob_size) == bob.get(agreed.root, agreed.blob_size)
    else:
        with pytest.raises(SealedForOthers):
            stranger.get(agreed.root, agreed.blob_size)
