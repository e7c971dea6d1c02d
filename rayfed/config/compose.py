"""Hydra's door: registers the schema and turns what Hydra composed into ``Settings``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rayfed.config.explain import explain, unknown_key
from rayfed.config.files import conf_dir, tracking_uri, unused
from rayfed.config.gpus import share
from rayfed.config.groups.store import StoreSettings
from rayfed.config.schema import Settings
from rayfed.config.secrets import public_settings
from rayfed.errors import ConfigError

PATHS = {
    "data": ("root", "cache_dir"),
    "ledger": ("key_file", "key_dir", "keystore", "password_file"),
    "store": tuple(item.name for item in dataclasses.fields(StoreSettings) if item.metadata.get("is_path")),
    "cluster": ("state_dir",),
    "stake": ("allow_list",),
}
"""Settings that hold a path on this machine. ``ledger.anvil`` may be a bare name that is looked up in PATH."""


def register() -> None:
    """Tell Hydra the schema, how ``cluster=gpu`` shares GPUs, and what a new run's folder is called.

    Doing so twice does no harm.
    """
    schema = OmegaConf.structured(Settings)
    _writable(schema)  # OmegaConf takes "frozen" to mean that no YAML file may override anything
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("gpu_share", share, replace=True)
    # Cached by Hydra with the composed settings: a run asks for its folder several times, and has one.
    OmegaConf.register_new_resolver("unused", unused, replace=True, use_cache=True)


def settings_from(cfg: DictConfig) -> Settings:
    """Turn a composed config into frozen settings: interpolations resolved, paths absolute. Does not ``check`` them.

    Raises:
        ConfigError: a key that does not exist was added with ``+``, or a value is missing.
    """
    _only_known(cfg, Settings, "")
    try:
        settings = cast(Settings, OmegaConf.to_object(cfg))
    except OmegaConfBaseException as error:
        raise explain(error) from error
    if settings.ledger.rpc_url and settings.ledger.kind == "devchain":
        ledger = dataclasses.replace(settings.ledger, kind="rpc")
        settings = dataclasses.replace(settings, ledger=ledger)
    track = dataclasses.replace(settings.track, tracking_uri=tracking_uri(settings.track.tracking_uri, Path.cwd()))
    settings = dataclasses.replace(settings, track=track)
    if settings.charter:
        settings = dataclasses.replace(settings, charter=str(Path(settings.charter).expanduser().absolute()))
    # Actors have another working folder, so a relative path would mean something else to them.
    weights = settings.model.get("pretrained")
    if weights not in (None, "torchvision"):
        model = {**settings.model, "pretrained": str(Path(weights).expanduser().absolute())}
        settings = dataclasses.replace(settings, model=model)
    for group, names in PATHS.items():
        values = getattr(settings, group)
        given = {name: getattr(values, name) for name in names if getattr(values, name)}
        made = {name: str(Path(path).expanduser().absolute()) for name, path in given.items()}
        settings = dataclasses.replace(settings, **{group: dataclasses.replace(values, **made)})
    return settings


def written(folder: Path) -> Settings:
    """Return the settings that a run has kept in its folder, with what is secret in them from the environment.

    Raises:
        ConfigError: they cannot be read, or a variable of the environment is not set.
    """
    register()
    schema = OmegaConf.structured(Settings)
    _writable(schema)
    kept, hydra = folder / ".hydra" / "config.yaml", folder / ".hydra" / "hydra.yaml"
    try:
        cwd = OmegaConf.load(hydra).hydra.runtime.cwd if hydra.is_file() else Path.cwd()
        with chdir(cwd):  # from which relative paths were meant
            return settings_from(cast(DictConfig, OmegaConf.merge(schema, OmegaConf.load(kept))))
    except OSError as error:
        raise ConfigError("hydra.run.dir", f"cannot read the settings in {folder}: {error.strerror}") from error
    except OmegaConfBaseException as error:
        raise explain(error) from error


def plain(settings: Settings) -> dict[str, Any]:
    """Return the settings as dicts, lists, strings and numbers, for records: with no secret in their URLs."""
    return public_settings(dataclasses.asdict(settings))


def load(overrides: Sequence[str] = ()) -> Settings:
    """Compose, convert and check settings without a command line, as for a notebook or a test.

    Args:
        overrides: as on the command line, for instance ``["+experiment=cifar10", "federation.nodes=8"]``.

    Raises:
        ConfigError: anything is wrong with them.
    """
    from rayfed.config.checks import check

    register()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="rayfed"):
            composed = compose("config", overrides=list(overrides))
    except Exception as error:  # some overrides (data=[1,2]) make Hydra fail with a plain TypeError or AssertionError
        raise explain(error) from error
    settings = settings_from(composed)
    check(settings)
    return settings


def _writable(node: Any) -> None:
    OmegaConf.set_readonly(node, None)
    for key in node:
        child = node._get_node(key)
        if OmegaConf.is_config(child) and not child._is_none():
            _writable(child)


def _only_known(cfg: DictConfig, schema: type, prefix: str) -> None:
    """Refuse keys that the command line added with ``+`` and that the schema does not have."""
    known = {item.name: item for item in dataclasses.fields(schema)}
    for key in cfg:
        name = str(key)
        if name not in known:
            raise unknown_key(f"{prefix}{name}")
        child = cfg._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none():
            kind = OmegaConf.get_type(child)
            if kind is not None and dataclasses.is_dataclass(kind):
                _only_known(child, kind, f"{prefix}{name}.")
