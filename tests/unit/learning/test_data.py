"""Data sets of every kind: what they hold, that they are decoded once, and what is said when they cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfed.errors import DataError
from rayfed.learning import data as data_module
from rayfed.learning import folders
from rayfed.learning.cache import cached
from rayfed.learning.data import Dataset, load, moments

REPOSITORY = Path(__file__).resolve().parents[3]


def colour(i: int) -> tuple[int, int, int]:
    return (40 * i) % 256, (90 * i) % 256, (17 * i) % 256


def write(path: Path, i: int, size: tuple[int, int] = (12, 10)) -> None:
    """Write one picture of a single colour but for its last pixel; ``size`` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour(i))
    image.putpixel((size[0] - 1, size[1] - 1), (255, 255, 255))
    image.save(path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes, three training pictures and two test pictures each."""
    root = tmp_path / "pictures"
    for part, count in (("train", 3), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(count):
                write(root / part / label / f"{i}.png", i + (10 if label == "dog" else 0))
    return root


def read(root: Path, **options: object) -> Dataset:
    return load("image_folder", root, cache_dir=root.parent / "cache", **options)  # type: ignore[arg-type]


def test_digits(tmp_path: Path) -> None:
    data = load("digits", cache_dir=tmp_path)
    assert data.shape == (1, 8, 8)
    assert (data.train_x.shape, data.test_x.shape) == ((1438, 1, 8, 8), (359, 1, 8, 8))
    assert data.train_x.dtype == np.uint8
    assert data.train_y.dtype == np.int64
    assert (data.train_x.min(), data.train_x.max()) == (0, 255)
    assert set(np.unique(data.test_y)) == set(range(10)) == set(map(int, data.classes))
    assert (data.mean, data.std) == ((306000,), (376000,))
    assert int(data.test_y[:10].sum()) == int(load("digits", cache_dir=tmp_path / "other").test_y[:10].sum())


def test_digits_a_second_time_need_no_scikit_learn(tmp_path: Path) -> None:
    load("digits", cache_dir=tmp_path)
    code = f"import sys; from rayfed.learning.data import load; load('digits', cache_dir={str(tmp_path)!r}); "
    code += "print(sorted({'sklearn', 'torch', 'torchvision', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]"


def test_image_folder(tree: Path) -> None:
    data = read(tree)
    assert data.classes == ("cat", "dog")
    assert data.train_x.shape == (6, 3, 10, 12)
    assert data.train_y.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_y.tolist() == [0, 0, 1, 1]
    assert [tuple(picture[:, 3, 5].tolist()) for picture in data.train_x] == [colour(i) for i in (0, 1, 2, 10, 11, 12)]
    assert data.folders is None
    assert isinstance(data.train_x, np.memmap)
    assert not data.train_x.flags.writeable


def test_node_folders(tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    for node, label, i in (("ann", "cat", 0), ("ann", "dog", 1), ("bob", "cat", 2)):
        write(root / "train" / node / label / "x.png", i)
    write(root / "test" / "dog" / "x.png", 3)
    data = read(root)
    assert data.owners == ("ann", "bob")
    assert data.folders is not None
    assert data.folders.tolist() == [0, 0, 1]
    assert data.train_y.tolist() == [0, 1, 0]
    assert data.test_y.tolist() == [1]


def test_pictures_are_decoded_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(tree)

    def never(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(folders, "decode", never)
    assert np.array_equal(read(tree).train_x, first.train_x)
    write(tree / "train" / "cat" / "new.png", 7)
    with pytest.raises(AssertionError, match="decoded again"):
        read(tree)


def test_a_cache_of_images_that_were_read_in_another_way_is_not_used(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_module, "DECODING", f"before {data_module.DECODING}")
    read(tree)
    monkeypatch.undo()

    def seen(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(folders, "decode", seen)
    with pytest.raises(AssertionError, match="decoded again"):
        read(tree)


def test_a_changed_picture_is_seen(tree: Path) -> None:
    read(tree)
    path = tree / "train" / "cat" / "0.png"
    write(path, 5)
    os.utime(path, ns=(1, 1))
    assert tuple(read(tree).train_x[0, :, 0, 0].tolist()) == colour(5)


def test_image_size_resizes(tree: Path) -> None:
    write(tree / "train" / "cat" / "big.png", 4, size=(40, 50))
    data = read(tree, image_size=8)
    assert data.shape == (3, 8, 8)
    assert tuple(data.train_x[3, :, 4, 4].tolist()) == colour(4)
    assert read(tree).shape == (3, 10, 12), "without it the first picture decides"


def test_grey_transparent_and_turned_pictures(tree: Path) -> None:
    Image.new("L", (12, 10), 77).save(tree / "train" / "cat" / "a.png")
    Image.new("RGBA", (12, 10), (1, 2, 3, 0)).save(tree / "train" / "cat" / "b.png")
    turned = Image.new("RGB", (10, 12))
    turned.paste((255, 255, 255), (0, 0, 10, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 270 degrees
    turned.save(tree / "train" / "cat" / "c.png", exif=exif)
    data = read(tree)
    assert data.train_x[3, :, 0, 0].tolist() == [77, 77, 77]
    assert data.train_x[4, :, 0, 0].tolist() == [255, 255, 255], "a page is white"
    assert data.train_x[5, 0, 5].tolist() == [0] * 9 + [255] * 3


def test_known_classes_may_be_missing_here(tree: Path) -> None:
    assert read(tree, classes=["bird", "cat", "dog"]).train_y.tolist() == [1, 1, 1, 2, 2, 2]
    with pytest.raises(DataError, match=r"data\.root: .*'dog'"):
        read(tree, classes=["bird", "cat"])


def test_tiny_imagenet(tmp_path: Path) -> None:
    root = tmp_path / "tiny-imagenet-200"
    for wnid, i in (("n01", 1), ("n02", 2)):
        write(root / "train" / wnid / "images" / f"{wnid}_0.JPEG", i, size=(64, 64))
    write(root / "val" / "images" / "val_0.JPEG", 3, size=(64, 64))
    write(root / "val" / "images" / "val_1.JPEG", 4, size=(64, 64))
    (root / "val" / "val_annotations.txt").write_text("val_1.JPEG\tn01\t0\t0\t1\t1\nval_0.JPEG\tn02\t0\t0\t1\t1\n")
    data = load("tiny_imagenet", root, cache_dir=tmp_path / "cache")
    assert data.shape == (3, 64, 64)
    assert data.classes == ("n01", "n02")
    assert data.train_y.tolist() == [0, 1]
    assert data.test_y.tolist() == [1, 0]
    (root / "val" / "images" / "val_1.JPEG").unlink()
    with pytest.raises(DataError, match=r"val_1\.JPEG"):
        load("tiny_imagenet", root, cache_dir=tmp_path / "cache")
    shutil.rmtree(root / "val")
    with pytest.raises(DataError, match="not Tiny-ImageNet"):
        load("tiny_imagenet", root, cache_dir=tmp_path / "cache")


def fails(setting: str, *arguments: object, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load(*arguments, **options)  # type: ignore[arg-type]  # on purpose any
    assert caught.value.setting == setting
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_and_empty_folders(tree: Path, tmp_path: Path) -> None:
    options = {"cache_dir": tmp_path / "cache"}
    fails("data.root", "image_folder", **options)
    assert "nowhere" in fails("data.root", "image_folder", tmp_path / "nowhere", **options)
    fails("data.root", "image_folder", tmp_path / "cache", **options)
    shutil.rmtree(tree / "test")
    assert "test" in fails("data.root", "image_folder", tree, **options)
    (tree / "test" / "cat").mkdir(parents=True)
    (tree / "test" / "cat" / "notes.txt").write_text("no picture")
    assert "no image" in fails("data.root", "image_folder", tree, **options)
    fails("data.kind", "mnist", **options)
    fails("data.image_size", "image_folder", tree, image_size=1, **options)


def test_broken_picture_is_named_and_nothing_is_left(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    whole = (tree / "train" / "dog" / "1.png").read_bytes()
    for content in (b"", b"no picture", whole[: len(whole) // 2]):
        (tree / "train" / "dog" / "1.png").write_bytes(content)
        assert "dog/1.png" in fails("data.root", "image_folder", tree, cache_dir=cache)
        assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_many_pictures_are_decoded_by_processes(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = read(tree)
    monkeypatch.setattr(folders, "A_PROCESS", 2)  # three for the six that are trained on
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(folders, "read", None)  # not in this process
    together = load("image_folder", tree, cache_dir=tmp_path / "other")
    assert np.array_equal(together.train_x, alone.train_x)
    assert np.array_equal(together.test_x, alone.test_x)
    for path in ("train/dog/1.png", "train/cat/2.png"):
        (tree / path).write_bytes(b"no picture")
        said = fails("data.root", "image_folder", tree, cache_dir=tmp_path / "broken")
        assert path.removeprefix("train/") in said, "the first one that is broken"
    assert [path for path in (tmp_path / "broken").iterdir() if path.suffix != ".lock"] == []


def test_a_decoding_process_that_dies_is_told(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "A_PROCESS", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "ended with 1" in fails("data.cache_dir", "image_folder", tree, cache_dir=tmp_path / "cache")


def test_class_of_test_unknown_in_train(tree: Path, tmp_path: Path) -> None:
    write(tree / "test" / "emu" / "0.png", 0)
    assert "'emu'" in fails("data.root", "image_folder", tree, cache_dir=tmp_path / "cache")


def test_mixed_layouts(tree: Path, tmp_path: Path) -> None:
    write(tree / "train" / "bob" / "cat" / "0.png", 0)
    assert "mixes" in fails("data.root", "image_folder", tree, cache_dir=tmp_path / "cache")


def test_cache_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    fails("data.cache_dir", "image_folder", tree, cache_dir=tmp_path / "file")
    fails("data.cache_dir", "digits", cache_dir=tmp_path / "file" / "below")


def test_cifar_neither_there_nor_downloadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cifar10" in fails("data.download", "cifar10", tmp_path)

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    assert "no route to host" in fails("data.download", "cifar100", tmp_path, download=True)


def test_cifar_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision's own reader on files of CIFAR-10's format, few pictures in each."""
    import hashlib
    import pickle

    from torchvision.datasets import CIFAR10

    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (6, 4, 3072), dtype=np.uint8)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    md5 = {}
    for name, part in zip(names, rows, strict=True):
        (base / name).write_bytes(pickle.dumps({"data": part, "labels": [3, 1, 2, 0]}))
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcd")}))
    for name in [*names, "batches.meta"]:
        md5[name] = hashlib.md5((base / name).read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    data = load("cifar10", tmp_path, cache_dir=tmp_path / "cache")
    assert np.array_equal(data.train_x, rows[:5].reshape(20, 3, 32, 32))
    assert np.array_equal(data.test_x, rows[5].reshape(4, 3, 32, 32))
    assert data.test_y.tolist() == [3, 1, 2, 0]
    assert data.classes == tuple("abcd")
    (base / "test_batch").write_bytes(b"short")
    assert "damaged" in fails("data.root", "cifar10", tmp_path, cache_dir=tmp_path / "cache")


def test_moments_are_those_of_numpy() -> None:
    x = np.random.default_rng(0).integers(0, 200, (5000, 3, 4, 4), dtype=np.uint8)
    mean, std = moments(x)
    assert mean == [1000 * round(1000 * value) for value in x.mean((0, 2, 3)) / 255]
    assert std == [1000 * round(1000 * value) for value in x.std((0, 2, 3)) / 255]
    assert moments(np.zeros((2, 1, 4, 4), np.uint8)) == ([0], [1000]), "never a deviation of zero"


def test_processes_that_race_decode_once(tmp_path: Path) -> None:
    code = """if True:
        import sys, time
        from pathlib import Path
        from rayfed.learning.cache import cached
        def make(folder):
            with open(sys.argv[1] + ".log", "a") as log:
                log.write("made\\n")
            (folder / "a").write_text("half")
            time.sleep(0.3)
            (folder / "a").write_text("whole")
        print((cached(Path(sys.argv[1]), "key", make) / "a").read_text())
    """
    arguments = [sys.executable, "-c", code, str(tmp_path / "cache")]
    racers = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(4)]
    assert [racer.communicate()[0].strip() for racer in racers] == ["whole"] * 4
    assert (tmp_path / "cache.log").read_text() == "made\n"


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    (tmp_path / "key.tmp-dead").mkdir()
    cached(tmp_path, "key", lambda folder: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.lock"]


def cifar_pictures() -> Path:
    """Return the archive of real pictures, or skip."""
    place = os.environ.get("RAYFED_CIFAR10_ZIP")
    path = Path(place) if place else REPOSITORY.parent / "shared" / "data" / "cifar10-images.zip"
    if not path.is_file():
        pytest.skip(f"the real pictures are not in {path}; set RAYFED_CIFAR10_ZIP")
    return path


def test_real_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(cifar_pictures()) as archive:
        names = [name for name in archive.namelist() if name.endswith("00.jpg")]
        archive.extractall(tmp_path, names)
    data = load("image_folder", tmp_path, cache_dir=tmp_path / "cache")
    assert data.shape == (3, 32, 32)
    assert len(data.classes) == 10
    assert len(data.train_x) + len(data.test_x) == len(names)
    assert all(440_000 < mean < 540_000 for mean in data.mean)
    with Image.open(
        tmp_path / "train" / data.classes[0] / sorted(os.listdir(tmp_path / "train" / "airplane"))[0]
    ) as im:
        assert np.array_equal(data.train_x[0], np.asarray(im).transpose(2, 0, 1))
