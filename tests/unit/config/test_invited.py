"""What is taken of an invitation, which is somebody else's file; whoever joins has the last word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.config import Settings, check_join, load
from rayfed.config.invited import composed, offered, read
from rayfed.config.invited_checks import OURS, is_built
from rayfed.encoding.layout import Frozen
from rayfed.errors import ConfigError
from rayfed.protocol.invitation import Invitation
from tests.unit.protocol.test_invitation import MADE

FOUNDER = [
    "+experiment=images", "ledger=rpc", "ledger.rpc_url=https://u:hidden@rpc.example.org/v2/hidden",
    "ledger.key_file=k", "ledger.allow_demo_times=true", "model=resnet18", "train.epochs=7", "train/optimizer=adam",
    "store=s3", "store.bucket=blobs", "data.root=/home/founder", "screens=cosine",
    "ledger.payout_address=0x" + "56" * 20,
]  # fmt: skip


def given(folder: Path, settings: Any, **changes: Any) -> Path:
    """Write an invitation with these settings in it."""
    path = folder / "invitation.json"
    path.write_text(replace(MADE, settings=settings, **changes).to_json())
    return path


def joined(path: Path, *words: str) -> Settings:
    settings = load(composed([str(path), *words]))
    check_join(settings)
    return settings


def test_an_invitation_and_the_data_are_enough(tmp_path: Path) -> None:
    founder = load(FOUNDER)
    settings, withheld = offered(founder)
    assert withheld == ()
    path = given(tmp_path, settings)
    made = joined(path, "data.root=mine", "train.epochs=2")
    assert (made.federation_address, made.charter) == (MADE.federation, str(path))
    assert (made.model, made.task) == (founder.model, founder.task)
    assert made.screens == founder.screens
    assert (made.store.kind, made.store.bucket) == ("s3", "blobs")
    assert (made.ledger.kind, made.ledger.rpc_url, made.ledger.chain_id) == ("rpc", MADE.rpc[0], 5)
    assert (made.data.kind, made.data.root) == ("image_folder", str(Path("mine").absolute()))
    assert made.train.optimizer == founder.train.optimizer
    assert made.train.epochs == 2, "the joiner has the last word"
    assert joined(path, "data.root=mine").train.epochs == 7
    assert made.federation.nodes == 1


def test_nothing_of_the_founders_own_is_in_it() -> None:
    settings, _ = offered(load(FOUNDER))
    written = Invitation.to_json(replace(MADE, settings=settings))
    for own in ("hidden", "/home/founder", "56" * 20, "key_file", "payout"):
        assert own not in written


def test_what_a_joiner_has_to_bring_is_named(tmp_path: Path) -> None:
    path = given(tmp_path, offered(load(FOUNDER))[0])
    with pytest.raises(ConfigError, match=r"^data\.root: image_folder needs the folder of the images"):
        joined(path)


def test_who_only_watches_needs_neither_data_nor_model(tmp_path: Path) -> None:
    settings, _ = offered(load(FOUNDER))
    settings["model"] = {"_target_": "my.own.Thing"}
    watched = load(composed([str(given(tmp_path, settings))], learns=False))
    check_join(watched)
    assert (watched.store.bucket, watched.ledger.rpc_url) == ("blobs", MADE.rpc[0])
    assert watched.federation_address == MADE.federation


def test_who_knows_no_node_of_the_chain_is_told_so(tmp_path: Path) -> None:
    path = given(tmp_path, offered(load(FOUNDER))[0], rpc=())
    with pytest.raises(ConfigError, match=r"^ledger\.rpc_url: "):
        joined(path, "data.root=mine")
    assert joined(path, "data.root=mine", "ledger.rpc_url=http://h:1").ledger.rpc_url == "http://h:1"


@pytest.mark.parametrize("group", ["model", "task", "train.optimizer", "train.schedule"])
def test_no_invitation_chooses_which_code_runs_here(tmp_path: Path, group: str) -> None:
    settings, _ = offered(load(FOUNDER))
    node = settings
    *before, last = group.split(".")
    for part in before:
        node = node[part]
    node[last] = {"_target_": "os.system", "command": "true"}
    path = given(tmp_path, settings)
    with pytest.raises(ConfigError, match=rf"^{group}\._target_: the invitation names 'os\.system', which is code"):
        joined(path, "data.root=mine")
    made = joined(path, "data.root=mine", f"{group}._target_=my.own.Thing")
    chosen = made.train if before else made
    assert getattr(chosen, last)["_target_"] == "my.own.Thing"


@pytest.mark.parametrize(
    "target",
    [
        *("rayfed.cli.main.main", "torch.load", "torchvision.models._api.f", "torchvision.models.get_model"),
        # What builds anything, and stands beside the classes in their modules.
        *("rayfed.learning.models.build", "rayfed.learning.models.locate", "rayfed.learning.models.load_file"),
        *("rayfed.learning.tasks.call", "rayfed.learning.tasks.build", "torch.optim.lr_scheduler.partial"),
    ],
)
def test_only_what_builds_is_built(tmp_path: Path, target: str) -> None:
    settings, _ = offered(load(FOUNDER))
    # ``models.build`` would have made this of it: os.system("touch ...").
    inner = {"_target_": "os.system", "command": f"touch {tmp_path}/ran"}
    settings["model"] = {"_target_": target, "model": inner, "seed": 0}
    with pytest.raises(ConfigError, match=r"^model\._target_: "):
        joined(given(tmp_path, settings), "data.root=mine")


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "???"])
def test_nothing_in_it_is_evaluated(tmp_path: Path, text: str) -> None:
    settings, _ = offered(load(FOUNDER))
    settings["store"]["prefix"] = text
    with pytest.raises(ConfigError, match=r"^invitation: holds "):
        joined(given(tmp_path, settings), "data.root=mine")


def test_no_other_options_are_composed_by_it(tmp_path: Path) -> None:
    settings, _ = offered(load(FOUNDER))
    settings["model"]["defaults"] = [{"/ledger@_global_.ledger": "devchain"}]
    with pytest.raises(ConfigError, match=r"^invitation: holds 'defaults'"):
        joined(given(tmp_path, settings), "data.root=mine")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("data.image_size", value) for value in ({"a": 1}, -1, "[1" * 300)),
        *(("store.bucket", value) for value in ({"a": 1}, [["x"]])),
        *(("screens.a", value) for value in ({"a": 1}, -1)),
    ],
)
def test_values_that_are_none_are_one_line(tmp_path: Path, key: str, value: Any) -> None:
    settings, _ = offered(load(FOUNDER))
    group, name = key.split(".")
    settings[group][name] = value
    with pytest.raises(ConfigError) as caught:
        joined(given(tmp_path, settings), "data.root=mine")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500


def test_no_account_and_no_path_is_taken_from_it(tmp_path: Path) -> None:
    settings, _ = offered(load(FOUNDER))
    settings["ledger"] |= {"payout_address": "0x" + "56" * 20, "key_file": "/etc/key"}
    settings["data"]["root"] = "/etc"
    settings |= {"track": {"tracking_uri": "http://spy"}, "cluster": {"address": "h:1"}, "learner": {"_target_": "x.Y"}}
    made = joined(given(tmp_path, settings), "data.root=mine")
    assert (made.ledger.payout_address, made.ledger.key_file, made.cluster.address) == (None, None, None)
    assert "spy" not in str(made.track.tracking_uri)
    assert made.learner["_target_"].startswith("rayfed.")


def test_what_every_party_has_another_one_of_is_not_taken_from_it(tmp_path: Path) -> None:
    # A Kubo of the writer's, and a file here whose first line would be sent there as the credentials for it.
    settings, _ = offered(load([*FOUNDER, "store=ipfs"]))
    key = tmp_path / "key"
    key.write_text("0x" + "11" * 32)
    settings["store"] |= {"rpc_url": "http://spy.example.org:5001", "auth_file": str(key), "key_file": str(key)}
    settings["store"] |= {"listen": "0.0.0.0:53", "external": ["1.2.3.4:53"], "keep_rounds": 1, "order": ["ipfs"]}
    made = joined(given(tmp_path, settings), "data.root=mine").store
    assert (made.kind, made.order) == ("ipfs", ["ipfs"])
    plain = Settings().store
    for name in ("rpc_url", "auth_file", "key_file", "listen", "external", "keep_rounds"):
        assert getattr(made, name) == getattr(plain, name), name


def test_weights_here_are_nothing_that_a_founder_knows_of(tmp_path: Path) -> None:
    settings, _ = offered(load(FOUNDER))
    settings["model"]["pretrained"] = "/etc/passwd"
    assert joined(given(tmp_path, settings), "data.root=mine").model["pretrained"] is None


def test_no_invitation_has_a_node_see_its_chain_too_late(tmp_path: Path) -> None:
    settings, _ = offered(load(FOUNDER))
    for blocks in (10_000, "64"):
        settings["ledger"]["confirmations"] = blocks
        with pytest.raises(ConfigError, match=r"^ledger\.confirmations: the invitation has this node wait for "):
            joined(given(tmp_path, settings), "data.root=mine")
    assert joined(given(tmp_path, settings), "data.root=mine", "ledger.confirmations=3").ledger.confirmations == 3


def test_a_shared_folder_is_taken_if_it_is_one_and_asked_for_else(tmp_path: Path) -> None:
    shared = tmp_path / "blobs"
    words = [*FOUNDER, "store=files", f"store.path={shared}"]
    path = given(tmp_path, offered(load(words))[0])
    with pytest.raises(ConfigError, match=r"^store\.path: the federation's blobs are in a folder that all"):
        joined(path, "data.root=mine")
    assert joined(path, "data.root=mine", "store.path=here").store.path == str(Path("here").absolute())
    (shared / "0a").mkdir(parents=True)
    assert joined(path, "data.root=mine").store.path == str(shared)
    (shared / "something.else").touch()
    with pytest.raises(ConfigError, match=r"^store\.path: "):
        joined(path, "data.root=mine")


def test_weights_and_code_of_the_founders_stay_and_are_named(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.touch()
    settings, withheld = offered(load([*FOUNDER, f"model.pretrained={weights}"]))
    assert settings["model"]["pretrained"] is None
    assert [line.partition(":")[0] for line in withheld] == ["model.pretrained"]
    named = replace(MADE.charter, model={**MADE.charter.model, "pretrained": "sha256:" + "ab" * 32})
    assert joined(given(tmp_path, settings, charter=named), "data.root=mine").model["pretrained"] is None, "by a member"
    # What is frozen comes from the store, unless the charter does not say where it is there.
    for frozen in (Frozen(b"\1" * 32, 5, 700, b"\2" * 32), Frozen(b"\1" * 32, 5)):
        held = replace(named, layout=replace(named.layout, frozen=frozen))
        path = given(tmp_path, settings, charter=held)
        if frozen.root:
            assert joined(path, "data.root=mine").model["pretrained"] is None
    with pytest.raises(ConfigError, match=rf"^model\.pretrained: .* whose SHA-256 is {'ab' * 32}: get it from"):
        joined(path, "data.root=mine")
    assert joined(path, "data.root=mine", f"model.pretrained={weights}").model["pretrained"] == str(weights)


def test_what_of_a_store_is_a_partys_own_is_not_in_it() -> None:
    words = [*FOUNDER, "store=p2p", "store.listen=10.0.0.1:4001", "store.external=['1.2.3.4:4001']"]
    words.append("federation.nodes=1")
    settings, _ = offered(load([*words, "store.relay=https://relay.example.org", "store.confidential=true"]))
    assert settings["store"] == {"kind": "p2p", "confidential": True, "relay": "https://relay.example.org"}
    settings, _ = offered(load([*FOUNDER, "store=ipfs", "store.rpc_url=http://10.0.0.1:5001"]))
    assert settings["store"] == {"kind": "ipfs", "confidential": None, "peers": []}


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^invitation: cannot read .*: No such file"):
        composed([str(tmp_path / "nowhere")])
    (tmp_path / "raw").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"^invitation: .* cannot be used: it is damaged, or no invitation: no text"):
        read(tmp_path / "raw")


def test_what_an_invitation_may_name_is_there_and_builds() -> None:
    import torch
    from torchvision import models

    from rayfed.learning.targets import locate

    found = {f"{module}.{name}": locate(f"{module}.{name}", "x") for module, names in OURS.items() for name in names}
    assert all(isinstance(one, type) and one.__module__.startswith("rayfed.learning.") for one in found.values())
    for name in ("models", "networks"):
        named = [found[one] for one in found if f".{name}." in one]
        assert all(issubclass(one, torch.nn.Module) for one in named)
    named = [one for one in dir(models) if is_built(f"torchvision.models.{one}") and callable(getattr(models, one))]
    assert named
    assert set(named) <= set(models.list_models())
    assert is_built("torch.optim.Adam")
    assert is_built("torch.optim.lr_scheduler.StepLR")


def test_words_without_an_invitation_are_as_they_are() -> None:
    for words in ([], ["seed=1", "+charter=c"], ["--cfg", "job", "seed=1"], ["-m", "seed=1,2"]):
        assert composed(words) == words
