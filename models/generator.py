"""Uni-AdGen around a Janus model: one sequence, history and product in, title and picture out.

The sequence of a row is::

    <bos> instruction | history titles | history pictures | <eoi> title <eos> | <boi> image tokens

The history parts are outputs of the preference encoder, the rest are token embeddings.
Each part has a fixed width and a validity mask; positions count valid tokens only.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_model, save_file
from torch import Tensor, nn
from transformers import Dinov2Model, DynamicCache, PreTrainedTokenizerFast

from adloom.models.backbone import hidden_states
from adloom.models.batching import BriefBatch, TargetBatch
from adloom.models.conditioning import CONDITIONING_FILE, Conditioning
from adloom.models.config import AdGeneratorConfig
from adloom.models.damaged_base import loading
from adloom.models.enlarger import enlarger_of
from adloom.models.folders import DINOV2_FOLDER, ENLARGER_FILE
from adloom.models.foreground import Dinov2Features
from adloom.models.janus import JanusForConditionalGeneration
from adloom.models.masks import causal_mask, count_positions
from adloom.models.preference import Preference
from adloom.models.prompts.encoding import check_prompt
from adloom.models.public_checkpoint import whole
from adloom.models.token_losses import token_losses
from adloom.models.tokenizer import BOI, EOI

DEMO_MODEL = Path(__file__).parent / "demo"


class AdModel(nn.Module):
    """Janus with preference and foreground conditioning: embeddings, backbone, losses."""

    def __init__(
        self,
        janus: transformers.JanusForConditionalGeneration,
        tokenizer: PreTrainedTokenizerFast,
        config: AdGeneratorConfig,
        dinov2: Dinov2Model | None = None,
    ) -> None:
        """Build the conditioning modules, untrained, around ``janus``.

        Raises:
            ValueError: ``dinov2`` is missing, or not wanted, by ``config.foreground``; or the
                tokenizer cannot ask as ``config.prompt`` says.
        """
        super().__init__()
        if (config.foreground == "dinov2") != (dinov2 is not None):
            raise ValueError("config.foreground and the encoder given do not agree")
        check_prompt(tokenizer, config)
        self.janus = janus
        self.tokenizer = tokenizer
        self.config = config
        self.width: int = janus.config.get_text_config().hidden_size
        self.dinov2 = None if dinov2 is None else Dinov2Features(dinov2, config.grid)
        features = None if dinov2 is None else dinov2.config.hidden_size
        mlps = config.foreground_mlps_of(janus.config.get_text_config().num_hidden_layers)
        self.conditioning = Conditioning(self.width, config, features, mlps).to(janus.dtype)
        self.enlarger = enlarger_of(janus.model.vqmodel, config.enlarged)
        vocabulary = tokenizer.get_vocab()
        self.boi_id, self.eoi_id = vocabulary[BOI], vocabulary[EOI]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def embed_text(self, ids: Tensor) -> Tensor:
        """Embeddings of text ids, ``(..., width)``."""
        embedded: Tensor = self.janus.get_input_embeddings()(ids)
        return embedded

    def embed_codes(self, codes: Tensor) -> Tensor:
        """Generation embeddings of image codes, ``(..., width)``."""
        embedded: Tensor = self.janus.prepare_embeddings_for_image_generation(codes)
        return embedded

    def prefer(
        self,
        batch: BriefBatch,
        keep: float | None = None,
        conditioning: Conditioning | None = None,
        embedded: Tensor | None = None,
    ) -> Preference:
        """Run the fine stage over a batch's histories; float32.

        ``keep`` is the share of history tokens that passes; ``None`` is the configured one.
        ``conditioning`` are the modules to run; ``None`` is the model's own. ``embedded``
        ``(codes, width)`` is what :meth:`embed_codes` gives for each code, if that is known.
        """
        modules = conditioning or self.conditioning
        config = self.config
        rows, items, _ = batch.history_codes.shape
        codes = batch.history_codes
        picture = self.embed_codes(codes) if embedded is None else F.embedding(codes, embedded)
        if config.history_pictures == "pooled":
            picture = picture.view(rows * items, config.grid, config.grid, self.width)
            pooled = F.adaptive_avg_pool2d(picture.permute(0, 3, 1, 2), config.history_grid)
            picture = pooled.flatten(2).transpose(1, 2)
        pictures = picture.reshape(rows, -1, self.width)
        picture_valid = batch.history_valid.repeat_interleave(config.history_picture_tokens, dim=1)
        titles = self.embed_text(batch.history_titles).view(rows, -1, self.width)
        title_valid = (batch.history_titles != self.tokenizer.pad_token_id).flatten(1)
        preference: Preference = modules.preference(
            pictures.float(), picture_valid, titles.float(), title_valid, keep
        )
        return preference

    def prompt(
        self,
        batch: BriefBatch,
        keep: float | None = None,
        conditioning: Conditioning | None = None,
        embedded: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings ``(n, p, width)`` of all that comes before the title, and validity.

        ``keep``, ``conditioning`` and ``embedded`` as for :meth:`prefer`.
        """
        rows = len(batch.prompt)
        bos = torch.full((rows, 1), self.tokenizer.bos_token_id, device=batch.prompt.device)
        text = torch.cat([bos, batch.prompt], dim=1)
        text_valid = text != self.tokenizer.pad_token_id
        taste = self.prefer(batch, keep, conditioning, embedded)
        # The prompt ends in a token that is never padding: the title is predicted from there.
        end = torch.full((rows, 1), self.eoi_id, device=batch.prompt.device)
        words = self.embed_text(text)
        history = torch.cat([taste.titles, taste.pictures], dim=1).to(words.dtype)
        embeds = torch.cat([words, history, self.embed_text(end)], dim=1)
        kept = (taste.title_selection.valid, taste.picture_selection.valid)
        valid = torch.cat([text_valid, *kept, torch.ones_like(end, dtype=torch.bool)], dim=1)
        return embeds, valid

    def perceive(self, cutouts: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Foreground features ``(mlps, n, image tokens, width)`` in the dtype of the base.

        ``conditioning`` as for :meth:`prefer`.
        """
        seen = cutouts if self.dinov2 is None else self.dinov2(cutouts)
        features: Tensor = (conditioning or self.conditioning).foreground(seen)
        return features.to(self.janus.dtype)

    def backbone(
        self,
        embeds: Tensor,
        mask: Tensor,
        positions: Tensor,
        *,
        foreground: Tensor | None = None,
        cache: DynamicCache | None = None,
    ) -> Tensor:
        """Hidden states of the language model.

        Args:
            embeds: ``(n, length, width)``.
            mask: bool ``(n, 1, length, keys)``, true where a query may look.
            positions: int64 ``(n, length)``.
            foreground: ``(mlps, n, tokens, width)`` of the last so many tokens, those whose next
                tokens are image tokens; added before every n-th layer.
            cache: keys and values of what came before; takes those of ``embeds`` too.
        """
        llama, every = self.janus.model.language_model, self.config.foreground_every
        return hidden_states(llama, embeds, mask, positions, foreground, every, cache)

    def forward(
        self,
        batch: BriefBatch,
        target: TargetBatch,
        unconditional: Tensor | None = None,
        context: TargetBatch | None = None,
        weights: Tensor | None = None,
        keep: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Losses of a batch: mean cross-entropy of title tokens and of image tokens.

        ``unconditional`` bool ``(n,)`` marks rows whose prompt and title are hidden from the
        picture, for classifier-free guidance. ``context`` is what each token is
        predicted after: the target itself where it is None. ``weights`` float ``(n,)`` multiply the
        losses of rows, whose means are over as many tokens as without; None is 1 for all. ``keep``
        as for :meth:`prefer`.
        """
        logits = self.logits(batch, context or target, unconditional=unconditional, keep=keep)
        title, scored, picture = token_losses(
            logits, target, self.tokenizer.pad_token_id, unconditional
        )
        if weights is not None:
            title, picture = title * weights[:, None], picture * weights[:, None]
        return title.sum() / scored.sum().clamp_min(1), picture.mean()

    def log_likelihood(self, batch: BriefBatch, target: TargetBatch) -> Tensor:
        """How likely each row's ad is: ``(n,)``, nats a title token plus nats a picture token.

        By token, so that a long title weighs no more than a short one.
        """
        title, scored, picture = token_losses(
            self.logits(batch, target), target, self.tokenizer.pad_token_id, None
        )
        return -title.sum(1) / scored.sum(1).clamp_min(1) - picture.mean(1)

    def logits(
        self,
        batch: BriefBatch,
        before: TargetBatch,
        *,
        unconditional: Tensor | None = None,
        keep: float | None = None,
        strengths: Tensor | None = None,
        foreground_strength: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Logits of each token after those ``before`` it: of titles ``(n, t, vocabulary)``, of
        pictures ``(n, image tokens, codes)``.

        ``unconditional`` as for :meth:`forward`, ``keep`` as for :meth:`prefer`. ``strengths``
        float ``(n,)`` are those of a learnt guidance; None is 1 for all. ``foreground_strength``
        multiplies the foreground features.
        """
        rows = len(batch.prompt)
        prompt, prompt_valid = self.prompt(batch, keep)
        boi = torch.full((rows, 1), self.boi_id, device=prompt.device)
        text = torch.cat([before.titles, boi], dim=1)
        image = self.embed_codes(before.codes[:, :-1])
        embeds = torch.cat([prompt, self.embed_text(text), image], dim=1)
        always = torch.ones(rows, 1 + image.shape[1], dtype=torch.bool, device=prompt.device)
        written = before.titles != self.tokenizer.pad_token_id
        valid = torch.cat([prompt_valid, written, always], dim=1)
        first_image = prompt.shape[1] + text.shape[1] - 1
        if unconditional is not None:
            hidden_part = torch.zeros_like(valid)
            hidden_part[:, 1:first_image] = True
            valid = valid & ~(hidden_part & unconditional.unsqueeze(1))
        foreground = foreground_strength * self.perceive(batch.cutouts)
        if strengths is not None and self.conditioning.guidance is not None:
            guide: Tensor = self.conditioning.guidance(strengths)
            foreground = foreground + guide[:, None].to(foreground.dtype)
        states = self.backbone(
            embeds, causal_mask(valid), count_positions(valid), foreground=foreground
        )
        titles = self.janus.lm_head(states[:, prompt.shape[1] - 1 : first_image - 1])
        return titles, self.janus.model.generation_head(states[:, first_image:])

    def save_pretrained(self, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
        """Write Janus, tokenizer, conditioning modules and sizes into ``folder``.

        ``dtype`` is that of the weights on disk: ``torch.float16`` halves the files. In bfloat16
        the VQ model keeps its float32: rounded so far it would give pictures other codes.

        Raises:
            ValueError: LoRA adapters are loaded; they are saved by themselves.
        """
        exact = "model.vqmodel." if dtype == torch.bfloat16 else ()
        state = self.janus.state_dict().items()
        weights = {name: w if name.startswith(exact) else w.to(dtype) for name, w in state}
        if any("lora_" in name for name in weights):
            raise ValueError("drop the loaded adapters first: a saved generator is a bare base")
        folder.mkdir(parents=True, exist_ok=True)
        self.janus.save_pretrained(folder, state_dict=weights)
        self.tokenizer.save_pretrained(folder)
        if self.dinov2 is not None:
            self.dinov2.backbone.save_pretrained(folder / DINOV2_FOLDER)
        modules = {CONDITIONING_FILE: self.conditioning, ENLARGER_FILE: self.enlarger}
        for file, module in modules.items():
            if module is not None:
                kept = {name: w.to(dtype) for name, w in module.state_dict().items()}
                save_file(kept, str(folder / file), metadata={"format": "pt"})
        self.config.save(folder)  # last: a folder without it is no generator

    @classmethod
    def from_pretrained(cls, folder: Path, *, dtype: torch.dtype = torch.float32) -> AdModel:
        """Load what :meth:`save_pretrained` wrote; all but the VQ model (float32) is in ``dtype``.

        Raises:
            FileNotFoundError: ``folder`` holds no saved generator.
            DamagedBase: it is not whole.
        """
        config = AdGeneratorConfig.load(folder)
        with loading(folder):
            janus = whole(JanusForConditionalGeneration, folder, dtype=dtype, local_files_only=True)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
            dinov2 = None
            if config.foreground == "dinov2":
                dinov2 = whole(Dinov2Model, folder / DINOV2_FOLDER, local_files_only=True)
            model = cls(janus, tokenizer, config, dinov2)
            load_model(model.conditioning, str(folder / CONDITIONING_FILE))
            if model.enlarger is not None:
                load_model(model.enlarger, str(folder / ENLARGER_FILE))
        return model.eval()
