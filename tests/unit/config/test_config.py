"""Settings: what is composed, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import math
import pickle
import shlex
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from rayfed.config import Settings, check, check_join, conf_dir, load, plain
from rayfed.config.explain import GROUPS
from rayfed.errors import ConfigError

ADDRESS = "0x" + "ab" * 20
CHAIN = ["ledger=rpc", "ledger.rpc_url=http://h:1", "ledger.key_file=key"]
PLAYED = "ledger.allow_demo_times=true"


def test_defaults_are_the_digits() -> None:
    settings = load()
    assert (settings.name, settings.data.kind, settings.seed) == ("digits", "digits", 0)
    assert (settings.federation.nodes, settings.federation.rounds) == (4, 5)
    assert settings.model["_target_"] == "rayfed.learning.models.SmallCNN"
    assert list(settings.screens) == ["progress", "norm", "weight", "idle", "duplicate", "cosine", "holdout"]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().federation.nodes = 5  # type: ignore[misc]


def test_settings_travel_to_actors() -> None:
    settings = load(["train/schedule=cosine"])
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert plain(settings)["train"]["schedule"]["T_max"] == settings.federation.rounds


def test_unpickling_settings_needs_no_hydra() -> None:
    code = "import sys, rayfed.config; rayfed.config.Settings(); assert 'hydra' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_defaults_that_depend_on_others() -> None:
    terms = load(["federation.nodes=9"]).federation
    assert (terms.start, terms.fewest, terms.longest) == (9, 4, 960)
    terms = load(["federation.nodes=1"]).federation
    assert (terms.start, terms.fewest) == (1, 1)


def test_an_optimizer_replaces_the_other_wholly() -> None:
    assert "momentum" not in load(["train/optimizer=adam"]).train.optimizer
    settings = load(["train/optimizer=adam", "+train.optimizer.betas=[0.8,0.9]"])
    assert settings.train.optimizer["betas"] == [0.8, 0.9]


def test_a_model_of_ones_own_takes_any_parameter() -> None:
    settings = load(["model._target_=my.models.Net", "+model.depth=3"])
    assert settings.model["depth"] == 3


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = ["data=image_folder", "data.root=pictures", "store=files", "ledger.anvil=anvil"]
    settings = load([*own, "model.pretrained=weights.pt"])
    assert settings.data.root == str(tmp_path / "pictures")
    assert settings.model["pretrained"] == str(tmp_path / "weights.pt")
    assert load(["model.pretrained=torchvision"]).model["pretrained"] == "torchvision"
    assert settings.store.path == str(tmp_path / "outputs/blobs")
    assert settings.data.cache_dir is None
    assert settings.track.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert settings.ledger.anvil == "anvil"


def test_an_rpc_url_alone_means_rpc() -> None:
    assert load(["ledger.rpc_url=http://localhost:8545", "ledger.key_file=key", PLAYED]).ledger.kind == "rpc"


def test_every_folder_of_conf_is_a_known_group() -> None:
    found = {str(path.parent.relative_to(conf_dir())) for path in conf_dir().glob("*/**/*.yaml")}
    assert {name for name in found if not name.startswith("hydra")} == set(GROUPS)


def test_every_option_composes() -> None:
    options = [
        [f"{group}={path.stem}" for path in sorted((conf_dir() / group).glob("*.yaml"))]
        for group in GROUPS
        if group not in ("data", "experiment", "profile")
    ]
    needed = [
        "store.bucket=b",
        "data=image_folder",
        "data.root=/d",
        "ledger.rpc_url=http://h:1",
        "ledger.key_file=k",
        PLAYED,
    ]
    needed.append("federation.nodes=8")  # krum needs more than four
    for column in zip_longest(*options):  # the first option of every group, then the second of every group ...
        assert isinstance(load([*needed, *(option for option in column if option)]), Settings)


@pytest.mark.parametrize("kind", sorted(path.stem for path in (conf_dir() / "data").glob("*.yaml")))
def test_every_data_set_composes(kind: str) -> None:
    assert load([f"data={kind}", "data.root=/d"]).data.kind == kind


def test_screens_are_chosen_as_a_group_and_one_by_one() -> None:
    assert load(["screens=none"]).screens == {}
    assert load(["screens=krum", "federation.nodes=5"]).screens == {"krum": {"f": 1}}
    chosen = load(["screens.cosine.gap=0.3", "screens.norm.factor=9", "~screens.holdout"]).screens
    assert list(chosen) == ["progress", "norm", "weight", "idle", "duplicate", "cosine"], (
        "in the order in which they are applied"
    )
    assert chosen["norm"] == {"factor": 9, "usual": 1.0}
    assert chosen["cosine"] == {**load([]).screens["cosine"], "gap": 0.3}
    assert load(["screens=none", "+screens.cosine.gap=0.2"]).screens == {"cosine": {"gap": 0.2}}


def test_an_attack_is_one_word_on_any_experiment() -> None:
    settings = load(["+experiment=cifar10", "attack=sign_flip", "attack.nodes=2", "attack.options.scale=3"])
    assert (settings.attack.kind, settings.attack.nodes, settings.attack.options) == ("sign_flip", 2, {"scale": 3})
    assert load().attack.kind == "none"


TYPED = [
    # what was typed, the setting that is named, words that help
    (["data=cifar12"], "data", "did you mean cifar10?"),
    (["merge=medan"], "merge", "median, nnm, norm_clipping, trimmed_mean)"),
    (["train/optimizer=adm"], "train/optimizer", "did you mean adam?"),
    (["+experiment=cifar11"], "experiment", "did you mean cifar10?"),
    (["experiment=cifar10"], "experiment", "use +experiment=cifar10"),
    (["dat=x"], "dat", "did you mean data?"),
    (["+dat=x"], "dat", "groups: data, partition"),
    (["data.rot=x"], "data.rot", "did you mean data.root?"),
    (["+data.rot=x"], "data.rot", "did you mean data.root?"),
    (["++data.augment.flop=true"], "data.augment.flop", "did you mean data.augment.flip?"),
    (["nodes=8"], "nodes", "did you mean federation.nodes?"),
    (["lr=1"], "lr", "did you mean train.optimizer.lr?"),
    (["train.optimizer.nesterov=true"], "train.optimizer.nesterov", "write +train.optimizer.nesterov=VALUE"),
    (["screens.krum.f=0"], "screens.krum", "write +screens.krum=VALUE"),
    (["screens=krm"], "screens", "did you mean krum?"),
    (["seed=abc"], "seed", "could not be converted to Integer"),
    (["seed=1.5"], "seed", "could not be converted to Integer"),
    (["seed=1,2"], "seed", "--multirun"),
    (["seed=-1"], "seed", "out of range"),
    (["data=["], "data=[", "cannot be read as name=value"),
    (["data.root=a (1)"], "data.root=a (1)", """for the shell: "data.root='a (1)'\""""),
    (["data.root=a=b"], "data.root=a=b", """for the shell: "data.root='a=b'\""""),
    (["data.root=$a=b"], "data.root=$a=b", """for the shell: 'data.root='"'"'$a=b'"'"''"""),
    (["name=it's"], "name=it's", r"""(there is a single '); quote a value with special characters"""),
    (["name=it's"], "name=it's", r"""for the shell: 'name='"'"'it\'"'"'s'"'"''"""),
    (['name=6"'], 'name=6"', """(there is a single "); quote a value"""),
    (["train.schedule._target_=x.Y"], "train.schedule", "choose one first (train/schedule=cosine)"),
    (["+train.schedule.gamma=2"], "train.schedule", "choose one first (train/schedule=cosine)"),
    (["=3"], "command line", "a word begins with '='"),
    (["data.kind=???"], "data.kind", "has no value"),
    (["profile=real"], "profile", "use +profile=real"),
    (["+profile=reel"], "profile", "did you mean real?"),
    # of the first edition of the protocol
    (["federation.quorum=1/3"], "federation.quorum", "more than two thirds of the roster, always"),
    (["+federation.quorum=1/3"], "federation.quorum", "more than two thirds of the roster, always"),
    (["stake.challenge_seconds=60"], "stake.challenge_seconds", "stake.window_seconds"),
    (["stake.refused_share=0"], "stake.refused_share", "leave it out"),
    (["stake.challenger_share=0.5"], "stake.challenger_share", "stake.right_share"),
    (CHAIN, "stake.window_seconds", "10 s are a demonstration's"),
    ([*CHAIN, "+profile=real", "stake.clock_seconds=3599"], "stake.clock_seconds", "+profile=real has hours"),
    ([*CHAIN, "+profile=real", "cluster.linger_seconds=7799"], "cluster.linger_seconds", "less than the 7800 s"),
]

WRONG = [
    # what is set, the setting that is named, words that help
    ({"data.kind": "mnist"}, "data.kind", "tiny_imagenet"),
    ({"name": "a/b"}, "name", "cannot name a folder"),
    ({"federation.nodes": 0}, "federation.nodes", "1 to 256"),
    ({"federation.nodes": 257}, "federation.nodes", "1 to 256"),
    ({"federation.rounds": 0}, "federation.rounds", "out of range"),
    ({"federation.vote_seconds": 0}, "federation.vote_seconds", "out of range"),
    ({"federation.max_missed": 8}, "federation.max_missed", "0 to 7"),
    ({"federation.start_members": 5}, "federation.start_members", "only 4"),
    ({"federation.min_members": 4, "federation.start_members": 3}, "federation.min_members", "more than"),
    ({"stake.coin": "dl"}, "stake.coin", "did you mean dlc?"),
    ({"stake.coin": "0x" + "0" * 40}, "stake.coin", "neither dlc"),
    ({"stake.amount": -1.0}, "stake.amount", "out of range"),
    ({"stake.bond": 0.0}, "stake.bond", "greater than 0"),
    ({"stake.pool": 5.0}, "stake.pool", "does not pay for one round"),
    ({"stake.amount": 1e9}, "stake.amount", "there are only"),
    ({"stake.bond": 1e11}, "stake.bond", "out of range"),
    ({"stake.right_share": 0.11}, "stake.right_share", "0 to 0.1"),
    ({"stake.window_seconds": 0}, "stake.window_seconds", "out of range"),
    ({"stake.clock_seconds": 0}, "stake.clock_seconds", "out of range"),
    ({"stake.proof_seconds": 0}, "stake.proof_seconds", "out of range"),
    ({"federation.max_unsettled": 17}, "federation.max_unsettled", "1 to 16"),
    ({"federation.max_void": 0}, "federation.max_void", "out of range"),
    ({"federation.limit_seconds": 959}, "federation.limit_seconds", "may last 960 s"),
    ({"track.register": "models:/digits"}, "track.register", "cannot name a model"),
    ({"track.register": " "}, "track.register", "cannot name a model"),
    ({"merge.rule": "trimmed_mean", "merge.trim": 0.5}, "merge.trim", "below 0.5"),
    ({"merge.rule": "trimmed_mean", "merge.trim": math.nan}, "merge.trim", "below 0.5"),
    ({"merge.rule": "trimmed_mean", "merge.trim": 0.1}, "merge.trim", "nothing would be trimmed"),
    ({"attack.kind": "sign_flop"}, "attack.kind", "did you mean sign_flip?"),
    ({"attack.kind": "sign_flip", "attack.nodes": 5}, "attack.nodes", "5 dishonest nodes of 4"),
    ({"attack.kind": "withheld", "attack.options": {"denied": 2}}, "attack.options", "cannot tell who asks; store=p2p"),
    (
        {"attack.kind": "withheld", "attack.options": {"denied": 4}, "store.kind": "p2p"},
        "attack.options",
        "denied: 4 of 3 honest nodes",
    ),
    ({"merge.f": 2, "merge.rule": "median"}, "merge.f", "not a minority"),
    ({"merge.f": 1}, "merge.f", "mean tolerates no Byzantine node"),
    ({"merge.f": 128}, "merge.f", "out of range"),
    ({"merge.f": 1, "merge.rule": "norm_clipping"}, "merge.f", "tolerates no Byzantine node"),
    ({"merge.f": 2, "merge.rule": "trimmed_mean", "merge.trim": 0.2, "federation.nodes": 9}, "merge.trim", "trims 1"),
    ({"merge.mixing": "nnm"}, "merge.f", "at least 1"),
    ({"merge.f": 1, "merge.rule": "median", "merge.mixing": "bucketing"}, "merge.bucket", "2 buckets of 2"),
    ({"merge.rule": "centred_clipping", "merge.clip": 0}, "merge.clip", "greater than 0"),
    ({"merge.iterations": 0}, "merge.iterations", "out of range"),
    ({"merge.max_weight": 0}, "merge.max_weight", "out of range"),
    ({"partition.alpha": 0}, "partition.alpha", "greater than 0"),
    ({"partition.alpha": math.nan}, "partition.alpha", "out of range"),
    ({"partition.kind": "folders"}, "partition.kind", "image_folder"),
    ({"data.kind": "image_folder"}, "data.root", "needs the folder"),
    ({"data.augment.shift": 0.6}, "data.augment.shift", "0 to 0.5"),
    ({"model": {"_target_": None}}, "model._target_", "not the dotted path"),
    ({"train.optimizer": {"_target_": "SGD"}}, "train.optimizer._target_", "not the dotted path"),
    ({"train.batch_size": 0}, "train.batch_size", "out of range"),
    ({"train.epochs": 0}, "train.epochs", "out of range"),
    ({"train.precision": "fp16"}, "train.precision", "fp32, bf16"),
    ({"train.device": "cuda"}, "train.device", "cluster.num_gpus"),
    ({"train.device": "cpu", "cluster.num_gpus": 0.25}, "train.device", "idle"),
    ({"screens": {"nrm": {"factor": 3}}}, "screens.nrm", "did you mean norm?"),
    ({"screens": {"norm": {"facter": 3}}}, "screens.norm", "do not fit"),
    ({"screens": {"norm": {"factor": 1}}}, "screens.norm.factor", "greater than 1"),
    ({"screens": {"krum": {"f": 1}}}, "screens.krum.f", "more than 2f + 2 = 4"),
    ({"screens": {"multi_krum": {"f": 0, "keep": 5}}}, "screens.multi_krum.keep", "no room"),
    ({"screens": {"duplicate": {"usual": 0}}}, "screens.duplicate.usual", "greater than 0"),
    ({"screens": {"holdout": {"apart": -1}}}, "screens.holdout.apart", "must not be negative"),
    ({"screens": {"holdout": {"own": -1}}}, "screens.holdout.own", "must not be negative"),
    ({"screens": {"cosine": {"gap": 3}}}, "screens.cosine.gap", "at most 2"),
    ({"ledger.kind": "rpc"}, "ledger.rpc_url", "http://HOST:PORT"),
    ({"ledger.kind": "rpc", "ledger.rpc_url": "localhost:8545"}, "ledger.rpc_url", "does not begin with"),
    ({"ledger.kind": "rpc", "ledger.rpc_url": "http://h:1"}, "ledger.key_file", "pays"),
    ({"learner": {}}, "learner._target_", "not the dotted path"),
    ({"ledger.spare_rpc_url": "h:1"}, "ledger.spare_rpc_url", "does not begin with"),
    ({"ledger.ws_url": "http://h:1"}, "ledger.ws_url", "does not begin with"),
    ({"ledger.chain_id": 0}, "ledger.chain_id", "out of range"),
    ({"store.kind": "s3"}, "store.bucket", "needs the name of a bucket"),
    (
        {"store.kind": "s3", "store.bucket": "b", "store.endpoint_url": "host"},
        "store.endpoint_url",
        "does not begin with",
    ),
    ({"store.kind": "files"}, "store.path", "needs a folder"),
    ({"store.kind": "p2p", "store.listen": "0.0.0.0:7842"}, "store.listen", "a port serves one node"),
    ({"store.kind": "p2p", "store.external": ["8.8.8.8:1"]}, "store.external", "a port serves one node"),
    ({"store.kind": "p2p", "store.listen": "localhost:0"}, "store.listen", "is not IP:PORT"),
    ({"store.confidential": True}, "store.confidential", "encrypts nothing"),
    ({"federation.final_model": "friends"}, "federation.final_model", "there is no 'friends'"),
    ({"cluster.nodes_per_actor": 0}, "cluster.nodes_per_actor", "out of range"),
    ({"cluster.num_cpus": -1}, "cluster.num_cpus", "out of range"),
    ({"federation_address": "0x12"}, "federation_address", "40 hexadecimal digits"),
]


@pytest.mark.parametrize(("typed", "setting", "words"), TYPED, ids=[" ".join(case[0]) for case in TYPED])
def test_what_cannot_be_composed_names_the_setting(typed: list[str], setting: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(typed)
    assert caught.value.setting == setting
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def changed(node: Any, key: str, value: Any) -> Any:
    """Return the settings with one dotted key changed."""
    first, _, rest = key.partition(".")
    return dataclasses.replace(node, **{first: changed(getattr(node, first), rest, value) if rest else value})


@pytest.fixture(scope="module")
def good() -> Settings:
    return load()


@pytest.mark.parametrize(("values", "setting", "words"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_what_cannot_work_names_the_setting(good: Settings, values: dict[str, Any], setting: str, words: str) -> None:
    settings = good
    for key, value in values.items():
        settings = changed(settings, key, value)
    with pytest.raises(ConfigError) as caught:
        check(settings)
    assert caught.value.setting == setting
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_load_checks_too() -> None:
    with pytest.raises(ConfigError, match=r"^federation.nodes: 257 is out of range: 1 to 256$"):
        load(["federation.nodes=257"])


@pytest.mark.parametrize(
    ("typed", "setting"),
    [
        ([], "federation_address"),
        ([f"+federation_address={ADDRESS}"], "charter"),
        ([f"+federation_address={ADDRESS}", "+charter=c.json"], "ledger"),
        ([f"+federation_address={ADDRESS}", "+charter=c.json", *CHAIN], "store"),  # whose times are the charter's
    ],
)
def test_joining_needs_a_federation_a_chain_and_a_store(typed: list[str], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_join(load(typed))
    assert caught.value.setting == setting


def test_joining_with_all_that_is_needed() -> None:
    settings = load([f"federation_address={ADDRESS}", "charter=c.json", *CHAIN, "store=s3", "store.bucket=b"])
    check_join(settings)
    assert Path(str(settings.charter)).is_absolute()


def test_members_that_others_start_can_be_waited_for_on_a_chain_that_is_theirs_too() -> None:
    chain = ["ledger.rpc_url=http://h:1", "ledger.key_file=k", PLAYED]
    few = ["federation.nodes=1", "federation.start_members=3"]
    for store in (["store=ipfs"], ["store=s3", "store.bucket=b"], ["cluster=existing"]):
        assert load([*few, *store, *chain]).federation.start == 3
    with pytest.raises(ConfigError, match=r"^store: the federation waits for 2 more members, whom ray_peers does not"):
        load([*few, *chain])  # nobody else is in this run's own Ray cluster
    with pytest.raises(ConfigError, match="ledger=rpc"):
        load(few)


def test_times_of_the_court_on_a_chain_where_others_are() -> None:
    real = load([*CHAIN, "+experiment=cifar10_paper", "+profile=real"])
    assert real.federation.commit_seconds is None, "what training takes is measured"
    said = load([*CHAIN, "+experiment=cifar10_paper", "+profile=real", "federation.commit_seconds=864000"])
    assert (said.federation.commit, real.federation.commit) == (864_000, 600)
    court = real.stake.window_seconds, real.stake.clock_seconds, real.stake.proof_seconds
    assert min(court) >= 3600
    assert min(real.federation.vote_seconds, real.federation.attest_seconds) >= 600
    assert load([*CHAIN, PLAYED]).stake.window_seconds == 10


def test_on_a_chain_where_others_are_nobody_needs_a_coin_of_the_founders() -> None:
    assert load([*CHAIN, "+profile=real"]).stake.coin == "native"
    assert load([*CHAIN, "+profile=real", "stake=none"]).stake.amount == 0
    dlc = load([*CHAIN, "+profile=real", "stake=dlc"]).stake
    assert (dlc.coin, dlc.amount, dlc.bond) == ("dlc", 100, 0.1)


@pytest.mark.parametrize("root", ["a (1)", "a=b", "it's", "a, b", "{a}", "a:b [c]"])
def test_the_advice_to_quote_is_right(root: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load([f"data.root={root}", "data.root=a=b"])
    told = str(caught.value)
    if root in told:  # else Hydra can read it, and the second one is what it cannot
        (word,) = shlex.split(told.rpartition("for the shell: ")[2])
        assert load([word]).data.root == str(Path(root).absolute())
