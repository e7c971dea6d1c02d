"""The reference of all settings, from the schema, its docstrings and the options in ``conf/``.

``python -m docs.settings`` prints the page. It is kept in ``docs/reference/settings.md``, so that it can be read
without a site; a test compares the two.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from rayfed.config import schema

CONF = Path(__file__).resolve().parents[1] / "conf"
GROUPS = sorted(
    {file.parent.relative_to(CONF).as_posix() for file in CONF.rglob("*.yaml")}
    - {".", "hydra/help", "hydra/job_logging"}
)
"""Hydra's groups: the folders of ``conf/``."""
PAGE = Path(__file__).parent / "reference" / "settings.md"
TOP = """\
# Settings

Every key, in the order in which the data flows. A value is set by `KEY=VALUE` on the command line, a whole option by
`GROUP=OPTION`, an experiment by `+experiment=NAME`, times for a real chain by `+profile=real`. This page is made from
the schema (`rayfed/config/groups`) and the files in `conf/`; the defaults here are the schema's, and options change
them. What a run really had is in its `.hydra/config.yaml`, and `--cfg job` shows it beforehand.

The mappings `model`, `train.optimizer`, `train.schedule` and `learner` take any parameter of the class that their
`_target_` names: `+model.KEY=VALUE` adds one.
"""


@dataclass(frozen=True)
class Setting:
    """One key: its type in words, its default as YAML, and what it means, from the docstring of its class."""

    key: str
    kind: str
    default: str
    meaning: str


def meanings(cls: type) -> dict[str, str]:
    """Return what the ``Attributes:`` section of a docstring says, by name; ``a, b: words`` says it of both."""
    section = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        entry = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if entry:
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("        ") and names:
            found |= dict.fromkeys(names, f"{found[names[0]]} {line.strip()}")
        elif line.strip():
            break
    return found


def walk(cls: type = schema.Settings, prefix: str = "") -> Iterator[tuple[str, type, list[Setting]]]:
    """Yield (dotted prefix, class, its own settings) of a schema class and then of all below it, in their order."""
    hints, said = get_type_hints(cls), meanings(cls)
    own: list[Setting] = []
    below: list[tuple[str, type]] = []
    for item in fields(cls):
        key, hint = f"{prefix}{item.name}", hints[item.name]
        if is_dataclass(hint):
            below.append((f"{key}.", hint))
        else:
            own.append(Setting(key, _kind(item, hint), _default(item), said.get(item.name, "")))
    yield prefix, cls, own
    for deeper, kind in below:
        yield from walk(kind, deeper)


def options(group: str) -> Iterator[tuple[str, str, str]]:
    """Yield (option, its first comment, what it sets) of each file of a group in ``conf/``."""
    for file in sorted((CONF / group).glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        comment = " ".join(line.lstrip("# ") for line in _head(text))
        yield file.stem, comment, ", ".join(f"`{key}={value}`" for key, value in _flat(yaml.safe_load(text)))


def page() -> str:
    """Return the whole page, as Markdown."""
    parts = [TOP]
    left = list(GROUPS)
    for prefix, cls, own in walk():
        title = prefix.rstrip(".") or "Top level"
        summary = (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")
        parts += [f"## {title}\n", f"{summary}\n", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for setting in own:
            row = (f"`{setting.key}`", setting.kind, f"`{setting.default}`", setting.meaning)
            parts.append(f"| {' | '.join(_cell(cell) for cell in row)} |")
        parts.append("")
        for group in [group for group in left if group.partition("/")[0] == title]:
            parts += _table_of(group)
            left.remove(group)
    for group in left:  # those that are no class of the schema
        parts += [f"## Group {group}\n", *_table_of(group)]
    return "\n".join(parts).rstrip() + "\n"


def _table_of(group: str) -> list[str]:
    rows = list(options(group))
    choose = f"+{group}" if group in ("experiment", "profile") else group
    lines = [f"Options of the group `{group}`, chosen by `{choose}=NAME`:\n", "| option | what it is | it sets |"]
    lines.append("| --- | --- | --- |")
    lines += [f"| `{name}` | {_cell(comment)} | {_cell(sets)} |" for name, comment, sets in rows]
    return [*lines, ""]


def _kind(item: Field[Any], hint: Any) -> str:
    if "choices" in item.metadata:
        return "one of " + ", ".join(f"`{choice}`" for choice in item.metadata["choices"])
    text = hint.__name__ if isinstance(hint, type) and not getattr(hint, "__args__", None) else str(hint)
    text = re.sub(r"typing\.", "", text).replace(" | None", " or null")
    text = text.replace("dict[str, Any]", "mapping").replace("list[Any]", "list").replace("list[str]", "list of words")
    if "low" in item.metadata:
        low, high, above = (item.metadata[name] for name in ("low", "high", "above"))
        text += f", {'more than ' if above else ''}{_short(low)} to {_short(high)}"
    return text


def _short(bound: float) -> str:
    if bound == int(bound):
        return f"{int(bound):,}" if abs(bound) < 1e12 else f"{bound:.2g}"
    return str(bound)


def _default(item: Field[Any]) -> str:
    value = item.default if item.default is not MISSING else item.default_factory()  # type: ignore[misc]
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def _head(text: str) -> Iterator[str]:
    """Yield the comment lines at a file's top, without Hydra's ``@package``."""
    for line in text.splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            return
        yield line


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in (node or {}).items():
        if key == "defaults":
            for entry in value:
                for group, option in entry.items() if isinstance(entry, dict) else ():
                    yield group.removeprefix("override /"), option
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            plain = yaml.safe_dump(value, default_flow_style=True, width=1000)
            yield f"{prefix}{key}", plain.removesuffix("...\n").strip()


def _cell(text: str) -> str:
    """Return text that Markdown leaves as it is, but for what stands in backticks."""
    pieces = re.split(r"(`+[^`]*`+)", text.replace("|", "\\|"))
    return "".join(p if p.startswith("`") else re.sub(r"([*<])", r"\\\1", p) for p in pieces)


if __name__ == "__main__":
    print(page(), end="")
