"""A base without its weights: every tensor has its shape and dtype, and takes no memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Dinov2Config, Dinov2Model, JanusConfig, PreTrainedTokenizerFast

from adloom.models.config import CONFIG_FILE, AdGeneratorConfig
from adloom.models.generator import DEMO_MODEL, DINOV2_FOLDER, AdModel
from adloom.models.janus import JanusForConditionalGeneration
from adloom.models.janus_pro import paper_config
from adloom.models.public_checkpoint import janus_config, refuse_other_kinds
from adloom.models.published_shapes import JANUS_SIZES, dinov2_small, janus_pro


@dataclass(frozen=True, eq=False)
class BaseShape:
    """What a base is made of; ``dinov2`` is None where ``config`` has the small encoder."""

    janus: JanusConfig
    config: AdGeneratorConfig
    dinov2: Dinov2Config | None

    @classmethod
    def of(cls, janus: str) -> BaseShape:
        """That of ``1b`` or ``7b``, Janus-Pro's; of the config.json of a checkpoint of Janus, with
        DINOv2-small and the paper's sizes around it; or of a base's folder, with its own.

        Raises:
            OSError: there is no checkpoint of that name.
            ValueError: it is none of Janus.
        """
        for size in JANUS_SIZES:
            if janus.upper() == size:
                return cls._around(janus_pro(size))
        refuse_other_kinds(janus, "janus")
        read, folder = janus_config(janus), Path(janus)
        if not (folder / CONFIG_FILE).is_file():
            return cls._around(read)
        config, seeing = AdGeneratorConfig.load(folder), folder / DINOV2_FOLDER
        small = config.foreground == "small"
        return cls(read, config, None if small else Dinov2Config.from_pretrained(seeing))

    @classmethod
    def _around(cls, janus: JanusConfig) -> BaseShape:
        return cls(janus, paper_config(janus), dinov2_small())

    def without_weights(self) -> AdModel:
        """The base on the meta device, its parts in the dtypes that they have on a GPU.

        Its words are the demo model's, for the tokenizer is no matter of memory.
        """
        words = PreTrainedTokenizerFast.from_pretrained(DEMO_MODEL)
        with torch.device("meta"):
            janus: Any = JanusForConditionalGeneration(self.janus)
            janus.to(torch.bfloat16)
            janus.model.vqmodel.float()
            dinov2 = None if self.dinov2 is None else Dinov2Model(self.dinov2)
            config = self.config.model_copy(update={"prompt": "plain"})
            return AdModel(janus, words, config, dinov2)
