"""What is read from image files of every depth and mode, and from folders as people's systems leave them."""

from __future__ import annotations

import os
import struct
import unicodedata
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rayfed.config import load as load_settings
from rayfed.errors import DataError
from rayfed.learning import folders, learner
from rayfed.learning.data import Dataset, load
from rayfed.learning.listing import list_classes
from rayfed.learning.pixels import read, size_of
from rayfed.protocol.charter import DataTerms

RANDOM = np.random.default_rng(0)
LEVELS = np.array([[0, 255, 256, 4095], [4096, 32768, 40000, 65535]], np.uint16)


def seen(path: Path, bits: int | None = None) -> NDArray[np.uint8]:
    """Return (height, width) of an image that comes out grey, (3, height, width) otherwise."""
    pixels = read(path, size_of(path), bits)
    assert pixels.dtype == np.uint8
    return pixels[0] if (pixels == pixels[0]).all() else pixels


def complaint(path: Path, bits: int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read(path, (2, 4), bits)
    said = str(caught.value)
    assert said.startswith("data.root: ")
    assert path.name in said
    assert said.isprintable(), "one line, that any terminal can show"
    return said


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(path: Path, width: int, depth: int, colour: int, rows: list[bytes], *more: bytes) -> Path:
    """Write a PNG by hand: of kinds that Pillow reads and does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + body + chunk(b"IEND", b""))
    return path


def tiff(path: Path, width: int, height: int, bits: int, data: bytes, white: int = 1, kind: int = 1) -> Path:
    """Write a grey TIFF by hand; ``white`` is PhotometricInterpretation, ``kind`` SampleFormat."""
    short, long = 3, 4
    tags = [
        (256, short, width),
        (257, short, height),
        (258, short, bits),
        (259, short, 1),
        (262, short, white),
        (273, long, 8 + 2 + 10 * 12 + 4),
        (277, short, 1),
        (278, short, height),
        (279, long, len(data)),
        (339, short, kind),
    ]
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data)
    return path


# -- more than 8 bits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_the_highest_eight(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(LEVELS).save(tmp_path / f"a.{suffix}")
    assert seen(tmp_path / f"a.{suffix}").tolist() == [[0, 0, 1, 15], [16, 128, 156, 255]]


def test_a_big_endian_tiff(tmp_path: Path) -> None:
    Image.frombytes("I;16B", (4, 2), LEVELS.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    assert seen(tmp_path / "a.tif").tolist() == (LEVELS >> 8).tolist()


def test_a_compressed_tiff(tmp_path: Path) -> None:
    Image.fromarray(LEVELS).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert seen(tmp_path / "a.tif").tolist() == (LEVELS >> 8).tolist()


def test_a_tiff_whose_white_is_zero(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", 4, 2, 16, LEVELS.tobytes(), white=0)
    assert seen(tmp_path / "a.tif").tolist() == (255 - (LEVELS >> 8)).tolist()


def test_a_pgm_of_any_range(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 4095\n" + np.array([0, 16, 2048, 4095], ">u2").tobytes())
    assert seen(tmp_path / "a.pgm").tolist() == [[0, 1, 128, 255]]
    (tmp_path / "b.pgm").write_bytes(b"P5 4 2 65535\n" + LEVELS.astype(">u2").tobytes())
    assert seen(tmp_path / "b.pgm").tolist() == (LEVELS >> 8).tolist()


def test_twelve_bits_as_the_file_says(tmp_path: Path) -> None:
    packed = bytes([0x00, 0x00, 0x10, 0x80, 0x0F, 0xFF])  # 0, 16, 2048, 4095, most significant bit first
    tiff(tmp_path / "a.tif", 4, 1, 12, packed)
    assert seen(tmp_path / "a.tif").tolist() == [[0, 1, 128, 255]]


def test_twelve_bits_in_sixteen_as_the_setting_says(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 16, 2048, 4095]], np.uint16)).save(tmp_path / "a.png")
    assert seen(tmp_path / "a.png", 12).tolist() == [[0, 1, 128, 255]]
    assert seen(tmp_path / "a.png").tolist() == [[0, 0, 8, 15]]
    Image.fromarray(LEVELS).save(tmp_path / "b.png")
    assert "65535, which is more than 12 bits" in complaint(tmp_path / "b.png", 12)


def test_the_setting_is_not_for_eight_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 16, 200, 255]], np.uint8)).save(tmp_path / "a.png")
    assert seen(tmp_path / "a.png", 12).tolist() == [[0, 16, 200, 255]]


def test_signed_and_long_integers(tmp_path: Path) -> None:
    values = np.array([[0, 128, 16384, 32767]], np.int16)
    tiff(tmp_path / "a.tif", 4, 1, 16, values.tobytes(), kind=2)
    assert seen(tmp_path / "a.tif").tolist() == [[0, 1, 128, 255]]
    tiff(tmp_path / "b.tif", 4, 1, 16, (values - 1).tobytes(), kind=2)
    assert "below 0 (-1)" in complaint(tmp_path / "b.tif")
    Image.fromarray(np.array([[0, 1 << 10, 1 << 19, (1 << 20) - 1]], np.int32)).save(tmp_path / "c.tif")
    assert "data.bits" in complaint(tmp_path / "c.tif")
    assert seen(tmp_path / "c.tif", 20).tolist() == [[0, 0, 128, 255]]


def test_floats(tmp_path: Path) -> None:
    def save(*values: float) -> Path:
        Image.fromarray(np.array([values], np.float32)).save(tmp_path / "a.tif")
        return tmp_path / "a.tif"

    assert seen(save(0, 0.25, 0.5, 1)).tolist() == [[0, 64, 128, 255]]
    assert "from -0.5 to 1" in complaint(save(-0.5, 0, 1))
    assert "from 0 to 1000" in complaint(save(0, 1000))
    assert seen(save(0, 1, 127, 255), 8).tolist() == [[0, 1, 127, 255]]
    assert "not a number" in complaint(save(0, float("nan")))
    assert "infinite" in complaint(save(0, float("inf")))


def test_colours_of_sixteen_bits(tmp_path: Path) -> None:
    row = np.array([[65535, 256, 0], [32768, 40000, 255]], ">u2").tobytes()
    path = png(tmp_path / "a.png", 2, 16, 2, [row])
    assert seen(path).transpose(1, 2, 0).tolist() == [[[255, 1, 0], [128, 156, 0]]]
    assert "for grey" in complaint(path, 12)
    assert seen(path, 16).tolist() == seen(path).tolist()


def test_one_bit_palettes_and_cmyk(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert seen(tmp_path / "a.png").tolist() == [[255, 0]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "b.gif")
    assert seen(tmp_path / "b.gif")[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]
    Image.new("CMYK", (2, 1), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    assert seen(tmp_path / "c.tif")[:, 0, 0].tolist() == [255, 0, 0]


# -- transparent ---------------------------------------------------------------------------------------------------


def test_transparent_images_lie_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert seen(tmp_path / "a.png").tolist() == [[255]]
    Image.new("LA", (1, 1), (55, 128)).save(tmp_path / "b.png")
    assert seen(tmp_path / "b.png").tolist() == [[155]]
    Image.new("RGBA", (1, 1), (9, 8, 7, 255)).save(tmp_path / "c.png")
    assert seen(tmp_path / "c.png")[:, 0, 0].tolist() == [9, 8, 7]
    Image.new("RGBA", (1, 1), (200, 0, 0, 0)).save(tmp_path / "d.webp", lossless=True)
    assert seen(tmp_path / "d.webp").tolist() == [[255]]


def test_transparent_colours_of_a_palette(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 0, 0, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=1)
    assert seen(tmp_path / "a.gif")[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.save(tmp_path / "b.png", transparency=bytes([255, 0]))
        assert seen(tmp_path / "b.png")[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]


def test_one_colour_that_is_transparent(tmp_path: Path) -> None:
    clear = chunk(b"tRNS", struct.pack(">H", 4096))
    path = png(tmp_path / "a.png", 2, 16, 0, [struct.pack(">HH", 4096, 4097)], clear)
    assert seen(path).tolist() == [[255, 16]]
    path = png(tmp_path / "b.png", 2, 4, 0, [bytes([0x5A])], chunk(b"tRNS", struct.pack(">H", 5)))
    assert seen(path).tolist() == [[255, 170]]
    clear = chunk(b"tRNS", struct.pack(">HHH", 512, 768, 1024))
    path = png(tmp_path / "c.png", 2, 16, 2, [struct.pack(">6H", 512, 768, 1024, 512, 0, 1024)], clear)
    assert seen(path)[:, 0].T.tolist() == [[255, 255, 255], [2, 0, 4]]


# -- files that cannot be read -------------------------------------------------------------------------------------


def exif(*entries: tuple[int, int, bytes]) -> bytes:
    body = b"".join(struct.pack("<HHI", tag, kind, 1) + value.ljust(4, b"\0") for tag, kind, value in entries)
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries)) + body + struct.pack("<I", 0)


def test_an_odd_entry_beside_the_orientation_does_no_harm(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 8))
    image.paste((255, 255, 255), (0, 0, 8, 8))
    turn = (0x0112, 3, struct.pack("<H", 6))
    image.save(tmp_path / "a.jpg", exif=exif(turn, (0x0100, 9, struct.pack("<i", -1))), quality=100)
    assert size_of(tmp_path / "a.jpg") == (16, 8)
    assert (seen(tmp_path / "a.jpg")[[1, 14]].mean(1) > 128).tolist() == [True, False]


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    """Where some programs put it, and where Pillow sees it after all else only."""
    turned = exif((0x0112, 3, struct.pack("<H", 6))).removeprefix(b"Exif\0\0")
    path = png(tmp_path / "a.png", 4, 8, 0, [bytes([0, 0, 255, 255])] * 2)
    assert size_of(path) == (2, 4)
    whole = path.read_bytes()
    path.write_bytes(whole[:-12] + chunk(b"eXIf", turned) + whole[-12:])
    assert size_of(path) == (4, 2)
    assert seen(path)[:, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_an_orientation_counts_in_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGB", (16, 8))
    image.paste((255, 255, 255), (0, 0, 8, 8))
    notes = Image.Exif()
    notes[0x0112] = 6
    image.save(tmp_path / f"a.{suffix}", exif=notes, quality=100)
    assert size_of(tmp_path / f"a.{suffix}") == (16, 8)
    assert (seen(tmp_path / f"a.{suffix}")[[1, 14]].mean(1) > 128).tolist() == [True, False]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_several_frames_the_first_is_seen(tmp_path: Path, suffix: str) -> None:
    first, second = Image.new("RGB", (4, 2), "white"), Image.new("RGB", (4, 2), "black")
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second, second])
    assert (seen(tmp_path / f"a.{suffix}") == 255).all()


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some of them as well
def test_whatever_the_decoder_raises_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(RANDOM.integers(0, 256, (2, 4, 3), np.uint8))
    image.save(tmp_path / "a.jpg")
    for error, told in ((ZeroDivisionError("division by zero"), "ZeroDivisionError: div"), (KeyError(), "KeyError")):

        def raises(*_: object, error: Exception = error) -> Image.Image:
            raise error

        Image.init()
        monkeypatch.setitem(Image.OPEN, "JPEG", (raises, Image.OPEN["JPEG"][1]))
        assert told in complaint(tmp_path / "a.jpg")
    monkeypatch.undo()

    image.save(tmp_path / "b.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)  # 8 are more than twice as many
    assert "decompression bomb" in complaint(tmp_path / "b.tif")
    monkeypatch.undo()

    whole = (tmp_path / "b.tif").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "c.tif").write_bytes(whole[:length])
        complaint(tmp_path / "c.tif")


def test_names_that_a_terminal_cannot_show(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"odd\n\xff.png")
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"odd\\n\\udcff\.png is not a readable image") as caught:
        read(path, (2, 4))
    assert str(caught.value).isprintable()


# -- folders -------------------------------------------------------------------------------------------------------


def write(path: Path, level: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(level - 20, level + 20, (8, 8, 3), np.uint8)).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for part in ("train", "test"):
        for label, level in (("cat", 60), ("dog", 190)):
            for i in range(2):
                write(tmp_path / "images" / part / label / f"{i}.png", level)
    return tmp_path / "images"


def dataset(root: Path, **options: Any) -> Dataset:
    return load("image_folder", root, cache_dir=root.parent / "cache", **options)


def fails(root: Path, setting: str = "data.root", **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        dataset(root, **options)
    assert caught.value.setting == setting
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_links_to_nothing(tree: Path) -> None:
    (tree / "train" / "cat" / "notes.txt").symlink_to("/nowhere/notes.txt")
    dataset(tree)
    link = tree / "train" / "cat" / "zz.png"
    link.symlink_to("/nowhere/zz.png")
    assert f"{link} is a link to /nowhere/zz.png, which is not there" in fails(tree)
    link.unlink()
    link.symlink_to(link)
    assert f"{link} cannot be read: " in fails(tree)
    link.unlink()
    (tree / "train" / "emu").symlink_to("/nowhere/emu")
    assert "emu is a link to /nowhere/emu" in fails(tree)


def test_what_is_called_like_an_image_and_is_no_file(tree: Path) -> None:
    place = tree / "train" / "cat" / "zz.png"
    place.mkdir()
    assert "cat" in fails(tree)
    place.rmdir()
    os.mkfifo(place)
    assert f"{place} is neither a file nor a folder" in fails(tree)


def test_what_systems_leave_is_passed_over(tree: Path) -> None:
    before = dataset(tree)
    for name in ("__MACOSX/cat/._0.png", "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/0.png", ".git/0.png"):
        for place in (tree / "train", tree / "train" / "cat", tree / "test"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(b"x")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._0.png"):
        (tree / "train" / "cat" / name).write_bytes(b"x")
    after = dataset(tree)
    assert after.classes == ("cat", "dog")
    assert np.array_equal(after.train_x, before.train_x)
    assert after.folders is None


def test_images_of_a_kind_that_is_not_read_are_not_passed_over(tree: Path) -> None:
    (tree / "train" / "cat" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    said = fails(tree)
    assert "cat/IMG_1.HEIC is of a kind that is not read (1 such): save it as JPEG or PNG" in said
    (tree / "train" / "cat" / "IMG_1.HEIC").rename(tree / "train" / "cat" / "notes.txt")
    dataset(tree)


def test_a_class_in_a_hidden_folder_is_none(tree: Path) -> None:
    (tree / "train" / "dog").rename(tree / "train" / ".dog")
    assert "has a class 'dog' that is not in train" in fails(tree)


def test_images_whose_names_end_in_nothing_are_told(tree: Path) -> None:
    for path in list((tree / "train" / "cat").iterdir()):
        path.rename(path.with_suffix(""))
    assert "class cat has no image in train: its folder holds 2 whose names do not end in .jpg, .png" in fails(tree)


def test_two_spellings_are_one_class(tree: Path) -> None:
    composed, apart = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    for part, name in (("train", composed), ("train", apart), ("test", apart)):
        write(tree / part / name / f"{len(name)}.png")
    data = dataset(tree)
    assert data.classes == (composed, "cat", "dog") == ("caf\u00e9", "cat", "dog")
    assert np.bincount(data.train_y).tolist() == [2, 2, 2]
    assert np.bincount(data.test_y).tolist() == [1, 2, 2]
    known = dataset(tree, classes=["cat", "dog", apart])
    assert known.classes == ("cat", "dog", apart), "a charter's names stay as they are"
    assert np.bincount(known.train_y).tolist() == [2, 2, 2]


def test_two_spellings_are_one_owner(tmp_path: Path) -> None:
    write(tmp_path / "train" / unicodedata.normalize("NFC", "Zoë") / "cat" / "0.png")
    write(tmp_path / "train" / unicodedata.normalize("NFD", "Zoë") / "dog" / "0.png")
    assert set(list_classes(tmp_path, "train").owners) == {"Zoë"}


def test_empty_class_folders_are_told(tree: Path) -> None:
    (tree / "train" / "emu").mkdir()
    assert "class emu has no image in train: its folder is empty" in fails(tree)
    (tree / "train" / "emu" / "0.heic").write_bytes(b"x")
    assert "its folder holds 1 of .heic, which is not read" in fails(tree)
    (tree / "train" / "emu").rename(tree / "test" / "emu")
    assert "class emu has no image in test" in fails(tree)
    assert dataset(tree, classes=["cat", "dog", "emu"]).classes == ("cat", "dog", "emu"), "a party may have none"


def test_an_owner_may_lack_a_class_that_another_has(tmp_path: Path) -> None:
    write(tmp_path / "train" / "ann" / "cat" / "0.png")
    write(tmp_path / "train" / "bob" / "dog" / "0.png")
    (tmp_path / "train" / "bob" / "cat").mkdir()
    assert list_classes(tmp_path, "train").labels == ("cat", "dog")
    (tmp_path / "train" / "bob" / "emu").mkdir()
    with pytest.raises(DataError, match="class emu has no image"):
        list_classes(tmp_path, "train")


def test_a_folder_whose_name_is_not_text(tree: Path) -> None:
    write(tree / "train" / os.fsdecode(b"\xff") / "0.png")
    assert "not in UTF-8" in fails(tree)


# -- sets ----------------------------------------------------------------------------------------------------------


def grey(root: Path, dark: tuple[int, int], light: tuple[int, int]) -> Path:
    """Write two classes of 16-bit images."""
    for part in ("train", "test"):
        for name, (low, high) in (("dark", dark), ("light", light)):
            (root / part / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(RANDOM.integers(low, high, (8, 8), np.uint16)).save(root / part / name / f"{i}.png")
    return root


def test_a_set_of_sixteen_bits(tmp_path: Path) -> None:
    data = dataset(grey(tmp_path / "images", (2000, 9000), (25000, 60000)))
    assert data.train_x[data.train_y == 0].max() <= 9000 >> 8
    assert data.train_x[data.train_y == 1].min() >= 25000 >> 8
    assert 250_000 < data.mean[0] < 400_000


def test_a_set_of_twelve_bits_in_sixteen(tmp_path: Path) -> None:
    root = grey(tmp_path / "images", (100, 900), (1500, 4095))
    assert "no value uses more than 12" in fails(root, "data.bits")
    data = dataset(root, bits=12)
    assert data.train_x.max() > 240
    assert np.array_equal(dataset(root, bits=16).train_x, data.train_x >> 4), "another cache"


def test_who_joins_reads_as_the_charter_says(tmp_path: Path) -> None:
    root = grey(tmp_path / "images", (100, 900), (1500, 4095))
    agreed = DataTerms(("dark", "light"), (3, 8, 8), (0,) * 3, (1,) * 3, 12)
    words = ["data=image_folder", f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}"]
    assert learner.load(load_settings(words), agreed).train_x.max() > 240
    own = learner.load(load_settings([*words, "data.bits=13"]), agreed)
    assert 120 < own.train_x.max() < 128, "its own camera is another one"


def test_processes_are_told_the_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = grey(tmp_path / "images", (100, 900), (1500, 4095))
    alone = dataset(root, bits=12)
    monkeypatch.setattr(folders, "A_PROCESS", 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(folders, "read", None)  # not in this process
    together = load("image_folder", root, cache_dir=tmp_path / "other", bits=12)
    assert np.array_equal(together.train_x, alone.train_x)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_of_one_colour_is_refused(tree: Path, part: str) -> None:
    for i in range(2):
        Image.new("RGB", (8, 8), (7, 8, 9)).save(tree / part / "dog" / f"{i}.png")
    assert f"class 'dog' in {part} has the value (7, 8, 9)" in fails(tree)
    Image.new("RGB", (8, 8), (7, 8, 10)).save(tree / part / "dog" / "1.png")
    dataset(tree)


def test_a_set_of_one_colour_is_refused(tree: Path) -> None:
    for path in tree.rglob("*.png"):
        Image.new("I;16", (8, 8), 65535).save(path)
    assert "(255, 255, 255)" in fails(tree)


def test_eight_bits_are_what_they_were(tmp_path: Path) -> None:
    """Bit for bit what Pillow gives for images of 8 bits that are not transparent, resized or not."""
    image = Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), np.uint8))
    for suffix in ("jpg", "png", "bmp", "webp", "tif", "ppm"):
        for mode in ("RGB", "L"):
            image.convert(mode).save(tmp_path / f"a.{suffix}")
            with Image.open(tmp_path / f"a.{suffix}") as opened:
                there = opened.convert("RGB")
                small = there.resize((7, 5), Image.Resampling.BILINEAR, reducing_gap=3.0)
            assert np.array_equal(read(tmp_path / f"a.{suffix}", (20, 30)), np.asarray(there).transpose(2, 0, 1))
            if suffix != "jpg":  # whose decoder skips detail
                assert np.array_equal(read(tmp_path / f"a.{suffix}", (5, 7)), np.asarray(small).transpose(2, 0, 1))
