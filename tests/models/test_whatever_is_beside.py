"""The bundled base draws an ad the same to the last code, alone and in company."""

from __future__ import annotations

import torch

from adloom.loop.bench.generate import full_briefs
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief
from adloom.models.engine import Drawn


def test_an_ad_of_real_sizes_is_the_same_whatever_is_drawn_beside_it() -> None:
    generator = AdGenerator.from_pretrained(None)
    briefs = full_briefs(generator, 4)
    together = drawn(generator, briefs, first_seed=0)
    for number in (0, 3):
        [alone] = drawn(generator, [briefs[number]], first_seed=number)
        assert alone.title == together[number].title
        assert torch.equal(alone.codes, together[number].codes)


def drawn(generator: AdGenerator, briefs: list[AdBrief], first_seed: int) -> list[Drawn]:
    started = [
        generator.start(brief, seeds=[seed]) for seed, brief in enumerate(briefs, first_seed)
    ]
    generator.finish(started)
    return [future.result()[0] for future in started]
