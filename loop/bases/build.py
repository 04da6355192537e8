"""A base from public checkpoints: Janus-Pro and DINOv2 as one saved ad generator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from transformers import Dinov2Config, Dinov2Model

from adloom.loop.bases.sources import in_one_line, refuse_unusable, sizes_told
from adloom.loop.settings.out_folder import taken
from adloom.loop.settings.whole_folder import too_full, whole_folder
from adloom.models.generator import AdModel
from adloom.models.janus import JanusForConditionalGeneration
from adloom.models.janus_pro import load_janus, paper_config
from adloom.models.picture_encoder import PictureEncoder
from adloom.models.public_checkpoint import janus_config, janus_tokenizer

Stored = Literal["bfloat16", "float16", "float32"]
_ROOM = 1.05  # tokenizer and heads of files come on top of the weights


class CannotBuild(ValueError):
    """A base that cannot be written where it is to be; the message says why."""


class BuiltBase(BaseModel):
    """What a base is: sizes on disk and in tokens.

    ``bytes`` are those of all files, ``parameters`` those of Janus, of DINOv2 and of the modules
    that start untrained. ``codebook`` is the number of its entries, ``codebook_name`` names it.
    """

    model_config = ConfigDict(frozen=True)

    out: Path
    bytes: int
    dtype: Stored
    parameters: dict[str, int]
    layers: int
    width: int
    vocabulary: int
    picture_size: int
    image_tokens: int
    history_picture_tokens: int
    codebook: int
    codebook_name: str


def build_base(
    janus: str,
    dinov2: str,
    out: Path,
    *,
    dtype: Stored = "bfloat16",
    say: Callable[[str], None] = lambda _: None,
) -> BuiltBase:
    """Build a base and write it to ``out``, whole or not at all.

    Args:
        janus, dinov2: folders, or names on the hub.
        out: a folder that is not there yet, or empty.
        dtype: of the weights on disk; in bfloat16 those of the VQ model stay in float32, for
            rounded they would give pictures other codes.
        say: told what is under way.

    Raises:
        BadCheckpoint: one of them is missing, damaged or of another kind.
        CannotBuild: ``out`` holds something, or the disk has no room. No weight is made by then.
    """
    if problem := taken(out):
        raise CannotBuild(problem)
    refuse_unusable(janus, "janus")
    refuse_unusable(dinov2, "dinov2")
    planned = _without_weights(janus, dinov2)
    if problem := too_full(out, int(_ROOM * _bytes_on_disk(planned, dtype)), "the base"):
        raise CannotBuild(problem)
    say("Loading the checkpoints")
    model = _loaded(janus, dinov2, dtype)
    say("Writing the base")
    with whole_folder(out) as folder:
        model.save_pretrained(folder, dtype=getattr(torch, dtype))
        return _told(folder, out, model, dtype)


def _without_weights(janus: str, dinov2: str) -> AdModel:
    """The base on the meta device: its sizes, and that its parts fit together."""
    with sizes_told(dinov2), torch.device("meta"):
        foreground = Dinov2Model(Dinov2Config.from_pretrained(dinov2))
    with sizes_told(janus), torch.device("meta"):
        tokenizer = janus_tokenizer(janus)
        shape = janus_config(janus)
        bare = JanusForConditionalGeneration(shape)
        return AdModel(bare, tokenizer, paper_config(shape), foreground)


def _bytes_on_disk(model: AdModel, dtype: Stored) -> int:
    each, full = getattr(torch, dtype).itemsize, torch.float32.itemsize
    exact = (full - each) * _parameters(model.janus.model.vqmodel)
    rest = each * (_parameters(model.janus) + _parameters(model.conditioning))
    return exact + rest + full * _parameters(model.dinov2)


def _parameters(part: torch.nn.Module | None) -> int:
    return 0 if part is None else sum(p.numel() for p in part.parameters())


def _loaded(janus: str, dinov2: str, dtype: Stored) -> AdModel:
    torch.manual_seed(0)  # the modules that start untrained: the same base each time
    try:
        return load_janus(janus, dinov2=dinov2, dtype=getattr(torch, dtype))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise in_one_line(janus, error) from error


def _told(folder: Path, out: Path, model: AdModel, dtype: Stored) -> BuiltBase:
    config = model.config
    text = model.janus.config.get_text_config()
    parts = {"janus": model.janus, "dinov2": model.dinov2, "untrained": model.conditioning}
    return BuiltBase(
        out=out,
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        dtype=dtype,
        parameters={name: _parameters(part) for name, part in parts.items()},
        layers=text.num_hidden_layers,
        width=model.width,
        vocabulary=text.vocab_size,
        picture_size=config.picture_size,
        image_tokens=config.image_tokens,
        history_picture_tokens=config.history_picture_tokens,
        codebook=model.janus.model.vqmodel.quantize.embedding.num_embeddings,
        codebook_name=PictureEncoder.from_pretrained(folder, "cpu").codebook_name,
    )
