"""Where things lie: the YAML files, MLflow's database."""

from __future__ import annotations

from pathlib import Path

import rayfed
from rayfed.errors import ConfigError


def conf_dir() -> Path:
    """Return the folder of the YAML files: beside the package in a clone, inside it in an installed wheel."""
    package = Path(rayfed.__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError("conf", f"config.yaml is neither in {package / 'conf'} nor in {package.parent / 'conf'}")


def tracking_uri(uri: str | None, folder: Path) -> str:
    """Return the tracking URI that a setting means.

    Args:
        uri: the setting; None for SQLite in ``folder``; a relative SQLite path is relative to ``folder``.
        folder: where the user started the command; a Ray actor's own working folder is another one.
    """
    if uri is None:
        return f"sqlite:///{folder.resolve() / 'mlflow.db'}"
    prefix = "sqlite:///"
    if uri.startswith(prefix) and not uri.startswith(prefix + "/"):
        return f"{prefix}{folder.resolve() / uri.removeprefix(prefix)}"
    return uri
