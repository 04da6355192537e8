"""Ads a second of the engine, beside decoding as the paper's code and as `transformers` do it."""

from __future__ import annotations

import copy
import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from adloom.loop.bench.drawn_batch import Met, Parts, draw_batch, rate_in_flight, timed
from adloom.loop.bench.paper_decoding import PaperDecoder
from adloom.loop.bench.transformers_decoding import draw_by_transformers
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.creatives import seed_creatives
from adloom.models import codebook
from adloom.models.ad_generator import AdGenerator
from adloom.models.bare_model import BaseShape
from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief, HistoryAd
from adloom.models.engine.bound import matrix_products_seconds
from adloom.models.generator import AdModel
from adloom.models.published_shapes import JANUS_SIZES
from adloom.models.sampling import Sampling

BATCHES = (1, 8, 32)
_SHOP_ADS = 64
_ADAPTERS = tuple(f"bench-{number}" for number in range(4))


def shaped_model(shape: str) -> AdModel:
    """A base with weights drawn by chance: ``janus-pro-1b``, ``janus-pro-7b``, or a folder's sizes.

    Raises:
        FileNotFoundError: it is neither of the sizes nor a folder.
        OSError: the folder holds no checkpoint.
        ValueError: it is none of Janus.
    """
    size = shape.lower().removeprefix("janus-pro-")
    known = size.upper() in JANUS_SIZES
    if not known and not (shape and Path(shape).is_dir()):
        raise FileNotFoundError(
            f"there is no folder {shape!r}: give janus-pro-1b, janus-pro-7b, or a base's folder"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return BaseShape.of(size if known else shape).with_random_weights(device)


def bench_generate(
    model: AdModel, *, quick: bool = False, on_step: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Full histories, one adapter; from the brief to the decoded picture.

    `speedup` is over one request at a time, `speedup_vs_naive_batch` over padded batches of the
    same size; the engine's adapter is unmerged, the baseline's is merged and costs it nothing.
    `mixed_adapter_cost` is the share of throughput lost when 32 ads have four adapters instead
    of one. `tokens_per_step` says how often guessed tokens came true: without, a step draws one
    token. `bound_ratio` is the time of the bare matrix products of a step of 32 ads, in the
    precision that is told, over that of the step. `transformers_ads_per_second` are pictures alone,
    after prompts of text as long. Each of these is the median of runs that take turns;
    `ads_per_second_in_flight` is while so many are always under way, each at another step.
    """
    how = Sampling.of(model.config.sampling)
    paper = PaperDecoder(copy.deepcopy(model), how)
    generator = _with_adapters(model)
    briefs = full_briefs(generator, max(BATCHES))
    rounds = 1 if quick else 5
    one = [(brief, _ADAPTERS[0]) for brief in briefs]
    mixed = [(brief, _ADAPTERS[n % len(_ADAPTERS)]) for n, brief in enumerate(briefs)]
    on_step("warming up")
    for n in BATCHES:  # kernels are made for each shape that is met for the first time
        draw_batch(generator, one[:n])
        draw_batch(generator, mixed[:n])
    _write_padded(paper, briefs[:2])

    tokens = _prompt_tokens(paper, briefs)
    met: dict[int, list[Met]] = {n: [] for n in BATCHES}
    parts: dict[int, list[Parts]] = {n: [] for n in BATCHES}
    spent: dict[str, list[float]] = {}
    for turn in range(rounds):
        for n in BATCHES:
            on_step(f"round {turn + 1} of {rounds}: {n} ads")
            repeats = 1 if quick else max(1, 8 // n)
            for repeat in range(repeats):
                # Other ads each time, and the same ones for engine and baseline.
                first = (turn * repeats + repeat) % (max(BATCHES) - n + 1)
                part = slice(first, first + n)
                seconds = timed(draw_batch, generator, one[part], met[n], parts[n])
                spent.setdefault(f"engine {n}", []).append(seconds)
                seconds = timed(_draw_padded, paper, briefs[part])
                spent.setdefault(f"padded {n}", []).append(seconds)
            seconds = timed(draw_by_transformers, paper.model, n, tokens, how)
            spent.setdefault(f"transformers {n}", []).append(seconds)
        spent.setdefault("mixed", []).append(timed(draw_batch, generator, mixed))
    rates = {
        name: (max(BATCHES) if name == "mixed" else int(name.split()[1])) / statistics.median(times)
        for name, times in spent.items()
    }
    one_at_a_time = rates["padded 1"]
    step, products = _step_and_products(generator, one, repeats=5 if quick else 30)
    return {
        "speedup": {str(n): rates[f"engine {n}"] / one_at_a_time for n in BATCHES},
        "speedup_vs_naive_batch": {
            str(n): rates[f"engine {n}"] / rates[f"padded {n}"] for n in BATCHES[1:]
        },
        "mixed_adapter_cost": 1 - rates["mixed"] / rates[f"engine {max(BATCHES)}"],
        "ads_per_second": {str(n): rates[f"engine {n}"] for n in BATCHES},
        "ads_per_second_in_flight": {
            str(n): rate_in_flight(generator, one, n, n if quick else 3 * n) for n in BATCHES[1:]
        },
        "baseline_ads_per_second": {str(n): rates[f"padded {n}"] for n in BATCHES},
        "transformers_ads_per_second": {str(n): rates[f"transformers {n}"] for n in BATCHES},
        "p50_latency_seconds": {
            str(n): statistics.median(ad.seconds for ad in met[n]) for n in BATCHES
        },
        "baseline_p50_latency_seconds": {
            str(n): statistics.median(spent[f"padded {n}"]) for n in BATCHES
        },
        "seconds_by_part": {str(n): _medians(parts[n]) for n in BATCHES},
        "steps_per_ad": {str(n): statistics.mean(ad.steps for ad in met[n]) for n in BATCHES},
        "tokens_per_step": {
            str(n): statistics.mean(ad.tokens_each for ad in met[n]) for n in BATCHES
        },
        "precision": _precision(generator),
        "bound_ratio": products / step,
        "step_milliseconds": step * 1e3,
        "memory_megabytes": _memory(generator),
        "device": str(model.device),
        "threads": torch.get_num_threads(),
    }


def engine_rate(model: AdModel, ads: int, seconds: float) -> float:
    """Ads a second of the engine alone, ``ads`` at once, for so long: as `bench_generate` draws.

    Their histories are full, and all have one adapter.
    """
    generator = _with_adapters(model)
    asks = [(brief, _ADAPTERS[0]) for brief in full_briefs(generator, ads)]
    draw_batch(generator, asks)  # kernels are made
    drawn, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        draw_batch(generator, asks)
        drawn += ads
    return drawn / spent


def full_briefs(generator: AdGenerator, count: int) -> list[AdBrief]:
    """Briefs of different products, each with as long a history of the shop's ads as fits."""
    rng = random.Random(0)
    shop_ads = seed_creatives(_SHOP_ADS, seed="bench")
    codes = generator.encode_history([ad.picture(128) for ad in shop_ads])
    clicked = [HistoryAd(ad.title, code) for ad, code in zip(shop_ads, codes, strict=True)]
    products = list(load_catalog().values())
    return [
        AdBrief(
            product.name,
            product.selling_points,
            product.cutout(),
            tuple(rng.sample(clicked, generator.model.config.history_items)),
        )
        for product in (products[number % len(products)] for number in range(count))
    ]


def _with_adapters(model: AdModel) -> AdGenerator:
    generator = AdGenerator(model, rows=max(BATCHES))
    for name in _ADAPTERS:
        generator.new_adapter(name, rank=16, alpha=32)
        with torch.no_grad():
            for weight in generator.lora_parameters(name).values():
                weight.normal_(std=0.01)
    return generator


def _medians(parts: Sequence[Parts]) -> dict[str, float]:
    return {name: statistics.median(vars(one)[name] for one in parts) for name in vars(parts[0])}


def _precision(generator: AdGenerator) -> dict[str, str]:
    """What products and pictures are computed in."""
    products = str(generator.engine.weights.dtype).removeprefix("torch.")
    return {"products": products, "pictures": "int8" if generator.engine.int8 else products}


def _prompt_tokens(paper: PaperDecoder, briefs: Sequence[AdBrief]) -> int:
    """How many a prompt has, on average."""
    model = paper.model
    batch = batch_briefs(briefs, model.tokenizer, model.config).to(model.device)
    with torch.inference_mode():
        _, valid = model.prompt(batch)
    return round(valid.sum(1).float().mean().item())


def _draw_padded(paper: PaperDecoder, briefs: Sequence[AdBrief]) -> None:
    titles, codes = paper.draw(briefs)
    model = paper.model
    model.tokenizer.batch_decode(titles, skip_special_tokens=True)
    codebook.to_pictures(codebook.decode(model.janus.model.vqmodel, codes))


def _write_padded(paper: PaperDecoder, briefs: Sequence[AdBrief]) -> None:
    model = paper.model
    batch = batch_briefs(briefs, model.tokenizer, model.config).to(model.device)
    with torch.inference_mode():
        paper.titles(*model.prompt(batch))


def _step_and_products(
    generator: AdGenerator, asks: Sequence[tuple[AdBrief, str]], repeats: int
) -> tuple[float, float]:
    """Median seconds of a step in which every ad draws, and of its bare matrix products."""
    started = [
        generator.start(brief, seeds=[seed], adapter=adapter)
        for seed, (brief, adapter) in enumerate(asks)
    ]
    engine = generator.engine
    while engine.drawing != len(asks) and not all(f.done() for f in started):
        generator.step()
    steps: list[float] = []
    products: list[float] = []
    while engine.drawing == len(asks) and len(steps) < repeats:
        shape = len(asks), engine.tokens_each, engine.longest
        steps.append(timed(generator.step))
        products.append(matrix_products_seconds(engine.weights, *shape, engine.copies))
    generator.finish(started)
    return statistics.median(steps), statistics.median(products)


def _memory(generator: AdGenerator) -> dict[str, float]:
    """Most that the process ever used, both decoders in it; what the engine's caches may use."""
    used = {"engine_caches": generator.engine.cache_bytes / 1e6}
    # Linux counts in kilobytes.
    used["process_peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    if torch.cuda.is_available():
        used["gpu_peak"] = torch.cuda.max_memory_allocated() / 1e6
    return used
