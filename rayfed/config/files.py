"""Where things lie: the YAML files, a run's own folder, MLflow's database."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import rayfed
from rayfed.errors import ConfigError

REPORT = "report.html"
"""The run's page in its folder."""

WEIGHTS, CODE, CARD = "model.safetensors", "model.py", "model.md"
"""The final model there, the code that it takes, and what is to be known of it."""


def conf_dir() -> Path:
    """Return the folder of the YAML files: beside the package in a clone, inside it in an installed wheel."""
    package = Path(rayfed.__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError("conf", f"config.yaml is neither in {package / 'conf'} nor in {package.parent / 'conf'}")


def unused(path: str | Path) -> str:
    """Make a folder that was not there before and return its path, with ``_2``, ``_3``, ... behind it where it was.

    Two runs may start in the same second; making the folder decides between them, looking for it would not.

    Raises:
        ConfigError: naming ``hydra.run.dir``: the folder cannot be made.
    """
    wanted = Path(path).expanduser()
    folder, number = wanted, 1
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
                folder = wanted.with_name(f"{wanted.name}_{number}")
            else:
                return str(folder)
    except OSError as error:
        raise ConfigError("hydra.run.dir", f"cannot make the folder {wanted}: {error.strerror}") from error


SQLITE = "sqlite:///"


def tracking_uri(uri: str | None, folder: Path) -> str:
    """Return the tracking URI that a setting means.

    Args:
        uri: the setting; None for what ``MLFLOW_TRACKING_URI`` says, as everywhere with MLflow, or else for SQLite in
            ``folder``; a relative SQLite path, or a bare path, is relative to ``folder``.
        folder: where the user started the command; a Ray actor's own working folder is another one.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    if uri is None:
        return f"{SQLITE}{_quoted(folder.resolve() / 'mlflow.db')}"
    if uri.startswith(SQLITE) and not uri.startswith(SQLITE + "/"):
        return f"{SQLITE}{_quoted(folder.resolve())}/{uri.removeprefix(SQLITE)}"
    if ":" not in uri and uri not in ("databricks", "uc"):
        return str(folder.resolve() / Path(uri).expanduser())
    return uri


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a tracking URI's database, or None where it names no SQLite file."""
    if not uri.startswith(f"{SQLITE}/"):
        return None
    return Path(unquote(uri.removeprefix(SQLITE).partition("?")[0]))


def _quoted(path: Path) -> str:
    """Return a path as it stands in a database's URI: what follows a question mark would be taken for options."""
    return str(path).replace("%", "%25").replace("?", "%3F")
