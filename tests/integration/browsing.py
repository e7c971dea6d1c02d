"""A real browser for tests: Chromium, driven by Playwright, and what is measured in its pages."""

from __future__ import annotations

import io
import os
import shutil
from typing import Any

import pytest
from PIL import Image

from tests.documents import ROOT

IMAGES = ROOT / "docs" / "images"

PATIENCE = 300_000
"""Milliseconds for what must appear; only a test that fails ever waits so long."""

SCREENS = {"desktop": (1180, 900), "phone": (390, 844)}
"""Width and height in CSS pixels."""


def chromium() -> str:
    """Return the path of a Chromium, or skip."""
    named = os.environ.get("RAYFED_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no Chromium: install one (apt-get install chromium), or set RAYFED_CHROMIUM to its path")
    return found


class Watched:
    """A page of the browser that remembers what went wrong in it."""

    def __init__(self, browser: Any, width: int, height: int, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def shot(self, name: str, rewrite: bool, **options: Any) -> None:
        """Take a screenshot; it goes to the documents if they are to be written anew."""
        picture = Image.open(io.BytesIO(self.page.screenshot(**options))).convert("RGB")
        assert len(picture.getcolors(1 << 24) or ()) > 8, "not blank"
        if rewrite:
            # Few colours and no dithering: a tenth of the bytes, and text stays sharp.
            small = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            small.save(IMAGES / f"{name}.png", optimize=True)


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    levels = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2), from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def scrolls_sideways(page: Any) -> bool:
    """Return whether the whole page is wider than the window; what is wide has to scroll in a box of its own."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
