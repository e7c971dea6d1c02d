"""The documents: the site builds without a warning, no link in it is dead, and its generated parts are up to date."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import get_type_hints
from urllib.parse import unquote, urlsplit

import pytest

import rayfed
from docs import code_hashes, command_line, make_diagrams, python_reference, settings
from rayfed.config import Settings
from tests.site import build

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """Collects a page's anchors and what it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.images_without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        source = str(given.get("href" if tag == "link" else "src") or "")
        if tag != "a" and given.get("rel") != "canonical" and source.startswith(("http:", "https:", "//")):
            self.fetched.append(source)
        if tag == "img" and not given.get("alt"):
            self.images_without_text.append(str(given.get("src")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The built site's pages by their path in it; built as strictly as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return {file.relative_to(folder): Page(file.read_text(encoding="utf-8")) for file in folder.rglob("*.html")} | {
        file.relative_to(folder): Page("") for file in folder.rglob("*") if file.is_file() and file.suffix != ".html"
    }


def test_every_link_and_anchor_leads_somewhere(site: dict[Path, Page]) -> None:
    dead = []
    checked = 0
    for path, page in site.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("data:"):
                continue
            checked += 1
            target = path if not parts.path else Path(_normal(path.parent / unquote(parts.path)))
            target = target / "index.html" if target not in site else target
            if target not in site:
                dead.append(f"{path}: {link}")
            elif parts.fragment and unquote(parts.fragment) not in site[target].anchors | {"__codelineno"}:
                dead.append(f"{path}: {link} (no such anchor)")
    assert checked > 500
    assert dead == []


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def test_the_pages_fetch_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    assert {str(path): page.fetched for path, page in site.items() if page.fetched} == {}


def test_every_image_has_an_alternative_text(site: dict[Path, Page]) -> None:
    assert {str(path): page.images_without_text for path, page in site.items() if page.images_without_text} == {}


def test_every_document_is_in_the_site(site: dict[Path, Page]) -> None:
    for source in DOCS.rglob("*.md"):
        assert source.relative_to(DOCS).with_suffix(".html") in site


# -- generated parts, which need no MkDocs -----------------------------------------------------------------------------


def test_every_setting_has_a_meaning() -> None:
    listed = [setting for _, _, own in settings.walk() for setting in own]
    assert [setting.key for setting in listed if not setting.meaning] == []
    assert {setting.key for setting in listed} == set(_keys(Settings, ""))
    known = {f"{prefix}{name}" for prefix, cls, _ in settings.walk() for name in settings.meanings(cls)}
    groups = {prefix.rstrip(".") for prefix, _, _ in settings.walk()}
    assert known <= {setting.key for setting in listed} | groups, "a docstring explains a setting that is not there"


def _keys(cls: type, prefix: str) -> list[str]:
    hints = get_type_hints(cls)
    return [
        key
        for item in fields(cls)
        for key in (
            _keys(hints[item.name], f"{prefix}{item.name}.")
            if is_dataclass(hints[item.name])
            else [f"{prefix}{item.name}"]
        )
    ]


def test_every_option_of_every_group_is_explained() -> None:
    assert {"data", "merge", "train/optimizer", "experiment"} <= set(settings.GROUPS)
    silent = [
        f"{group}={name}" for group in settings.GROUPS for name, comment, _ in settings.options(group) if not comment
    ]
    assert silent == []
    page = settings.page()
    for group in settings.GROUPS:
        for name, _, _ in settings.options(group):
            assert f"| `{name}` |" in page


@pytest.mark.parametrize(
    "reference", [code_hashes, command_line, python_reference, settings], ids=lambda module: module.PAGE.stem
)
def test_the_references_are_made_from_the_code(reference: ModuleType, request: pytest.FixtureRequest) -> None:
    page = reference.page()
    if request.config.getoption("--rewrite"):
        reference.PAGE.write_text(page, encoding="utf-8")
    assert reference.PAGE.read_text(encoding="utf-8") == page, "pytest --rewrite writes it anew"


def test_the_python_reference_explains_all_that_it_lists() -> None:
    page = python_reference.page()
    assert ":::" not in page
    for name in {*rayfed.__all__} - {"Settings", "__version__"}:  # the settings have a page of their own
        assert re.search(rf"^###+ rayfed[\w.]*\.{name}$", page, re.MULTILINE), name
    entries = re.split(r"^###+ ", page, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    words = [re.sub(r"```py\n.*?```", "", entry.partition("\n")[2], flags=re.DOTALL).strip() for entry in entries]
    assert [entry.splitlines()[0] for entry, said in zip(entries, words, strict=True) if not said] == []
    assert " at 0x" not in page, "the same in every run"


@pytest.mark.parametrize("name", make_diagrams.DIAGRAMS)
def test_the_diagrams_are_drawn_from_the_code(name: str, request: pytest.FixtureRequest) -> None:
    file = make_diagrams.IMAGES / f"{name}.svg"
    drawn = make_diagrams.DIAGRAMS[name]()
    if request.config.getoption("--rewrite"):
        file.write_text(drawn, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == drawn, "pytest --rewrite writes it anew"
