"""What ``import rayfed`` gives: pinned names, nothing heavy, and a map that is the folders as they lie there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rayfed

PACKAGE = Path(rayfed.__path__[0])
NAMES = ["ConfigError", "RayfedError", "RunResult", "Settings", "audit", "check", "join", "load", "load_model", "run"]
HEAVY = ("torch", "ray", "web3", "mlflow", "sklearn", "matplotlib", "numba", "numpy", "hydra")


def places() -> list[str]:
    """Return what the map names, in its order."""
    return re.findall(r"^    (\w+(?:/|\.py))  +\S", rayfed.__doc__ or "", re.MULTILINE)


def test_the_public_names_are_these() -> None:
    assert sorted(rayfed.__all__) == sorted([*NAMES, "__version__"])
    for name in NAMES:
        assert callable(getattr(rayfed, name)), name
        assert name in dir(rayfed)
    with pytest.raises(AttributeError, match="no attribute 'federate'"):
        rayfed.federate  # noqa: B018


def test_a_public_name_and_a_folder_may_be_one(tmp_path: Path) -> None:
    import rayfed.audit
    from rayfed.audit import ChainRecord

    assert ChainRecord.__module__ == "rayfed.audit.record"
    with pytest.raises(rayfed.ConfigError, match=r"record\.json cannot be read"):
        rayfed.audit(tmp_path)


def test_importing_it_imports_nothing_heavy() -> None:
    code = f"import sys, rayfed; sys.exit(sum(name in sys.modules for name in {HEAVY!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False).returncode == 0


def test_a_settings_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(rayfed.ConfigError, match=r"^federation\.nodes: "):
        rayfed.run(["federation.nodes=0"], output_dir=tmp_path)
    with pytest.raises(rayfed.ConfigError, match=r"^federation_address: "):
        rayfed.join([], output_dir=tmp_path)
    with pytest.raises(rayfed.ConfigError, match=r"summary\.json cannot be read"):
        rayfed.load_model(tmp_path)


def test_the_map_is_the_folders() -> None:
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in PACKAGE.iterdir()
        if path.name not in ("__pycache__", "__init__.py", "py.typed", "conf")
    }
    assert sorted(places()) == sorted(there)


def test_imports_go_up_the_map_only() -> None:
    rank = {re.sub(r"/|\.py", "", place): number for number, place in enumerate(places())}
    wrong = [
        (str(path.relative_to(PACKAGE)), target)
        for path in PACKAGE.rglob("*.py")
        if (own := path.relative_to(PACKAGE).parts[0].removesuffix(".py")) in rank
        for target in imported(path)
        if rank.get(target, 0) > rank[own]
    ]
    assert wrong == []


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports of rayfed at run time, by its name in the map."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rayfed":
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("rayfed."))
        pending += ast.iter_child_nodes(node)
