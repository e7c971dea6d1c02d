"""Reads one image as it looks in a viewer: (3, height, width) uint8, whatever depth and mode its file has.

One rule brings deeper integers to 8 bits: of the bits that are meant, the highest eight stay. How many are meant, the
file says (16 in most; 12 in a TIFF of 12-bit samples), or the setting ``data.bits``, for files that keep fewer bits in
a larger number. PNG and PGM scale what they hold to their full range, so that a 12-bit sensor's PNG is of 16 bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

DEEP_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Pillow's modes of more than 8 bits; 16 bits a channel in colour it reads as their highest eight."""

_ORIENTATION = 0x0112
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_WIDE_COLOUR = re.compile(r"(RGB|LA|RGBA|RGBX|RGBa|CMYK);16[BLN]")
_STATED = {"I;12": 12, "I;16S": 15, "I;16BS": 15, "I;32N": None, "I;32S": None, "I;32BS": None}
"""Bits of a value that is not negative, by raw mode, where these are not 16; None if the file cannot mean them all."""
_FEWER = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies the levels of a grey PNG of 2 or 4 bits by, but not the level that is transparent."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is known of a file before it is decoded.

    Attributes:
        raw: Pillow's name for how the pixels lie in the file; empty if it gives none.
        inverted: white is zero, which Pillow minds in 8 bits only.
    """

    raw: str
    inverted: bool

    @property
    def bits(self) -> int | None:
        """Bits that an integer of more than 8 has in this file."""
        return _STATED.get(self.raw, 16)


def shown(path: object) -> str:
    """Return a path as it can be written in one line anywhere: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def size_of(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image as it will be seen.

    Raises:
        DataError: names ``data.root`` and the file.
    """
    with _naming(path), _opened(path)[0] as image:
        return image.height, image.width


def is_deep(path: Path) -> bool:
    """Return whether the file holds integers of more than 8 bits.

    Raises:
        DataError: names ``data.root`` and the file.
    """
    with _naming(path):
        image, source = _opened(path)
        with image:
            return image.mode in DEEP_MODES - {"F"} or _WIDE_COLOUR.fullmatch(source.raw) is not None


def read(path: Path, size: tuple[int, int], bits: int | None = None) -> NDArray[np.uint8]:
    """Return (3, height, width): the first frame, the right way up, on white where it is transparent.

    Args:
        path: the file.
        size: (height, width) that an image of another size is resized to.
        bits: how many bits of a deeper grey value are meant, in every file; None: what the file says.

    Raises:
        DataError: names ``data.root`` and the file, whatever is wrong with it.
    """
    height, width = size
    with _naming(path):
        image, source = _opened(path, size)
        with image:
            seen = _coloured(image, source, bits)
            if seen.size != (width, height):
                from PIL import Image

                seen = seen.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
            return np.asarray(seen).transpose(2, 0, 1)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever is raised into one line that names the file: decoders raise what they like on odd bytes."""
    try:
        yield
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        elif not isinstance(error, (OSError, ValueError, SyntaxError)) or not reason:
            reason = f"{type(error).__name__}: {reason}".removesuffix(": ")
        raise DataError("data.root", f"{shown(path)} is not a readable image: {shown(reason)}") from error


def _opened(path: Path, size: tuple[int, int] | None = None) -> tuple[Image.Image, _Source]:
    """Open an image, the right way up if a camera noted which way that is.

    The camera's notes are read, not written anew, so that an odd one among the others does no harm.
    """
    from PIL import Image

    image: Image.Image = Image.open(path)
    raw = _raw_mode(image)
    tags = getattr(image, "tag_v2", None)  # only a TIFF has them
    inverted = tags is not None and image.mode in DEEP_MODES and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if size is not None:
        image.draft("RGB", (size[1], size[0]))  # lets the JPEG decoder skip detail that resizing would throw away
    if "exif" in image.info or image.format == "PNG":  # a PNG may have it behind the pixels
        turn = {
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            6: Image.Transpose.ROTATE_270,
            7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_90,
        }.get(image.getexif().get(_ORIENTATION, 1))
        if turn is not None:
            image = image.transpose(turn)
    return image, _Source(raw, inverted)


def _raw_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _coloured(image: Image.Image, source: _Source, bits: int | None) -> Image.Image:
    """Return the image in mode RGB."""
    if image.mode in DEEP_MODES:
        return _levelled(image, source, bits)
    wide = _WIDE_COLOUR.fullmatch(source.raw) is not None
    if wide and bits not in (None, 16):
        raise ValueError(f"it has colours of 16 bits, of which the highest 8 are read; data.bits={bits} is for grey")
    if image.has_transparency_data:
        return _on_white(image, source, wide)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image, source: _Source, wide: bool) -> Image.Image:
    """Return the image as it looks on a white page."""
    from PIL import Image

    clear = image.info.get("transparency")
    if wide and isinstance(clear, tuple):  # of 16 bits, unlike the pixels
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    elif isinstance(clear, int) and image.mode == "L":
        image.info["transparency"] = clear * _FEWER.get(source.raw, 1)
    straight = image.convert("LA") if image.mode == "La" else image
    page = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(page, straight.convert("RGBA")).convert("RGB")


def _levelled(image: Image.Image, source: _Source, bits: int | None) -> Image.Image:
    """Return a grey image of more than 8 bits in 8."""
    from PIL import Image

    values = np.asarray(image)
    grey = _of_floats(values, bits) if image.mode == "F" else _of_integers(values, source, bits)
    if source.inverted:
        grey = 255 - grey
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey = np.where(values == clear, np.uint8(255), grey)
    return Image.fromarray(grey).convert("RGB")


def _of_integers(values: NDArray[np.integer], source: _Source, bits: int | None) -> NDArray[np.uint8]:
    meant = bits if bits is not None else source.bits
    if meant is None:
        raise ValueError("it holds integers of 32 bits; set data.bits to how many of them are used")
    lowest, highest = int(values.min()), int(values.max())
    if lowest < 0:
        raise ValueError(f"it holds values below 0 ({lowest})")
    if highest >> meant:
        raise ValueError(f"it holds {highest}, which is more than {meant} bits can say; set data.bits to more")
    return (values >> (meant - 8)).astype(np.uint8)


def _of_floats(values: NDArray[np.floating], bits: int | None) -> NDArray[np.uint8]:
    if not np.isfinite(values).all():
        raise ValueError("it holds floats that are infinite or not a number")
    top = 1 if bits is None else 2**bits - 1
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0 or highest > top:
        raise ValueError(
            f"it holds floats from {lowest:g} to {highest:g}, not 0 to {top}; data.bits=N is for 0 to 2^N-1"
        )
    return np.rint(values.astype(np.float64) * (255 / top)).astype(np.uint8)
