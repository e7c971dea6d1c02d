"""Sentences, tokenised and masked, and a model that takes and gives what Hugging Face's do; here without a download.

Copy it to the folder that you work in, and run it there:

    python -m rayfed +experiment=text task=classification partition=dirichlet \\
        data=custom data.loader._target_=own_text.reviews \\
        model._target_=own_text.Encoder ~model.depth ~model.heads ~model.dropout
"""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from rayfed.learning.examples import Examples

WORDS = ["[PAD]", "the", "a", "film", "food", "service", "was", "is", "and", "it"]
WORDS += ["good", "great", "fine", "bad", "poor", "dull", "slow"]
GOOD, BAD = ("good", "great", "fine"), ("bad", "poor", "dull", "slow")
LENGTH = 12


def reviews(n: int = 1200, seed: int = 0) -> Examples:
    """Return made-up reviews: (n, 12) token ids and (n, 12) masks, and whether they praise.

    With the package transformers it would be: ``tokenizer(texts, padding="max_length", max_length=LENGTH,
    truncation=True, return_tensors="np")``, and its ``input_ids`` and ``attention_mask``.
    """
    dice = np.random.default_rng(seed)
    ids, mask = np.zeros((n, LENGTH), np.int64), np.zeros((n, LENGTH), np.int64)
    praise = dice.integers(0, 2, n)
    for row, good in enumerate(praise):
        said = [*dice.choice(WORDS[1:8], dice.integers(2, 7)), dice.choice(GOOD if good else BAD), "and", "it", "is"]
        ids[row, : len(said)] = [WORDS.index(word) for word in said]
        mask[row, : len(said)] = 1
    cut = n // 5
    return Examples(
        (ids[cut:], mask[cut:]), praise[cut:], (ids[:cut], mask[:cut]), praise[:cut], classes=("bad", "good")
    )


class Encoder(nn.Module):
    """A bag of words with attention; in its place ``AutoModelForSequenceClassification.from_config`` would do."""

    def __init__(self, num_classes: int, width: int = 32) -> None:
        super().__init__()
        self.words, self.weight = nn.Embedding(len(WORDS), width), nn.Linear(width, 1)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        x = self.words(input_ids)  # (b, length, width)
        part = self.weight(x).squeeze(2).masked_fill(attention_mask == 0, -1e9).softmax(1)
        return SimpleNamespace(logits=self.classifier((part.unsqueeze(2) * x).sum(1)))
