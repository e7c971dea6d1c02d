"""Refuses images in which there is nothing to see: a set that uses a corner of its range, a class of one colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError

CHUNK = 4096
"""Images that are looked at together."""

DARK = 64
"""Where no value of a set of 16-bit images comes up to this (of 256), its two highest bits are not used."""


def extremes(x: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the lowest and the highest value, (n, c) each, of images (n, c, h, w), without holding them all."""
    lowest, highest = (np.empty(x.shape[:2], np.uint8) for _ in range(2))
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        lowest[start : start + CHUNK], highest[start : start + CHUNK] = part.min((2, 3)), part.max((2, 3))
    return lowest, highest


def check_bits(highest: NDArray[np.uint8]) -> None:
    """Check that images whose files say 16 bits use them.

    Args:
        highest: (n, c), of ``extremes``, of the training images.

    Raises:
        DataError: names ``data.bits``: all of them leave the two highest bits alone, as 12-bit values in 16 do.
    """
    top = int(highest.max())
    if top < DARK:
        used = 8 + top.bit_length()
        words = f"the files of the training images say 16 bits, and no value uses more than {used}"
        camera = next(bits for bits in (8, 10, 12, 14) if bits >= used)
        raise DataError("data.bits", f"{words}; set it to the camera's, {camera} perhaps, or to 16 if they are so dark")


def check_variance(
    lowest: NDArray[np.uint8], highest: NDArray[np.uint8], y: NDArray[np.int64], classes: Sequence[str], part: str
) -> None:
    """Check that no class is one colour in all of its images.

    Args:
        lowest, highest: (n, c), of ``extremes``.
        y: (n,) class of each image.
        classes: their names.
        part: train or test, for the message.

    Raises:
        DataError: names ``data.root`` and the class.
    """
    for label in np.unique(y):
        mine = y == label
        colour = lowest[mine].min(0)
        if np.array_equal(colour, highest[mine].max(0)):
            words = f"every pixel of every image of class {classes[label]!r} in {part} has the value"
            raise DataError("data.root", f"{words} {tuple(colour.tolist())}; there is nothing to learn from")
