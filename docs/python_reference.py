"""The reference of what the package offers to other code, from signatures and docstrings.

``python -m docs.python_reference`` prints the page. It is kept in ``docs/reference/python.md``, so that it can be read
without a site; a test compares the two.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).parent / "reference" / "python.md"
WIDTH = 100
"""Characters of a signature's line at most."""
SECTIONS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}
HIDDEN = {"ABC", "Enum", "IntEnum", "StrEnum", "object", "Protocol", "Generic", "NamedTuple"}
"""Bases that tell a reader nothing."""

TEMPLATE = """\
# Python

What the package offers to your own code. Importing `rayfed` imports nothing heavy. What is not here may change without
notice. This page is made from the code.

## Scripts and notebooks

`rayfed.run`, `rayfed.join`, `rayfed.load_model` and `rayfed.audit` do what the command line does.

<!-- not tested: takes a minute; tests/integration/test_notebook.py runs examples/from_a_notebook.py instead -->
```python
import rayfed

result = rayfed.run(["federation.nodes=3", "federation.rounds=2"])
model = rayfed.load_model(result.folder)
assert rayfed.audit(result.folder).clean
```

::: rayfed.runtime.api:run as rayfed.run
::: rayfed.runtime.api:join as rayfed.join
::: rayfed.runtime.api:load_model as rayfed.load_model
::: rayfed.audit.folder:audit_folder as rayfed.audit
::: rayfed.runtime.results:RunResult

## Settings { #python-settings }

::: rayfed.config:load as rayfed.load
::: rayfed.config:check

<!-- test: fast -->
```python
from rayfed import load

settings = load(["+experiment=cifar10", "federation.nodes=4"])
assert settings.federation.nodes == 4
```

## Learning

::: rayfed.learning:Learner
::: rayfed.learning:Update
::: rayfed.learning.learner:TorchLearner

## Ledger and store

::: rayfed.ledger:Ledger
::: rayfed.store:Store

## The protocol

::: rayfed.protocol.phases:*
::: rayfed.protocol.policy:*
::: rayfed.protocol.messages:*

## Screens and rules

::: rayfed.aggregation.screens:Screen
::: rayfed.aggregation.screens:Evidence
::: rayfed.aggregation.rules:Rule
::: rayfed.aggregation.rules:make

## Bytes

::: rayfed.encoding.codec:*
::: rayfed.encoding.merkle:*

## Audit

::: rayfed.audit:audit
::: rayfed.audit:Report
::: rayfed.audit:Finding

## Tests of your own

::: rayfed.testing:
::: rayfed.testing:play

## Errors

::: rayfed.errors:*
"""
"""``::: MODULE:NAME`` stands for that name's reference, ``MODULE:*`` for a module's and all of its names, ``MODULE:``
for its docstring alone; ``as`` says what users call it."""


def page() -> str:
    """Return the whole page, as Markdown."""
    parts: list[str] = []
    for line in TEMPLATE.splitlines():
        found = re.fullmatch(r"::: ([\w.]+):(\w+|\*|)(?: as ([\w.]+))?", line)
        if found is None:
            parts.append(line)
            continue
        module = import_module(found[1])
        if found[2] in ("*", ""):
            parts += ["", f"### {found[1]}", "", docstring(module)]
            for name in names(module) if found[2] else ():
                parts += ["", *entry(getattr(module, name), f"{found[1]}.{name}", 4)]
        else:
            parts += ["", *entry(getattr(module, found[2]), found[3] or f"{found[1]}.{found[2]}", 3)]
    text = "\n".join(parts)
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def names(module: ModuleType) -> list[str]:
    """Return the public classes and functions that a module defines, in the order of its source."""
    own = [
        (inspect.getsourcelines(value)[1], name)
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]
    return [name for _, name in sorted(own)]


def entry(thing: Any, name: str, level: int) -> list[str]:
    """Return the reference of a class or a function."""
    lines = [f"{'#' * level} {name}", "", "```py", signature(thing, name.rpartition(".")[2]), "```", ""]
    if (words := docstring(thing)) or inspect.isclass(thing):
        lines += [words, ""]
    for member, value in members(thing) if inspect.isclass(thing) else ():
        lines += [f"**`{member}`**", "", "```py", signature(value, member), "```", "", docstring(value), ""]
    return lines


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class itself explains, in the order of its source."""
    for name, value in vars(cls).items():
        inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        says = inner.__doc__ if inspect.isfunction(inner) or isinstance(inner, property) else None
        if not name.startswith("_") and says and not re.fullmatch(r"See ``[\w.]+``\.", says):
            yield name, value


def signature(thing: Any, name: str) -> str:
    """Return a definition as it stands in the source, without its body."""
    if isinstance(thing, property):
        returns = inspect.signature(thing.fget).return_annotation if thing.fget else ""
        return f"@property\ndef {name}(self) -> {returns}"
    if inspect.isclass(thing):
        return _class(thing, name)
    before = {classmethod: "@classmethod\n", staticmethod: "@staticmethod\n"}.get(type(thing), "")
    return before + _wrapped("def ", name, inspect.signature(thing.__func__ if before else thing))


def docstring(thing: Any) -> str:
    """Return a docstring in Google's style as Markdown."""
    text = inspect.getdoc(thing if not isinstance(thing, classmethod | staticmethod) else thing.__func__) or ""
    if inspect.isclass(thing) and (is_dataclass(thing) or not thing.__dict__.get("__doc__")):
        text = thing.__dict__.get("__doc__") or ""  # a dataclass without one has its signature there
        text = "" if text.startswith(f"{thing.__name__}(") else inspect.cleandoc(text)
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        head = re.fullmatch(r"(\w+):", line)
        if head and head[1] in SECTIONS:
            section = head[1]
            lines += ["", f"*{SECTIONS[section]}*", ""]
        elif section and (line.startswith("    ") or not line):
            lines.append(line[4:])
        else:
            section = ""
            lines.append(line)
    return _marked("\n".join(_listed(lines))).strip()


def _listed(lines: list[str]) -> Iterator[str]:
    """Yield the lines, those of a section with names as a list."""
    section = ""
    for line in lines:
        if (head := re.fullmatch(r"\*(\w+)\*", line)) is not None:
            section = head[1]
            yield line
            continue
        named = re.match(r"(\*{0,2}\w[\w.]*(?:, \*{0,2}\w[\w.]*)*): (.*)", line)
        if section in ("Arguments", "Attributes", "Raises") and named:
            yield f"- {', '.join(f'`{name}`' for name in named[1].split(', '))}: {named[2]}"
        elif section in ("Arguments", "Attributes", "Raises") and line.startswith("    "):
            yield f"  {line.strip()}"
        else:
            yield line


def _marked(text: str) -> str:
    """Return text with reStructuredText's code as Markdown's, and nothing in it that would be taken for HTML."""
    pieces = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(
        f"`{piece.strip('`')}`" if piece.startswith("`") else re.sub(r"<(?=\w)", r"\\<", piece) for piece in pieces
    )


def _class(cls: type, name: str) -> str:
    bases = [base.__name__ for base in cls.__bases__ if base.__name__ not in HIDDEN]
    above = f"({', '.join(bases)})" if bases else ""
    if issubclass(cls, Enum):
        return "\n".join([f"class {name}{above}:", *(f"    {one.name} = {_quoted(one.value)}" for one in cls)])
    own = cls.__dict__.get("__init__")
    if own is None or getattr(cls, "_is_protocol", False) or issubclass(cls, BaseException):
        return f"class {name}{above}"
    found = inspect.signature(own)
    kept = [parameter for parameter in found.parameters.values() if parameter.name != "self"]
    return _wrapped("class ", name, found.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def _wrapped(word: str, name: str, found: inspect.Signature) -> str:
    """Return a signature on one line, or a line a parameter. Annotations are text in this code; defaults as written."""
    parts: list[str] = []
    star = False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        parts.append(_parameter(parameter))
    returns = "" if found.return_annotation is inspect.Signature.empty else f" -> {_text(found.return_annotation)}"
    line = f"{word}{name}({', '.join(parts)}){returns}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{word}{name}(", *(f"    {part}," for part in parts), f"){returns}"])


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    typed = "" if parameter.annotation is parameter.empty else f": {_text(parameter.annotation)}"
    if parameter.default is parameter.empty:
        return f"{stars}{parameter.name}{typed}"
    equals = " = " if typed else "="
    return f"{stars}{parameter.name}{typed}{equals}{_default(parameter.default)}"


def _quoted(value: Any) -> str:
    """Return a value as it is written in this code, where strings have double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _text(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(value: Any) -> str:
    """Return a default as one would write it; what has no such form as an ellipsis: it would differ from run to run."""
    text = f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else _quoted(value)
    return "..." if re.search(r" at 0x|<", text) else textwrap.shorten(text, 60)


if __name__ == "__main__":
    sys.stdout.write(page())
