"""A process that decodes a part of a folder of images: ``python -m rayfed.learning.decoding``, for ``folders.decode``.

Arguments: the .npy to fill, the folder, height, width, bits of a deep image (0: as its file says), the first image's
position. Paths, separated by zero bytes, come on the standard input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rayfed.errors import DataError
from rayfed.learning.folders import BROKEN, fill


def main() -> int:
    """Decode; return 0, or ``BROKEN`` after saying which image is."""
    target, root, height, width, bits, start = sys.argv[1:]
    paths = os.fsdecode(sys.stdin.buffer.read()).split("\0")
    try:
        fill(Path(target), Path(root), (int(height), int(width)), int(start), paths, int(bits) or None)
    except DataError as error:
        sys.stdout.buffer.write(error.message.encode())
        return BROKEN
    return 0


if __name__ == "__main__":
    sys.exit(main())
