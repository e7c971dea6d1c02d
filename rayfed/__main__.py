"""``python -m rayfed``; what it can do stands in ``rayfed.cli.main``."""

from __future__ import annotations

import sys

from rayfed.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
