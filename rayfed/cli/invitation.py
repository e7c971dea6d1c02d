"""``python -m rayfed invitation``: writes the file again by which others join."""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.cli.keys import refuse_key
from rayfed.errors import ConfigError
from rayfed.protocol.invitation import FILE

if TYPE_CHECKING:
    from rayfed.protocol.invitation import Invitation

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def main(words: Sequence[str]) -> int:
    """Write an invitation again, and say what founding has said of it.

    Raises:
        ConfigError: it is not found here, or cannot be written.
        LedgerError: it is not kept any more, and the chain does not answer.
    """
    for word in words:
        refuse_key(word)
    args = _parser().parse_args(words)
    from rayfed.runtime import inviting
    from rayfed.runtime.results import write

    found = inviting.found_again(args.where)
    made, path = found if found is not None else (_from_run(args.where), None)
    if args.rpc:
        made = inviting.with_rpc(made, args.rpc)
    target = args.to or (Path(FILE) if path is None or ADDRESS.fullmatch(args.where) else path)
    write(target, made.to_json(), "--to")
    for line in inviting.told(made, target):
        print(line)
    return 0


def _from_run(where: str) -> Invitation:
    """Make it anew out of a run's folder: of a run before there were invitations, or that has lost its own."""
    from rayfed.config.compose import written
    from rayfed.ledger import registry
    from rayfed.runtime import inviting
    from rayfed.runtime.founding import kept
    from rayfed.runtime.results import CHARTER

    folder = Path(where).expanduser()
    founded = kept(folder) if (folder / ".hydra" / "config.yaml").is_file() else None
    if founded is None:
        raise ConfigError(
            "invitation",
            f"{where} is neither the folder of a run that has founded a federation on a chain, nor the address of one "
            "that was founded or joined here",
        )
    settings = written(folder)
    with tempfile.TemporaryDirectory() as empty, registry.open(settings.ledger, Path(empty)) as backend:
        connection = backend.connect(founded.federation)
        try:
            return inviting.invitation(settings, backend, connection, (folder / CHARTER).read_text())
        finally:
            connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "rayfed invitation",
        description="Write the invitation to a federation again, and say how others join by it.",
    )
    parser.add_argument("where", metavar="RUN|ADDRESS", help="a run's folder, an invitation, or a contract's address")
    parser.add_argument(
        "--rpc",
        metavar="URL",
        action="append",
        default=[],
        help="a node of the chain that others reach; repeatable",
    )
    parser.add_argument("--to", metavar="FILE", type=Path, help=f"by default where it was, or {FILE} in this folder")
    return parser
