"""A tiny text encoder that nobody trained, in the layout of sentence-transformers."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer

WIDTH = 16


def text_model(folder: Path, seed: int = 0) -> Path:
    """A folder with one; another seed has other weights."""
    plain = folder.with_name(f"{folder.name}-plain")
    plain.mkdir(parents=True)
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    (plain / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(plain / "vocab.txt")).save_pretrained(plain)
    torch.manual_seed(seed)
    sizes = BertConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    BertModel(sizes).save_pretrained(plain)
    SentenceTransformer(modules=[Transformer(str(plain)), Pooling(WIDTH)], device="cpu").save(
        str(folder)
    )
    return folder
