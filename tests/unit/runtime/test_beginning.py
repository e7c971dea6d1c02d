"""A federation begins from another one's last model: only from just that one, whatever lies in the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rayfed.config import Settings, load
from rayfed.encoding import codec, merkle
from rayfed.errors import ConfigError, RayfedError
from rayfed.learning import material, states
from rayfed.ledger.backend import Locator
from rayfed.protocol.charter import Charter
from rayfed.runtime import beginning, drafting, model_files
from rayfed.runtime.place import Place
from rayfed.store.files import FileStore
from tests.fake_run import FEDERATION

WORDS = ["train.threads=1", "model.width=4", "model.hidden=8"]


@pytest.fixture(scope="module")
def fresh() -> Charter:
    return drafting.draft(load(WORDS))


@pytest.fixture
def run(tmp_path: Path, fresh: Charter) -> Path:
    """The folder of a run that has ended with some model."""
    model = material.rebuilt(fresh.model, fresh.data, fresh.layout)
    draw = torch.Generator().manual_seed(3)
    rough = {name: value + 0.1 * torch.randn(value.shape, generator=draw) for name, value in model.state_dict().items()}
    blob = codec.encode(fresh.layout, rough, codec.Header.merged(0)).blob
    root = merkle.root(blob)
    model.load_state_dict(codec.decode(fresh.layout, blob, out=model.state_dict()))
    FileStore(tmp_path / "nodes" / FEDERATION / "node-0" / "blobs").put(root, blob)
    states.widen(model)
    place = Place(FEDERATION, Locator("devchain", 31337), fresh.canonical_json())
    files = model_files.of(model, root, place, load(WORDS).model)
    (tmp_path / "charter.json").write_text(place.charter)
    (tmp_path / "model.safetensors").write_bytes(files.weights)
    (tmp_path / "summary.json").write_text(json.dumps({"final_root": "0x" + root.hex()}))
    return tmp_path


def begins(run: Path) -> Settings:
    return load([*WORDS, f"model.pretrained={run}"])


def test_it_begins_from_the_model_of_the_final_root_which_the_charter_names(run: Path, fresh: Charter) -> None:
    found = beginning.found(begins(run), run)
    assert found.settings.model["pretrained"] == str(run / "model.safetensors")
    root = json.loads((run / "summary.json").read_text())["final_root"]
    charter = drafting.draft(found.settings, source=found.source)
    assert charter.genesis_source == {
        "seed": 0,
        "federation": FEDERATION,
        "chain_id": 31337,
        "charter": "0x" + fresh.hash.hex(),
        "root": root,
    }
    assert str(charter.model["pretrained"]).startswith("sha256:")
    assert charter.genesis != fresh.genesis
    assert Charter.from_json(charter.canonical_json()).hash == charter.hash
    (run / "summary.json").unlink()  # whoever joined has none
    assert beginning.found(begins(run), run) == found


def test_a_file_or_nothing_is_left_as_it_is(run: Path) -> None:
    for settings in (load(WORDS), begins(run / "model.safetensors")):
        assert beginning.found(settings, run) == beginning.Beginning(settings, {})


def test_the_same_model_is_the_same_file_for_everybody(run: Path, fresh: Charter) -> None:
    model = material.rebuilt(fresh.model, fresh.data, fresh.layout)
    states.widen(model)
    model.load_state_dict(load_file(run / "model.safetensors"))
    stated = beginning.stated_of(run / "model.safetensors")
    place = Place(FEDERATION, Locator("devchain", 31337), fresh.canonical_json())
    again = model_files.of(model, bytes.fromhex(stated["root"][2:]), place, load(WORDS).model)
    assert again.weights == (run / "model.safetensors").read_bytes()


def test_what_is_not_that_model_is_refused_in_one_line(run: Path, tmp_path: Path, fresh: Charter) -> None:
    file, blob = run / "model.safetensors", next(run.rglob("blobs/??/*"))
    whole, metadata = load_file(file), beginning.stated_of(file)

    def refused(words: str) -> None:
        with pytest.raises(ConfigError, match=rf"^model\.pretrained: .*{words}") as caught:
            beginning.found(begins(run), run)
        assert "\n" not in str(caught.value)

    name = "classifier.4.bias"
    other = {**whole, name: whole[name].clone()}
    other[name][0] += 1e-6
    save_file(other, file, metadata)
    refused(rf"is not the model of the final root 0x\w+: {name} differs")
    save_file({**whole, "more": torch.ones(3)}, file, metadata)
    refused("more differs")
    save_file({key: value for key, value in whole.items() if key != name}, file, metadata)
    refused(f"lacks '{name}'")
    save_file(whole, file, {**metadata, "charter": "0x" + "00" * 32})
    refused("is of another federation than")
    save_file(whole, file)
    refused("not the folder of a run with a final model: 'root'|'federation'")
    file.write_bytes(b"no tensors")
    refused("cannot be read")
    save_file(whole, file, metadata)
    beginning.found(begins(run), run)
    blob.write_bytes(bytes(len(blob.read_bytes())))
    refused("no node's disk in .* holds the model")
    (run / "charter.json").write_text(replace(fresh, name="other").canonical_json())
    refused("is of another federation than")
    (run / "charter.json").unlink()
    refused(r"charter\.json: No such file")


def test_hosts_that_are_gone_leave_the_model_on_their_disks(
    run: Path, fresh: Charter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(FEDERATION, Locator("devchain", 31337), fresh.canonical_json())
    root = bytes.fromhex(json.loads((run / "summary.json").read_text())["final_root"][2:])
    before = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()

    def gone() -> None:
        raise RayfedError("one of the federation's processes has ended for good")

    sources = [gone, lambda: model_files.from_disks(load(WORDS), place, root, run / "nodes")]
    assert not model_files.keep(run, place, root, sources[:1], {})
    assert "model.safetensors is not written: one of the federation's processes" in caplog.text
    assert model_files.keep(run, place, root, sources, {})
    assert (run / "model.safetensors").read_bytes() == before
