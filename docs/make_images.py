"""Makes the images of README.md from a real run: ``python docs/make_images.py``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from rayfed.config import check, load, plain
from rayfed.protocol.messages import Phase
from rayfed.reporting import figures
from rayfed.reporting.live_table import LiveDisplay
from rayfed.runtime import launcher

IMAGES = Path(__file__).parent / "images"


class Recorded(LiveDisplay):
    """Keeps one drawing from the middle of the run and the panel at its end."""

    def __init__(self, rounds: int, output_dir: Path, *, name: str = "", console: Console | None = None) -> None:
        super().__init__(rounds, output_dir, name=name, console=Console(width=88, force_terminal=True))
        self._kept = False

    def update(self, view, statuses) -> None:  # type: ignore[no-untyped-def]
        super().update(view, statuses)
        busy = any(status.doing == "training" for status in statuses)
        if view is not None and view.round == 4 and view.phase is Phase.COMMIT and busy and not self._kept:
            self._kept = True
            self._save("running", lambda console: console.print(self._draw()))

    def final(self, summary) -> None:  # type: ignore[no-untyped-def]
        super().final(summary)
        screen = Console(record=True, width=88, force_terminal=True)
        shown, self._console = self._console, screen
        super().final(summary)
        self._console = shown
        screen.save_svg(str(IMAGES / "final.svg"), title="python -m rayfed")
        figures.accuracy(summary).savefig(IMAGES / "accuracy.png", dpi=110)

    @staticmethod
    def _save(name: str, draw) -> None:  # type: ignore[no-untyped-def]
        screen = Console(record=True, width=88, force_terminal=True)
        draw(screen)
        screen.save_svg(str(IMAGES / f"{name}.svg"), title="python -m rayfed")


def main() -> None:
    """Run the experiment ``digits`` once."""
    settings = load(["track=none"])
    check(settings)
    IMAGES.mkdir(exist_ok=True)
    launcher.LiveDisplay = Recorded  # type: ignore[misc,assignment]
    output = Path("outputs/digits/images")
    output.mkdir(parents=True, exist_ok=True)
    launcher.run(settings, plain(settings), output)


if __name__ == "__main__":
    main()
