"""What scripts and notebooks call: ``rayfed.run``, ``rayfed.join``, ``rayfed.load_model``.

Progress goes to standard output: a table that is drawn anew in a terminal, plain lines elsewhere, which is what a
notebook shows well. All of them may be called from any thread; none of them touches the process's signal handlers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from rayfed.config import Settings
    from rayfed.runtime.results import RunResult

OUTPUTS = "outputs"
"""Where folders of runs are made, below the working folder, unless another one is asked for."""


def run(
    settings: Settings | Sequence[str] = (), *, output_dir: str | Path | None = None, progress: bool = True
) -> RunResult:
    """Found a federation, train it to its end, and return what came of it.

    Args:
        settings: checked or not, or overrides as on the command line: ``["federation.nodes=3", "merge=median"]``.
        output_dir: where the results go; by default a new folder below ``outputs/``. A run that was killed is resumed
            by calling this again with the same settings and the same folder.
        progress: whether to print what happens.

    Raises:
        RayfedError: one line that names the setting to change. Whatever was started has been stopped by then.
    """
    from rayfed.config import check, plain
    from rayfed.runtime import launcher, log_files

    chosen = _settings(settings)
    check(chosen)
    folder = _folder(chosen, output_dir)
    with log_files.kept(folder / log_files.RUN):
        return launcher.run(chosen, plain(chosen), folder, _console(progress))


def join(
    settings: Settings | Sequence[str], *, output_dir: str | Path | None = None, progress: bool = True
) -> RunResult:
    """Bring a node of one's own into a federation that is there already, stay until that is done, and return what came
    of it.

    Args:
        settings: with ``federation_address``, ``charter`` and the chain's; or words as on the command line:
            ``["invitation.json", "data.root=images"]``.
        output_dir: where the results go; by default a new folder below ``outputs/``.
        progress: whether to print what happens.

    Raises:
        RayfedError: one line that names the setting to change.
    """
    from rayfed.config import Settings, check_join, plain
    from rayfed.config.invited import composed
    from rayfed.runtime import join, log_files

    words = [settings] if isinstance(settings, str) else settings
    chosen = words if isinstance(words, Settings) else _settings(composed(list(words)))
    check_join(chosen)
    folder = _folder(chosen, output_dir)
    with log_files.kept(folder / log_files.RUN):
        return join.join(chosen, plain(chosen), folder, _console(progress))


def load_model(run: str | Path) -> nn.Module:
    """Return the model that a run ended with, in evaluation mode.

    Args:
        run: a run's output folder, which one trusts: its ``model.py`` loads ``model.safetensors``. Where these are
            missing, the model comes from the nodes' disks, checked against its root.

    Returns:
        (n, channels, height, width) float32, normalised as ``charter.json`` says under ``data``, to (n, classes).

    Raises:
        ConfigError: the run has not ended or is of the first edition, no round was final, or neither the folder nor a
            node's disk there holds the model.
    """
    from rayfed.config.files import WEIGHTS
    from rayfed.protocol.charter import Charter
    from rayfed.runtime.results import CHARTER, SUMMARY, check_edition

    folder = Path(run)
    check_edition(folder, "run")
    from rayfed.runtime import models

    if (folder / WEIGHTS).exists():
        return models.from_files(folder)
    root = json.loads(_text(folder / SUMMARY))["final_root"]
    if root is None:
        raise ConfigError("run", f"no round of the run in {folder} was final: there is no model")
    charter = Charter.from_json(_text(folder / CHARTER).rstrip("\n"))
    return models.from_folder(charter, bytes.fromhex(root.removeprefix("0x")), folder)


def _settings(settings: Settings | Sequence[str]) -> Settings:
    from rayfed.config import Settings, load

    if isinstance(settings, Settings):
        return settings
    return load([settings] if isinstance(settings, str) else list(settings))


def _folder(settings: Settings, chosen: str | Path | None) -> Path:
    from rayfed.config.files import unused

    if not chosen:
        return Path(unused(Path(OUTPUTS) / settings.name / f"{datetime.now():%Y-%m-%d_%H-%M-%S}")).absolute()
    folder = Path(chosen).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("output_dir", f"cannot make the folder {folder}: {error.strerror}") from error
    return folder


def _console(progress: bool) -> Console:
    from rich.console import Console

    # Rich's own way in a notebook is a block of HTML a line; plain lines can be read, copied and saved.
    return Console(highlight=False, force_jupyter=False, quiet=not progress)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigError("run", f"{path} cannot be read: {error.strerror}") from error
