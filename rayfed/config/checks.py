"""Checks of settings before anything starts. Every complaint is one line and begins with the key to change."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any

from rayfed.config import court_times, payout
from rayfed.config.groups.federation import MergeSettings
from rayfed.config.groups.learning import IMAGES
from rayfed.config.schema import Settings
from rayfed.encoding.urls import public
from rayfed.errors import ConfigError
from rayfed.store.registry import options_of

COINS = ("dlc", "native")

DLC_SUPPLY = 1e9
"""How many DeepLearningCoins are made."""

OWNED = ("image_folder", "table", "text", "arrays", "custom")
"""Kinds of data that may say whose each example is."""

_TARGET = re.compile(r"\w+(\.\w+)*[.:]\w+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def check(settings: Settings) -> None:
    """Raise ``ConfigError`` for the first setting that cannot work."""
    _each_field(settings, "")
    if not re.fullmatch(r"[\w.+-]+", settings.name) or settings.name.strip(".") == "":
        raise ConfigError("name", f"{settings.name!r} cannot name a folder: letters, digits and ._+- only")
    _federation(settings)
    _merge(settings)
    _stake(settings)
    _learning(settings)
    _screens(settings)
    _attack(settings)
    _track(settings.track.register)
    _outside(settings)
    founds_elsewhere = settings.ledger.kind != "devchain" and settings.federation_address is None
    if founds_elsewhere and not settings.ledger.allow_demo_times:
        court_times.check(settings)


def check_join(settings: Settings) -> None:
    """As ``check``, for one party's node that goes into a federation which is already there."""
    check(settings)
    address = settings.federation_address
    if address is None:
        raise ConfigError(
            "federation_address", "say which federation to join: join INVITATION, or +federation_address=0x..."
        )
    if settings.charter is None:
        raise ConfigError("charter", "say where the federation's charter lies: +charter=charter.json")
    if settings.ledger.kind != "rpc":
        raise ConfigError("ledger", "a federation that is already there needs ledger=rpc ledger.rpc_url=http://...")
    kind = settings.store.kind
    if options_of(settings.store).within_cluster and settings.cluster.address is None:
        raise ConfigError(
            "store", f"{kind} reaches only nodes of one Ray cluster: set cluster.address, or store=s3 or store=files"
        )


def suggest(word: str, known: list[str]) -> str:
    """Return '; did you mean X?' for the nearest of the known words, or nothing."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _each_field(node: Any, prefix: str) -> None:
    """Check what the schema says of each field by itself."""
    for item in fields(node):
        key, value = f"{prefix}{item.name}", getattr(node, item.name)
        if is_dataclass(value):
            _each_field(value, f"{key}.")
            continue
        choices = item.metadata.get("choices")
        if choices and value not in choices:
            raise ConfigError(key, f"there is no {value!r}{suggest(str(value), list(choices))} ({', '.join(choices)})")
        if "low" in item.metadata and value is not None:
            low, high, above = (item.metadata[name] for name in ("low", "high", "above"))
            # Written so that NaN fails.
            if not (low <= value <= high) or (above and value == low):
                least = f"greater than {_short(low)}" if above else f"{_short(low)}"
                raise ConfigError(key, f"{value} is out of range: {least} to {_short(high)}")


def _short(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _federation(settings: Settings) -> None:
    terms = settings.federation
    # Members that others start can come to a chain that is there for others too, and to no chain of this run's own.
    if terms.start > terms.nodes and settings.ledger.kind == "devchain":
        raise ConfigError(
            "federation.start_members",
            f"the federation waits for {terms.start} members, but federation.nodes starts only {terms.nodes}; "
            "others can join on a chain that they reach: ledger=rpc",
        )
    if terms.start > terms.nodes and settings.cluster.address is None and options_of(settings.store).within_cluster:
        raise ConfigError(
            "store",
            f"the federation waits for {terms.start - terms.nodes} more members, whom {settings.store.kind} does not "
            "reach outside of this run's own Ray cluster: store=ipfs, store=s3 or store=files",
        )
    if terms.fewest > terms.start:
        raise ConfigError(
            "federation.min_members", f"{terms.fewest} is more than federation.start_members ({terms.start})"
        )
    longest = max(terms.join_seconds, terms.longest)
    if terms.limit_seconds < longest:
        raise ConfigError(
            "federation.limit_seconds",
            f"{terms.limit_seconds} s without a final round end the federation, and one phase or round may last "
            f"{longest} s: at least so many",
        )


def _merge(settings: Settings) -> None:
    merge, nodes, trims = settings.merge, settings.federation.nodes, settings.merge.rule == "trimmed_mean"
    if merge.bits not in (32, 16, 8):
        raise ConfigError("merge.bits", f"an update's values have 32, 16 or 8 bits, not {merge.bits}")
    if trims and not 0 <= merge.trim < 0.5:
        raise ConfigError(
            "merge.trim", f"{merge.trim} is out of range: below 0.5, or nothing is left to take a mean of"
        )
    if merge.mixing == "nnm" and not merge.f:
        raise ConfigError("merge.f", "nnm needs to know how many Byzantine nodes to tolerate: at least 1")
    if settings.federation_address is not None:
        return
    cut = nodes * round(merge.trim * 10_000) // 10_000
    if trims and not cut:
        raise ConfigError(
            "merge.trim",
            f"{merge.trim} of {nodes} nodes is less than one, so nothing would be trimmed: "
            "choose a larger part, more nodes, or merge=mean",
        )
    if merge.f:
        _tolerates(merge, nodes, cut)


def _tolerates(merge: MergeSettings, nodes: int, cut: int) -> None:
    """Check that the merge tolerates ``merge.f`` Byzantine nodes."""
    if nodes <= 2 * merge.f:
        raise ConfigError(
            "merge.f", f"{merge.f} Byzantine nodes of {nodes} are not a minority: fewer than half, always"
        )
    if merge.rule in ("mean", "norm_clipping") and merge.mixing == "none":
        raise ConfigError(
            "merge.f", f"{merge.rule} tolerates no Byzantine node by itself: merge.f=0 and screens, or another rule"
        )
    if merge.rule == "trimmed_mean" and cut < merge.f:
        raise ConfigError(
            "merge.trim", f"{merge.trim} of {nodes} nodes trims {cut} at each end, which is less than merge.f={merge.f}"
        )
    if merge.mixing == "bucketing":
        buckets = -(-nodes // merge.bucket)
        if buckets <= 2 * merge.f:
            raise ConfigError(
                "merge.bucket",
                f"{buckets} buckets of {merge.bucket}, of which {merge.f} Byzantine nodes can spoil {merge.f}: more "
                "than twice as many are needed",
            )


def _stake(settings: Settings) -> None:
    stake, terms = settings.stake, settings.federation
    if stake.coin not in COINS and not (_ADDRESS.fullmatch(stake.coin) and int(stake.coin, 16)):
        words = f"{stake.coin!r} is neither dlc, native nor the address of a coin{suggest(stake.coin, [*COINS])}"
        raise ConfigError("stake.coin", words)
    if stake.pool is not None and 0 < stake.pool < stake.reward:
        words = f"{stake.pool:g} does not pay for one round; stake.reward is {stake.reward:g}"
        raise ConfigError("stake.pool", words)
    total = stake.amount * terms.nodes + (stake.reward * terms.rounds if stake.pool is None else stake.pool)
    if stake.coin == "dlc" and total > DLC_SUPPLY:
        words = f"stakes and rewards come to {total:g} DLC, and there are only {DLC_SUPPLY:g}"
        raise ConfigError("stake.amount", words)


def _learning(settings: Settings) -> None:
    train = settings.train
    _data(settings)
    _targeted(settings.model, "model")
    _targeted(settings.task, "task")
    _targeted(train.optimizer, "train.optimizer")
    if train.schedule is not None:
        _targeted(train.schedule, "train.schedule")
    if train.device == "cuda" and settings.cluster.num_gpus == 0:
        raise ConfigError("train.device", "cuda needs a GPU share for the nodes' actors: cluster.num_gpus=0.25")
    if train.device == "cpu" and settings.cluster.num_gpus > 0:
        raise ConfigError("train.device", "cpu would leave the GPUs that cluster.num_gpus reserves idle")
    _privacy(settings)
    _targeted(settings.learner, "learner")


def _data(settings: Settings) -> None:
    data = settings.data
    if data.kind in ("image_folder", "tiny_imagenet", "table", "arrays") and not data.root:
        what = "the folder of the images" if data.kind in IMAGES else "a file or a folder"
        raise ConfigError("data.root", f"{data.kind} needs {what}")
    if settings.partition.kind == "folders" and data.kind not in OWNED:
        words = f"folders needs data={OWNED[0]} (or {', '.join(OWNED[1:])}), not {data.kind}"
        raise ConfigError("partition.kind", words)
    target = data.target if isinstance(data.target, list) else [data.target or "last"]
    if not target or not all(isinstance(name, str) for name in target):
        raise ConfigError("data.target", f"{data.target!r} is neither the name of a column nor a list of names")
    if data.kind == "custom":
        _targeted(data.loader, "data.loader")
    if settings.attack.kind == "backdoor" and data.kind not in IMAGES:
        raise ConfigError("attack.kind", f"backdoor stamps images, and data={data.kind} has none")


def _screens(settings: Settings) -> None:
    from rayfed.aggregation import screens  # and NumPy, which those who only ask for help need not wait for

    nodes = settings.federation.nodes if settings.federation_address is None else None
    known = list(screens.names())
    for name, options in settings.screens.items():
        if name not in known:
            raise ConfigError(f"screens.{name}", f"there is no such screen{suggest(name, known)} ({', '.join(known)})")
        screens.check(name, options or {}, nodes)


def _track(model: str | None) -> None:
    if model is not None and (not model.strip() or set(model) & set("/:'")):
        raise ConfigError("track.register", f"{model!r} cannot name a model in MLflow: none of / : '")


def _attack(settings: Settings) -> None:
    from rayfed import attacks

    attack, known = settings.attack, ["none", *attacks.names()]
    if attack.kind not in known:
        raise ConfigError(
            "attack.kind", f"there is no {attack.kind!r}{suggest(attack.kind, known)} ({', '.join(known)})"
        )
    if attack.kind != "none" and attack.nodes > settings.federation.nodes:
        raise ConfigError("attack.nodes", f"{attack.nodes} dishonest nodes of {settings.federation.nodes}")
    denied = attack.options.get("denied") if attack.kind == "withheld" else 0
    if denied and settings.store.kind != "p2p":
        raise ConfigError("attack.options", f"denied: store={settings.store.kind} cannot tell who asks; store=p2p can")
    if denied and not 0 < denied <= (honest := settings.federation.nodes - attack.nodes):
        raise ConfigError("attack.options", f"denied: {denied} of {honest} honest nodes")


def _privacy(settings: Settings) -> None:
    privacy = settings.privacy
    asked = privacy.noise_multiplier is not None or privacy.target_epsilon is not None
    if privacy.kind == "dp" and not asked:
        raise ConfigError("privacy", "dp needs privacy.target_epsilon=8 or privacy.noise_multiplier=1.0")
    if privacy.kind == "none" and asked:
        raise ConfigError("privacy", "noise needs privacy=dp")


def _targeted(spec: dict[str, Any], key: str) -> None:
    """Check that a free-form group names a class; whether it takes the parameters is for the class to say."""
    target = spec.get("_target_")
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise ConfigError(f"{key}._target_", f"{target!r} is not the dotted path of a class, such as torch.optim.SGD")


def _outside(settings: Settings) -> None:
    ledger = settings.ledger
    if ledger.kind == "rpc":
        if not ledger.rpc_url:
            raise ConfigError("ledger.rpc_url", "ledger=rpc needs the address of a chain's node, http://HOST:PORT")
        if not ledger.rpc_url.startswith(("http://", "https://")):
            raise ConfigError("ledger.rpc_url", f"{_shown(ledger.rpc_url)!r} does not begin with http:// or https://")
        joins = settings.federation_address is not None
        if not ledger.key_file and not joins:
            raise ConfigError("ledger.key_file", "ledger=rpc needs a file with the key that pays the nodes' gas")
    if ledger.keystore and not ledger.password_file:
        raise ConfigError("ledger.password_file", "ledger.keystore is encrypted: say which file holds its password")
    if ledger.payout_address is not None:
        payout.check(ledger.payout_address)
    if ledger.spare_rpc_url and not ledger.spare_rpc_url.startswith(("http://", "https://")):
        url = _shown(ledger.spare_rpc_url)
        raise ConfigError("ledger.spare_rpc_url", f"{url!r} does not begin with http:// or https://")
    if ledger.ws_url and not ledger.ws_url.startswith(("ws://", "wss://")):
        raise ConfigError("ledger.ws_url", f"{_shown(ledger.ws_url)!r} does not begin with ws:// or wss://")
    store = options_of(settings.store)
    store.validate()
    if settings.federation_address is None:
        store.check_sharing(settings.federation.nodes)
    if settings.store.confidential and store.within_cluster:
        raise ConfigError(
            "store.confidential",
            f"{settings.store.kind} encrypts nothing: it gives blobs to one Ray cluster's nodes only",
        )
    address = settings.federation_address
    if address is not None and not _ADDRESS.fullmatch(address):
        raise ConfigError("federation_address", f"{address!r} is not an address: 0x and 40 hexadecimal digits")


def _shown(url: str) -> str:
    return public(url, path_is_secret=True)
