"""The words that carry a run on after everything was killed at once: ``python -m rayfed resume=DIR``.

A node is a function of ledger, store, its own key and data, so there is nothing to restore but the places where they
are: the settings (Hydra keeps the words of the command line in the output folder), the charter, and where the
federation lives. A chain that the run had started itself is started anew from the state that it wrote.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rayfed.errors import ConfigError
from rayfed.runtime.results import SUMMARY, check_edition, finished

SETTING = "resume"


def command_line(words: Sequence[str]) -> list[str]:
    """Return the words that carry a run on, where they hold ``resume=DIR``; others as they are.

    They are the words of that run, with its output folder, and then what else was said, which has the last word. Paths
    in them are as the run saw them, so this process moves to the folder that it was started in.

    Raises:
        ConfigError: there is no run in DIR, or it is finished, or of the first edition.
    """
    chosen = [word for word in words if word.startswith(f"{SETTING}=")]
    if not chosen:
        return list(words)
    from omegaconf import OmegaConf

    folder = Path(chosen[-1].partition("=")[2]).expanduser().resolve()
    overrides, hydra = folder / ".hydra" / "overrides.yaml", folder / ".hydra" / "hydra.yaml"
    if not overrides.is_file() or not hydra.is_file():
        raise ConfigError(SETTING, f"there is no run in {folder}: give the output folder of one")
    check_edition(folder, SETTING)
    if finished(folder):
        raise ConfigError(SETTING, f"the run in {folder} is finished: see {folder / SUMMARY}")
    # As they were written: what they have from the environment (oc.env) is asked for anew.
    kept = OmegaConf.to_container(OmegaConf.load(overrides), resolve=False)
    said = [str(word) for word in kept] if isinstance(kept, list) else []
    os.chdir(str(OmegaConf.load(hydra).hydra.runtime.cwd))
    rest = [word for word in words if word not in chosen]
    return [*said, f"hydra.run.dir={folder}", *rest]
