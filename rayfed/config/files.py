"""Where the YAML files lie."""

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
