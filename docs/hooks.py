"""What MkDocs runs while it builds the site: links that lead out of ``docs/``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)[^)\s#]*)(#[^)\s]*)?\)")
AWAITED = ("how-to/privacy.md", "how-to/keys.md", "robustness.md", "threat-model.md", "gas.md")
"""Pages that stand in the navigation and may not have been written yet."""


def on_config(config: Any) -> Any:
    """Leave out of the navigation what is not written yet."""
    config.nav = [entry for entry in map(_written, config.nav) if entry]
    return config


def _written(entry: Any) -> Any:
    """Return an entry of the navigation without the awaited pages that are not there; None if nothing is left."""
    if isinstance(entry, dict):
        ((title, inner),) = entry.items()
        if isinstance(inner, list):
            return {title: [kept for kept in map(_written, inner) if kept]}
        return None if inner in AWAITED and not (ROOT / "docs" / inner).is_file() else entry
    return entry


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Unlink what the repository has and the site has not."""
    return LINK.sub(lambda match: _link(match, Path(page.file.abs_src_path)), markdown)


def _link(match: re.Match[str], page: Path) -> str:
    """Return a link to a file of the repository as its text and path: a site has no address for it."""
    words, target = match[1], (page.parent / match[2]).resolve()
    if target.is_relative_to(ROOT / "docs") or not target.exists():
        return match[0]  # MkDocs checks it, and complains about what is not there
    path = target.relative_to(ROOT).as_posix()
    return f"{words} (`{path}`)" if path not in words else words
