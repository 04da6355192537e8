"""A base of a shape alone: without weights, which takes no memory, or with some drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Dinov2Config, Dinov2Model, JanusConfig, PreTrainedTokenizerFast

from adloom.models.config import CONFIG_FILE, AdGeneratorConfig
from adloom.models.folders import DINOV2_FOLDER
from adloom.models.generator import DEMO_MODEL, AdModel
from adloom.models.janus import JanusForConditionalGeneration
from adloom.models.janus_pro import paper_config
from adloom.models.public_checkpoint import janus_config, janus_tokenizer, refuse_other_kinds
from adloom.models.published_shapes import JANUS_SIZES, dinov2_small, janus_pro

_LOGITS = 16.0
"""Standard deviation of logits beside which noise hardly counts."""


@dataclass(frozen=True, eq=False)
class BaseShape:
    """What a base is made of; ``dinov2`` is None where ``config`` has the small encoder.

    ``checkpoint`` is where it was read, if it was.
    """

    janus: JanusConfig
    config: AdGeneratorConfig
    dinov2: Dinov2Config | None
    checkpoint: str | None = None

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
            return cls(read, paper_config(read), dinov2_small(), janus)
        config, seeing = AdGeneratorConfig.load(folder), folder / DINOV2_FOLDER
        small = config.foreground == "small"
        return cls(read, config, None if small else Dinov2Config.from_pretrained(seeing), janus)

    @classmethod
    def _around(cls, janus: JanusConfig) -> BaseShape:
        return cls(janus, paper_config(janus), dinov2_small())

    def without_weights(self) -> AdModel:
        """The base on the meta device, its parts in the dtypes that they have on a GPU.

        Its words are the demo model's, for the tokenizer is no matter of memory.
        """
        return self._made(torch.device("meta"), _demo_words())

    def with_random_weights(self, device: torch.device) -> AdModel:
        """The base with weights drawn by chance: as fast as a trained one, and as large.

        Heads are so large that what is drawn hangs on the tokens before it, and hardly a guess
        of a token comes true; with small ones noise alone would decide, and all would.
        """
        torch.manual_seed(0)
        words = janus_tokenizer(self.checkpoint) if self.checkpoint else _demo_words()
        model = self._made(device, words).eval()
        heads = (model.janus.lm_head, model.janus.model.generation_head.vision_head)
        with torch.no_grad():
            for head in heads:
                head.weight.mul_(_LOGITS / (0.02 * head.in_features**0.5))
        return model

    def _made(self, device: torch.device, words: PreTrainedTokenizerFast) -> AdModel:
        with device:
            janus: Any = JanusForConditionalGeneration(self.janus)
            janus.to(torch.bfloat16 if device.type != "cpu" else torch.float32)
            janus.model.vqmodel.float()
            dinov2 = None if self.dinov2 is None else Dinov2Model(self.dinov2)
            config = self.config.model_copy(update={"prompt": "plain"})
            return AdModel(janus, words, config, dinov2)


def _demo_words() -> PreTrainedTokenizerFast:
    words: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(DEMO_MODEL)
    return words
