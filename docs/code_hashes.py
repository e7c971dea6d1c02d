"""The page of the contracts' hashes; a test compares it with the code, and ``pytest --rewrite`` writes it anew."""

from __future__ import annotations

from pathlib import Path

from rayfed.cli.hashes import HEADS, rows

PAGE = Path(__file__).parent / "reference" / "hashes.md"

TOP = """\
# Hashes of the contracts

What this release puts on a chain. `python -m rayfed hashes` prints the same; `python -m rayfed hashes FILE.whl` adds a
wheel's SHA-256, which a release's notes name, and which `pip install --require-hashes` compares.

"""

END = """
The code of each part is put on a chain once, by `CREATE2`: its address follows from the code, and from where the parts
before it lie, which its creation code holds. On a chain without the deterministic proxy
(`0x4e59b44847b379578588920cA78FbF26c0B4956C`) addresses and hashes are others, but for the first part's hash. A node
believes a federation only if all of its parts lie where this code puts them: see [the protocol](../protocol.md). Nobody
can change them there: they have no owner and no way to be upgraded.

The creation code is what Solidity makes of `contracts/src` by the settings in `contracts/foundry.toml`;
a test of the project compiles it anew and compares it with what the package carries.
"""


def page() -> str:
    """Return the whole page, as Markdown."""
    lines = ["| " + " | ".join(HEADS) + " |", "| " + " | ".join("---" for _ in HEADS) + " |"]
    lines += ["| " + " | ".join(f"`{cell}`" for cell in row) + " |" for row in rows()]
    return TOP + "\n".join(lines) + "\n" + END
