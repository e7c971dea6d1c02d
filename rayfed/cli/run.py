"""``python -m rayfed [run]``, ``join`` and ``watch``: federations, as Hydra applications."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.cli.complaints import FAILED, complain
from rayfed.cli.hydra_app import application
from rayfed.reporting.told import told
from rayfed.runtime import resume

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(words: list[str]) -> int:
    """Found a federation or resume one, train it, show what came of it."""

    def job(cfg: DictConfig, output: Path) -> int:
        from rayfed.config import check, plain, settings_from

        settings = settings_from(cfg)
        check(settings)
        from rayfed.runtime import launcher

        result = launcher.run(settings, plain(settings), output)
        for status in result.failed:
            line = f"node {status.slot} failed and does not hold the final model: {status.error}"
            complain(line)
            told.error(line)
        return FAILED if result.failed else 0

    return application(job, resume.command_line(words))


def join(words: list[str]) -> int:
    """Bring one party's node into a federation that is already there."""

    def job(cfg: DictConfig, output: Path) -> int:
        from rayfed.config import check_join, plain, settings_from

        settings = settings_from(cfg)
        check_join(settings)
        from rayfed.runtime import join

        join.join(settings, plain(settings), output)
        return 0

    from rayfed.config.invited import composed

    return application(job, composed(words))


def watch(words: list[str]) -> int:
    """Look after a federation without a seat in it; return FAILED where a wrong root was seen to stand."""

    def job(cfg: DictConfig, output: Path) -> int:
        from rayfed.config import check_join, settings_from

        settings = settings_from(cfg)
        check_join(settings)
        from rayfed.runtime import watching

        return FAILED if watching.watch(settings, output).settled_wrong else 0

    from rayfed.config.invited import composed

    return application(job, composed(words, learns=False))
