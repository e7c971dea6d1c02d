"""What a run leaves so that it can be carried on after everything was killed at once: ``python -m rayfed resume=DIR``.

A node is a function of ledger, store, its own key and data, so there is nothing to restore but the places where they
are: the settings (Hydra keeps the words of the command line in the output folder), the charter, and where the
federation lives. A chain that the run had started itself is started anew from the state that it wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError

SETTING = "resume"
FILE = "founded.json"
CHARTER = "charter.json"
SUMMARY = "summary.json"
CHAIN = "chain.json"
"""The state of a chain that the run started itself."""


@dataclass(frozen=True, slots=True)
class Founded:
    """A federation that a run has founded.

    Attributes:
        federation: the contract's address.
        chain_id: of the chain that it is on.
        block: the one that it was founded in.
        started: when the run was started, seconds since the epoch.
    """

    federation: Address
    chain_id: int
    block: int
    started: float

    def keep(self, folder: Path) -> None:
        """Write it down, in one step: a run that is killed here has founded a federation or it has not.

        Raises:
            ConfigError: naming ``hydra.run.dir``.
        """
        path = folder / FILE
        try:
            new = path.with_suffix(".new")
            new.write_text(json.dumps(asdict(self), indent=1) + "\n")
            new.replace(path)
        except OSError as error:
            raise ConfigError("hydra.run.dir", f"cannot write {path}: {error.strerror}") from error


def founded(folder: Path) -> Founded | None:
    """Return the federation that a run with this output folder has founded and not finished; None if there is none.

    Raises:
        ConfigError: the run is finished, or what it wrote cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    if (folder / SUMMARY).exists():
        raise ConfigError("hydra.run.dir", f"the run in {folder} is finished; choose another folder for a new one")
    try:
        return Founded(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("hydra.run.dir", f"{path} cannot be read: {error}") from error


def command_line(words: Sequence[str]) -> list[str]:
    """Return the words that carry a run on, where they hold ``resume=DIR``; others as they are.

    They are the words of that run, with its output folder, and then what else was said, which has the last word. Paths
    in them are as the run saw them, so this process moves to the folder that it was started in.

    Raises:
        ConfigError: there is no run in DIR.
    """
    chosen = [word for word in words if word.startswith(f"{SETTING}=")]
    if not chosen:
        return list(words)
    from omegaconf import OmegaConf

    folder = Path(chosen[-1].partition("=")[2]).expanduser().resolve()
    overrides, hydra = folder / ".hydra" / "overrides.yaml", folder / ".hydra" / "hydra.yaml"
    if not overrides.is_file() or not hydra.is_file():
        raise ConfigError(SETTING, f"there is no run in {folder}: give the output folder of one")
    if (folder / SUMMARY).exists():
        raise ConfigError(SETTING, f"the run in {folder} is finished: see {folder / SUMMARY}")
    said = [str(word) for word in OmegaConf.load(overrides)]
    os.chdir(str(OmegaConf.load(hydra).hydra.runtime.cwd))
    rest = [word for word in words if word not in chosen]
    return [*said, f"hydra.run.dir={folder}", *rest]
