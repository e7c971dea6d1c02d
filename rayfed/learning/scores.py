"""The scores in what a model gives: many give more, or wrap them, above all while they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def scores_of(output: Any) -> torch.Tensor:
    """Return the (n, classes) scores out of what a model gave; what else is in there is ignored.

    That is a tensor itself, the first of a tuple or a list (auxiliary classifiers come behind it, as torchvision's
    GoogLeNet and Inception give them), and what is called ``logits`` in a mapping or an object (Hugging Face).

    Raises:
        TypeError: there are none.
    """
    if isinstance(output, torch.Tensor):
        return output
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if found is None and isinstance(output, tuple | list) and output:
        found = output[0]
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"the model gives a {type(output).__name__}, in which there are no scores")
    return found
