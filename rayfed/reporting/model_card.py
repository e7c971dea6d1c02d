"""The card of a model that is taken away: what it is, what it expects, how good it is, and how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rayfed.protocol.charter_parts import DataTerms

if TYPE_CHECKING:
    from rayfed.protocol.charter import Charter
    from rayfed.reporting.summary import Summary

FEW = 12
"""Classes, columns or channels that are named; of more the first ones."""

EXPORTED = "A file of `python -m rayfed export --preprocess` takes"
CATEGORIES = "rows of numbers: of a category its place in the column's list (`COLUMNS` in model.py), from 0."
BYTES = "such bytes, as uint8."
"""What is left to who calls an exported file with its preprocessing in it."""

USE = """\
import torch
from model import EXAMPLE, load, prepare

model = load()
with torch.no_grad():
    outputs = {call}
"""


def card(
    charter: Charter,
    federation: str,
    chain_id: int,
    root: bytes,
    parameters: int,
    call: str,
    figures: Mapping[str, str],
) -> str:
    """Return the card, in Markdown.

    Args:
        charter: the federation's.
        federation, chain_id: where it lives.
        root: of the model.
        parameters: how many the model has, frozen ones among them.
        call: how the model is called with ``EXAMPLE``; see ``learning.portable``.
        figures: how good the model is, by what it is called.
    """
    data, model = charter.data, dict(charter.model)
    use = USE.format(call=call)
    if "prepare" not in call:
        use = use.replace(", prepare", "")
    merged = charter.merge.rule + (f", {charter.merge.optimizer}" if charter.merge.optimizer != "none" else "")
    rows = {
        "network": f"{_cell(str(model.get('_target_')))}, {parameters:,} parameters{_frozen(charter)}",
        "learned": _learned(data),
        "input": _input(data),
        **figures,
        "merged by": f"{merged}, of members that need not trust each other",
        "final root": f"`0x{root.hex()}`",
        "federation": f"`{federation}` on chain {chain_id}",
        "charter": f"`0x{charter.hash.hex()}` ([charter.json](charter.json))",
    }
    known = {key: value for key, value in model.items() if key not in ("constants",)}
    settings = {
        "model": known,
        **({"task": dict(data.task)} if data.task else {}),
        "genesis": dict(charter.genesis_source),
    }
    parts = [
        f"# {' '.join(charter.name.split())}: a model by federated learning",
        "",
        "| | |\n| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "",
        "## Use it",
        "",
        "In this folder, with torch and safetensors; rayfed is not needed:",
        "",
        f"```python\n{use}```",
        "",
        f"`model.py` builds the network, `model.safetensors` has its weights by name. {_outputs(data)}",
        "",
        "## Preprocessing",
        "",
        _preprocessing(data),
        "",
        "## Build it again",
        "",
        "The charter's settings, by which every party built the same network:",
        "",
        f"```json\n{json.dumps(settings, indent=2)}\n```",
        "",
        "Another federation begins from these weights with `model.pretrained=` and this folder, or the file alone.",
    ]
    return "\n".join(parts) + "\n"


def _frozen(charter: Charter) -> str:
    part = charter.layout.frozen
    return f", {part.parameters:,} of them frozen (SHA-256 `{part.digest.hex()}`)" if part else ""


def of_summary(summary: Summary) -> dict[str, str]:
    """Return what a card says of a run's results."""
    metric, found = summary.metric, {}
    if summary.final_accuracy is not None:
        whose = "all nodes' test examples together" if len(summary.nodes) > 1 else "this party's test examples"
        found[metric.words] = f"{metric.shown(summary.final_accuracy)}, on {whose}"
    alone = metric.sorted(value for value in summary.alone_accuracy.values() if value is not None)
    if alone:
        found["a node alone"] = f"{metric.shown(alone[0])} to {metric.shown(alone[-1])}"
    standing = sum(closed.stands for closed in summary.rounds)
    found["rounds"] = f"{standing} of {len(summary.rounds)} count; {summary.unsettled} could be contested at the end"
    spent = [node.epsilon for node in summary.nodes if node.epsilon is not None]
    if spent:
        found["privacy"] = f"DP-SGD, epsilon {max(spent):.3g} at most"
    return found


def _learned(data: DataTerms) -> str:
    task = str(data.task.get("_target_", "Classification")).rpartition(".")[2]
    words = {
        "Classification": f"one of {len(data.classes)} classes",
        "Regression": "numbers",
        "MultiLabel": "any number of labels",
        "NextToken": "the token after each token",
    }.get(task, task)
    return f"{words}: {_few(data.classes)}" if data.classes else words


def _input(data: DataTerms) -> str:
    forms = data.prepare.get("inputs") or [{"shape": data.shape, "type": "float32"}]
    return ", ".join(f"({', '.join(['n', *map(str, form['shape'])])}) {form['type']}" for form in forms)


def _outputs(data: DataTerms) -> str:
    if "target" in data.prepare and data.prepare.get("wanted") == "numbers":
        return "`restore(outputs)` brings them back to the unit of what was learned."
    return "`CLASSES[int(outputs[0].argmax())]` is the first one's class." if _has_scores(data) else ""


def _has_scores(data: DataTerms) -> bool:
    return bool(data.classes) and data.task.get("_target_", "Classification").endswith("Classification")


def _preprocessing(data: DataTerms) -> str:
    """Say what ``prepare`` does, with its numbers, and what it leaves to the caller."""
    if not data.prepare:
        channels, height, width = data.shape
        mean, std = (", ".join(f"{value / 1e6:.3f}" for value in values) for values in (data.mean, data.std))
        bits = f"; of grey values of more than 8 bits the highest 8 of {data.bits}" if data.bits else ""
        return (
            f"An image is {channels} x {height} x {width} pixels of 8 bits{bits}. `prepare` divides by 255, takes away "
            f"the mean ({mean}) and divides by the deviation ({std}), channel by channel. Files were read by Pillow: "
            "the first frame, the right way up, on white where it is transparent, resized bilinearly "
            "(`Image.BILINEAR`, `reducing_gap=3.0`) where it had another size."
        )
    if "columns" in data.prepare:
        lines = ["| column | what `prepare` does |", "| --- | --- |"]
        lines += [f"| {_cell(one['name'])} | {_column(one)} |" for one in data.prepare["columns"]]
        missing = "is the column's mean, or no category" if data.prepare["fill"] else "is refused"
        words = any("values" in one for one in data.prepare["columns"])
        exported = f"\n\n{EXPORTED} {CATEGORIES}" if words else ""
        return "\n".join(lines) + f"\n\nWhat is missing {missing}.{exported}"
    if data.prepare["kind"] == "text":
        length = data.prepare["inputs"][0]["shape"][0]
        taken = f"Every byte is a token, {length} at most; `prepare` takes the last {length} bytes of a text."
        return f"{taken} {EXPORTED} {BYTES}"
    said = f"```json\n{json.dumps(dict(data.prepare), indent=2)}\n```"
    return f"None: the network takes what the data's owners prepared. The charter says of it:\n\n{said}"


def _column(column: Mapping[str, Any]) -> str:
    if "values" in column:
        return f"1 in the place of its category, of {_few(column['values'])}"
    return f"minus {float(column['mean'])!r}, over {float(column['std'])!r}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(_cell(name) for name in names[:FEW]) + more


def _cell(text: str) -> str:
    """Return a name as it may stand in a cell of a table: others have chosen it."""
    return "`" + " ".join(text.split()).replace("|", "\\|").replace("`", "'") + "`"
