"""Public checkpoints as `transformers` reads them: what is none of ours is refused early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, cast

from transformers import JanusConfig, PretrainedConfig, PreTrainedTokenizerFast
from transformers.utils.hub import cached_file

from adloom.models.tokenizer import BOI, EOI

Kind = Literal["janus", "dinov2"]
JANUS_PRO_1B = "deepseek-community/Janus-Pro-1B"
_CALLED = {"janus": "Janus", "dinov2": "DINOv2"}
_ORIGINAL = "multi_modality"
_PROCESSORS_FILE = "chat_template.json"


def refuse_other_kinds(checkpoint: str | Path, kind: Kind) -> None:
    """Before a weight is made: other kinds would load, with random weights in place of theirs.

    Raises:
        OSError: no checkpoint lies there.
        ValueError: it is of another kind, or in the format of the original repository.
    """
    if Path(checkpoint).is_absolute() and not Path(checkpoint).exists():
        raise FileNotFoundError(f"{checkpoint}: there is no such folder")
    described, _ = PretrainedConfig.get_config_dict(checkpoint)
    if not described:
        raise FileNotFoundError(f"{checkpoint}: no checkpoint lies there: config.json is missing")
    found = described.get("model_type")
    if found == _ORIGINAL and kind == "janus":
        raise ValueError(
            f"{checkpoint}: is in the format of the original repository (model_type {_ORIGINAL}); "
            f"take the converted checkpoint, such as {JANUS_PRO_1B}"
        )
    if found != kind:
        raise ValueError(
            f"{checkpoint}: is no {_CALLED[kind]} checkpoint "
            f"(its config.json says model_type {found!r})"
        )


def janus_config(checkpoint: str | Path) -> JanusConfig:
    """The configuration of a Janus checkpoint.

    Whether words that are read and words that are written have one matrix is as its config.json
    says. One that transformers 4 wrote, as those of Janus-Pro, leaves that to the language model;
    transformers 5 would take it that they have.

    Raises:
        OSError: there is none.
        ValueError: the sizes of its parts do not fit together.
    """
    described, _ = PretrainedConfig.get_config_dict(checkpoint)
    config = JanusConfig.from_pretrained(checkpoint)
    if "tie_word_embeddings" not in described:
        config.tie_word_embeddings = config.get_text_config().tie_word_embeddings
    _refuse_unfit_sizes(checkpoint, config)
    return config


def _refuse_unfit_sizes(checkpoint: str | Path, config: JanusConfig) -> None:
    """What config.json leaves out is the library's default: of another size, as like as not."""
    width: int = config.get_text_config().hidden_size
    vision, codebook = cast(Any, config.vision_config), cast(Any, config.vq_config)
    patches = vision.image_size // 2 ** (len(codebook.channel_multiplier) - 1)
    for name, found, wanted in (
        ("vq_config.projection_dim", codebook.projection_dim, width),
        ("vq_config.image_token_embed_dim", codebook.image_token_embed_dim, width),
        ("vq_config.num_patches", codebook.num_patches, patches),
    ):
        if found != wanted:
            raise ValueError(
                f"{checkpoint}: by its config.json the parts do not fit together: {name} is "
                f"{found}, where the others call for {wanted}"
            )


def janus_tokenizer(checkpoint: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a Janus checkpoint, with its chat template if it has one.

    Raises:
        OSError: there is none.
        ValueError: it cannot be read, or has no padding token, or none of those around a picture.
    """
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
    except OSError:
        raise
    except Exception as error:  # the library of tokenizers raises no other
        raise ValueError(
            f"{checkpoint}: its tokenizer cannot be read: tokenizer.json is missing or damaged, "
            "copy the checkpoint again"
        ) from error
    missing = {BOI, EOI} - set(tokenizer.get_vocab())
    if missing or tokenizer.pad_token_id is None:
        raise ValueError(
            f"{checkpoint}: the tokenizer of a Janus model has a padding token, {BOI} and {EOI}"
        )
    if not tokenizer.chat_template:
        tokenizer.chat_template = _processors_template(checkpoint)
    return tokenizer


def _processors_template(checkpoint: str | Path) -> str | None:
    """The chat template of the processor, where older conversions have it in a file of its own."""
    found = cached_file(checkpoint, _PROCESSORS_FILE, _raise_exceptions_for_missing_entries=False)
    return None if found is None else str(json.loads(Path(found).read_text())["chat_template"])


def whole(kind: Any, checkpoint: str | Path, **how: Any) -> Any:
    """A model of the class ``kind`` of which no weight is missing: what is would be random.

    Raises:
        OSError: there is none.
        ValueError: weights of it are missing.
    """
    model, told = kind.from_pretrained(checkpoint, output_loading_info=True, **how)
    if missing := sorted(told["missing_keys"]):
        raise ValueError(f"{checkpoint}: {len(missing)} weights are missing, such as {missing[0]}")
    return model
