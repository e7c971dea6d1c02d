"""What docs/how-to/transfer.md says of a ResNet-18 whose last layer alone is trained, counted on a real draft of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from rayfed.config import load
from rayfed.encoding import codec, merkle
from rayfed.learning import models
from rayfed.runtime import drafting

CLASSES = 5
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "transfer.md"


def test_the_head_of_a_resnet_travels_in_eleven_kilobytes_not_in_forty_five_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("test", 2)):
        for name in range(CLASSES):
            folder = tmp_path / "images" / part / f"class {name}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    words = ["model=resnet18", "model.trained=[fc.*]", "data=image_folder", f"data.root={tmp_path}/images"]
    small = ["federation.nodes=2", "partition=iid", "train.batch_size=8", f"data.cache_dir={tmp_path}/cache"]
    charter = drafting.draft(load([*words, *small]))
    net = models.build({"_target_": "torchvision.models.resnet18"}, (3, 32, 32), CLASSES, seed=0)

    assert [spec.name for spec in charter.layout.tensors] == ["fc.weight", "fc.bias"]
    assert charter.layout.size == 512 * CLASSES + CLASSES == 2565
    assert charter.layout.parameters == sum(value.numel() for value in net.parameters()) == 11_179_077
    blob = len(codec.blank(charter.layout, codec.Header.merged(1)))
    assert blob == 22 * merkle.LEAF == 11_264
    whole = codec.Layout.of(net.state_dict(), [name for name, _ in net.named_parameters()])
    assert 44e6 < len(codec.blank(whole, codec.Header.merged(1))) < 46e6
    assert "of a ResNet-18 for five classes 2,565 weights, 11 kB a node and round in place of 45 MB" in " ".join(
        PAGE.read_text(encoding="utf-8").split()
    )
