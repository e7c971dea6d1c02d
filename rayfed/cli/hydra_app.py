"""Runs a job as a Hydra application over rayfed's configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.cli.complaints import BAD_INPUT, complain, one_line, wants_trace
from rayfed.errors import RayfedError
from rayfed.reporting.told import told

if TYPE_CHECKING:
    from omegaconf import DictConfig


def application(job: Callable[[DictConfig, Path], int], words: list[str]) -> int:
    """Run ``job`` as a Hydra application; Hydra's own complaints become ``ConfigError``.

    In a sweep a job with bad settings does not keep the others from running; the exit code still tells, and a table of
    all runs comes at the end.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from rayfed.cli.keys import refuse_key_settings
    from rayfed.cli.sweep import Sweep
    from rayfed.config.compose import register
    from rayfed.config.explain import explain
    from rayfed.config.files import conf_dir
    from rayfed.config.secrets import by_environment

    refuse_key_settings(words)  # Hydra writes down what it was told before the settings are looked at
    trace = wants_trace()
    asked = os.environ.get("HYDRA_FULL_ERROR")
    code = 0
    sweep = Sweep()
    ours = False  # whether an exception came out of the job, and not out of what Hydra made of the command line

    def task(cfg: DictConfig) -> None:
        nonlocal code, ours
        _restore("HYDRA_FULL_ERROR", asked)
        try:
            output = Path(HydraConfig.get().runtime.output_dir)
            sweep.saw(HydraConfig.get())
            _hide(cfg, output)
            code = max(code, job(cfg, output))
        except RayfedError as error:
            if trace:
                raise
            complain(error)
            told.error(one_line(error))
            sweep.errors[output] = one_line(error)
            code = max(code, BAD_INPUT)
        except (KeyboardInterrupt, SystemExit) as error:
            told.error("interrupted" if isinstance(error, KeyboardInterrupt) else "terminated")
            raise
        except Exception as error:
            ours = True
            told.error("a bug: %s", error, exc_info=error)
            raise

    register()
    # Left to itself Hydra prints errors its own way and exits with 1; asked for full errors, it raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before = sys.argv
    try:
        with by_environment(words) as shown:
            sys.argv = ["rayfed", *shown]
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
    except Exception as error:
        # Some overrides (data=[1,2]) make Hydra fail with a plain TypeError or ValueError.
        if ours or isinstance(error, RayfedError | BrokenPipeError):
            raise
        raise explain(error) from error
    finally:
        sys.argv = before
        _restore("HYDRA_FULL_ERROR", asked)
        sweep.tell()
    return code


def _hide(cfg: DictConfig, output: Path) -> None:
    """Take the secrets of URLs in YAML files out of what Hydra has written into the run's folder."""
    from omegaconf import OmegaConf

    from rayfed.config.secrets import public_settings

    said = OmegaConf.to_container(cfg, resolve=False)
    shown = public_settings({str(key): value for key, value in said.items()}) if isinstance(said, dict) else said
    file = output / ".hydra" / "config.yaml"
    if shown != said and file.is_file():
        OmegaConf.save(OmegaConf.create(shown), file)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
