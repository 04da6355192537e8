"""What the engine draws, held against one pass of Hugging Face's Llama over the whole sequence."""

from __future__ import annotations

from collections.abc import Callable

import torch

from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief
from adloom.models.engine import Drawn
from adloom.models.engine.noise import GumbelNoise
from adloom.models.generator import AdModel
from adloom.models.masks import causal_mask, count_positions
from adloom.models.sampling import Sampling


def noise_of(seed: int, stage: int, tokens: int, most: int, vocabulary: int) -> torch.Tensor:
    """Standard Gumbel numbers ``(tokens, vocabulary)`` that a row of this seed meets."""
    noise = GumbelNoise(1, most, vocabulary, torch.device("cpu"), widest=tokens)
    noise.start(0, seed, stage, 1.0)
    return noise.ahead(1, tokens)[0]


def assert_drawn_as_the_model_says(
    model: AdModel,
    ask: AdBrief,
    seed: int,
    drawn: Drawn,
    how: Sampling,
    noise_of: Callable[[int, int, int, int, int], torch.Tensor] = noise_of,
) -> None:
    """Every token is what the model, with the adapter that is active, would draw there."""
    sizes = model.config
    title, wanted, plain = logits_of(model, ask, drawn, how)
    tokens = [*drawn.title, model.tokenizer.eos_token_id][: sizes.title_tokens - 1]
    noise = noise_of(seed, 0, len(tokens), sizes.title_tokens + 1, title.shape[1])
    scores = title[: len(tokens)] / how.title_temperature + noise
    forbidden = [0, 1, 3, model.boi_id, model.eoi_id, model.janus.config.image_token_id]
    scores[:, [i for i in forbidden if i != model.tokenizer.eos_token_id]] = -torch.inf
    assert_drawn(scores, torch.tensor(tokens))
    learnt = model.conditioning.guidance is not None
    guided = wanted if learnt else plain + how.guidance * (wanted - plain)
    noise = noise_of(seed, 1, sizes.image_tokens, sizes.image_tokens, guided.shape[1])
    assert_drawn(guided / how.temperature + noise, drawn.codes)


def assert_drawn(scores: torch.Tensor, tokens: torch.Tensor) -> None:
    """Each token has the highest score of its row but for rounding."""
    chosen = scores.gather(1, tokens[:, None])[:, 0]
    assert (scores.max(1).values - chosen).max() < 2e-3


@torch.inference_mode()
def logits_of(
    model: AdModel, ask: AdBrief, drawn: Drawn, how: Sampling
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits before each token: of the title, of the codes, of the codes without a prompt."""
    batch = batch_briefs([ask], model.tokenizer, model.config)
    prompt, valid = model.prompt(batch)
    text = torch.tensor([[*drawn.title, model.tokenizer.eos_token_id, model.boi_id]])
    image = model.embed_codes(drawn.codes[None, :-1])
    embeds = torch.cat([prompt, model.embed_text(text), image], dim=1)
    seen = torch.cat([valid, torch.ones(1, embeds.shape[1] - valid.shape[1]).bool()], dim=1)
    start, first = prompt.shape[1] - 1, prompt.shape[1] + text.shape[1] - 1
    foreground = how.foreground_strength * model.perceive(batch.cutouts)
    if model.conditioning.guidance is not None:
        foreground = foreground + model.conditioning.guidance(torch.tensor([how.guidance]))
    blank = seen.clone()
    blank[:, 1:first] = False
    states = [
        model.backbone(embeds, causal_mask(v), count_positions(v), foreground=foreground)[0]
        for v in (seen, blank)
    ]
    head = model.janus.model.generation_head
    title = model.janus.lm_head(states[0][start : first - 1])
    return title, head(states[0][first:]), head(states[1][first:])
