"""The end of a sweep (``--multirun``): the table of its runs, also of one that was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.cli.complaints import complain

if TYPE_CHECKING:
    from hydra.conf import HydraConf


class Sweep:
    """Learns on the way whether there is a sweep, and where.

    Attributes:
        errors: why runs have failed, by their folder.
    """

    def __init__(self) -> None:
        self.errors: dict[Path, str] = {}
        self._folder: Path | None = None

    def saw(self, hydra: HydraConf) -> None:
        """Take note of a run that begins, by Hydra's own settings for it."""
        from hydra.types import RunMode

        if hydra.mode is RunMode.MULTIRUN:
            self._folder = Path(hydra.sweep.dir).absolute()

    def tell(self) -> None:
        """Print the table of the runs so far and write it down; nothing where there was no sweep."""
        if self._folder is None:
            return
        from rich.console import Console

        from rayfed.reporting import sweep

        runs = sweep.read(self._folder, self.errors)
        try:
            sweep.write(runs, self._folder / sweep.FILE)
        except OSError as error:
            complain(f"hydra.sweep.dir: cannot write {self._folder / sweep.FILE}: {error.strerror}")
        sweep.show(runs, self._folder, Console())
