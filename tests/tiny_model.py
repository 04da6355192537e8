"""A small untrained generator on which the tests of the models run."""

from __future__ import annotations

import copy
import random
from functools import cache

import numpy as np
import torch
from transformers import JanusForConditionalGeneration

from adloom.loop.catalogue.product import Product
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import TONES, write_title
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief, Example, HistoryAd
from adloom.models.config import AdGeneratorConfig, demo_janus_config
from adloom.models.generator import AdModel
from adloom.models.prompts.instructions import instruction
from adloom.models.titles.rules import TitleRules
from adloom.models.tokenizer import train_tokenizer

TINY = AdGeneratorConfig(
    picture_size=32,
    grid=4,
    history_items=4,
    history_grid=2,
    history_title_tokens=6,
    prompt_tokens=16,
    title_tokens=8,
)


def products() -> list[Product]:
    """A few products of the demo shop."""
    return list(load_catalog().values())[:6]


@cache
def _model() -> AdModel:
    rng = random.Random(0)
    titles = [write_title(p, tone, rng=rng) for p in products() for tone in TONES]
    tokenizer = train_tokenizer([*titles, *(instruction(brief(p, 0)) for p in products())], 512)
    torch.manual_seed(0)
    janus = JanusForConditionalGeneration(demo_janus_config(len(tokenizer), TINY))
    model = AdModel(janus, tokenizer, TINY)
    with torch.no_grad():
        # Untrained heads are all but blind: make what is drawn hang on what is given.
        janus.lm_head.weight.mul_(10)
        for parameter in janus.model.generation_head.parameters():
            parameter.mul_(5)
        for parameter in model.conditioning.foreground.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
        for layer in model.conditioning.preference.fusion.layers.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
    return model.eval()


def tiny_model() -> AdModel:
    """A copy of the tiny model, the same each time."""
    return copy.deepcopy(_model())


def code_reading_model() -> AdModel:
    """The tiny model as one that reads codes of small history pictures, as the paper does."""
    model = tiny_model()
    model.config = TINY.model_copy(update={"history_pictures": "codes"})
    return model


def tiny_generator() -> AdGenerator:
    """A generator on a copy of the tiny model, without adapters."""
    return AdGenerator(tiny_model())


@cache
def tiny_codebook() -> str:
    """Names the codebook of the tiny model."""
    return tiny_generator().codebook_name


def brief(
    product: Product, history: int, *, seed: int = 0, titles: TitleRules | None = None
) -> AdBrief:
    """A brief for ``product`` with ``history`` clicked ads."""
    rng = random.Random(seed)
    codes = np.random.default_rng(seed).integers(0, 1024, (history, TINY.image_tokens))
    ads = tuple(
        HistoryAd(write_title(rng.choice(products()), rng.choice(TONES), rng=rng), row)
        for row in codes.astype(np.int16)
    )
    return AdBrief(product.name, product.selling_points, product.cutout(), ads, titles=titles)


def examples(n: int, *, seed: int = 0) -> list[Example]:
    """Clicked ads of one tone, with histories of one to three ads."""
    rng = random.Random(seed)
    codes = np.random.default_rng(seed + 1).integers(0, 1024, (n, TINY.image_tokens))
    chosen = [rng.choice(products()) for _ in range(n)]
    return [
        Example(brief(p, 1 + i % 3, seed=seed + i), write_title(p, "eco", rng=rng), row)
        for i, (p, row) in enumerate(zip(chosen, codes.astype(np.int16), strict=True))
    ]
