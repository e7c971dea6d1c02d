"""LoRA (Hu et al. 2021, arXiv:2106.09685) by peft on a transformer of Hugging Face's; made here, without a download.

Needs `pip install peft transformers`. Copy it and own_text.py to the folder that you work in, and run it there:

    python -m rayfed name=lora +experiment=text task=classification partition=dirichlet \\
        data=custom data.loader._target_=own_text.reviews train.optimizer.lr=0.01 \\
        model._target_=own_lora.adapted ~model.width ~model.depth ~model.heads ~model.dropout

The adapters and the head alone travel; each party builds the rest, and compares its hash.
"""

from own_text import LENGTH, WORDS
from torch import nn

try:
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import BertConfig, BertForSequenceClassification
except ImportError as error:
    raise ImportError(f"{error}: pip install peft transformers") from error


def adapted(num_classes: int, rank: int = 4) -> nn.Module:
    """Return a BERT with random weights, of which the adapters and the classifier are trained.

    With one that has been trained it would be ``BertForSequenceClassification.from_pretrained(NAME, num_labels=...)``.
    """
    shape = BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=LENGTH, hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=128, num_labels=num_classes,
    )  # fmt: skip
    lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=2 * rank, lora_dropout=0.0)
    return get_peft_model(BertForSequenceClassification(shape), lora)
