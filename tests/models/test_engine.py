"""The engine draws what the model says, row by row, whatever runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import AdBrief
from adloom.models.engine import Drawn
from adloom.models.engine.phrases import Phrases
from adloom.models.sampling import Sampling
from adloom.models.titles.rules import TitleRules
from tests.models.plain_decoding import assert_drawn_as_the_model_says
from tests.tiny_model import TINY, brief, products, tiny_generator, tiny_model

ASKS = [brief(p, n, seed=n) for p, n in zip(products(), (0, 1, 4, 2, 3), strict=False)]
ADAPTERS = (None, "left", "right", "wide")


@pytest.fixture(scope="module")
def generator() -> AdGenerator:
    """A generator with three adapters, one of another rank, that change what is drawn.

    It computes in float32, so that it can be compared with the model.
    """
    generator = AdGenerator(tiny_model(), dtype=torch.float32)
    for seed, (name, rank) in enumerate((("left", 4), ("right", 4), ("wide", 7))):
        generator.new_adapter(name, rank=rank, alpha=8)
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in generator.lora_parameters(name).values():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=noise))
            for parameter in generator._conditioning[name].parameters():
                parameter.mul_(1 + 0.2 * torch.randn(parameter.shape, generator=noise))
    return generator


def draw(
    generator: AdGenerator,
    asks: Sequence[tuple[AdBrief, int, str | None]],
    sampling: Sampling | None = None,
) -> list[Drawn]:
    started = [
        generator.start(b, seeds=[seed], adapter=adapter, sampling=sampling)
        for b, seed, adapter in asks
    ]
    generator.finish(started)
    return [future.result()[0] for future in started]


def same(first: Drawn, second: Drawn) -> bool:
    return first.title == second.title and torch.equal(first.codes, second.codes)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_token_is_what_the_model_with_that_adapter_alone_would_draw(
    generator: AdGenerator, adapter: str | None
) -> None:
    """Against one pass of Hugging Face's Llama, wrapped by PEFT, over the whole sequence."""
    how = Sampling(guidance=2.5, temperature=0.8, title_temperature=1.5)
    others = [(b, 50 + i, ADAPTERS[i % 4]) for i, b in enumerate(ASKS)]
    drawn = draw(generator, [*others, (ASKS[2], 7, adapter)], how)[-1]
    generator.activate(adapter)
    assert_drawn_as_the_model_says(generator.model, ASKS[2], 7, drawn, how)
    generator.activate(None)


def test_an_ad_is_the_same_to_a_bit_in_any_batch(generator: AdGenerator) -> None:
    """Alone, among others of the same and of other adapters, early and late, in any order."""
    asks = [(ASKS[i % 5], 100 + i, ADAPTERS[i % 4]) for i in range(12)]
    alone = [draw(generator, [ask])[0] for ask in asks]
    assert len({tuple(d.codes.tolist()) for d in alone}) == len(asks)
    for one, other in zip(alone, draw(generator, asks), strict=True):
        assert same(one, other)
    for one, other in zip(alone[::-1], draw(generator, asks[::-1]), strict=True):
        assert same(one, other)


@settings(max_examples=5, deadline=None)
@given(joins=st.lists(st.integers(0, 9), min_size=2, max_size=8), rows=st.integers(1, 4))
def test_requests_may_join_at_any_step(generator: AdGenerator, joins: list[int], rows: int) -> None:
    asks = [(ASKS[i % 5], i, ADAPTERS[i % 4]) for i in range(len(joins))]
    expected = draw(generator, asks)
    narrow = AdGenerator(generator.model, rows=rows, dtype=torch.float32)
    narrow._peft, narrow._conditioning = generator._peft, generator._conditioning
    narrow._base_conditioning, narrow._trends = generator._base_conditioning, generator._trends
    started: list[Future[list[Drawn]]] = []
    for (ask, seed, adapter), pause in zip(asks, joins, strict=True):
        started.append(narrow.start(ask, seeds=[seed], adapter=adapter))
        for _ in range(pause):
            narrow.step()
    narrow.finish(started)
    for future, one in zip(started, expected, strict=True):
        assert same(future.result()[0], one)


def test_candidates_are_the_ads_of_their_seeds(generator: AdGenerator) -> None:
    """They share one encoding of the brief, and may be more than fit at a time."""
    seeds = range(18)
    together = generator.candidates(ASKS[2], seeds=seeds, adapter="left")
    apart = generator.generate([ASKS[2]] * 18, seeds=seeds, adapter="left")
    assert len({d.title for d in together}) > 1
    for one, other in zip(together, apart, strict=True):
        assert one.title == other.title
        assert np.array_equal(one.codes, other.codes)
        assert one.background.tobytes() == other.background.tobytes()
    assert generator.candidates(ASKS[2], seeds=[]) == []
    with pytest.raises(ValueError, match="not negative, got -3"):
        generator.candidates(ASKS[2], seeds=[1, -3])


def test_what_goes_wrong_in_one_row_fails_its_request_alone(generator: AdGenerator) -> None:
    generator.new_adapter("broken", rank=4, alpha=8)
    with torch.no_grad():
        next(iter(generator.lora_parameters("broken").values())).fill_(torch.nan)
    wrong_codes = replace(ASKS[1].history[0], codes=np.full(TINY.image_tokens, 5000, np.int16))
    good = [(ASKS[0], 1, None), (ASKS[1], 2, "left")]
    expected = draw(generator, good)
    started = [generator.start(b, seeds=[seed], adapter=name) for b, seed, name in good]
    bad = [
        generator.start(ASKS[0], seeds=[3], adapter="broken"),
        generator.start(replace(ASKS[1], history=(wrong_codes,)), seeds=[4]),
        generator.start(AdBrief("", ("?",), ASKS[0].cutout, titles=TitleRules()), seeds=[5]),
    ]
    generator.finish([*started, *bad])
    generator.drop_adapter("broken")
    assert all(isinstance(future.exception(), Exception) for future in bad)
    for future, one in zip(started, expected, strict=True):
        assert same(future.result()[0], one)
    assert all(same(a, b) for a, b in zip(draw(generator, good), expected, strict=True))


@pytest.mark.parametrize("steps", [1, 4])
def test_numbers_that_are_not_finite_spoil_one_ad_and_none_after_it(
    generator: AdGenerator, steps: int
) -> None:
    asks: list[tuple[AdBrief, int, str | None]] = [
        (ASKS[0], 1, "left"),
        (ASKS[1], 2, "right"),
        (ASKS[2], 3, None),
    ]
    wanted = [drawn.codes.tolist() for drawn in draw(generator, asks)]
    started = [generator.start(b, seeds=[seed], adapter=by) for b, seed, by in asks]
    for _ in range(steps):
        generator.step()
    engine = generator.engine
    titles, pictures = engine._titles, engine._pictures
    for rows, cache in ((titles.rows, titles.cache), (pictures.rows, pictures.caches[0])):
        for at, row in enumerate(rows):
            if row.seed == 1:
                with torch.inference_mode():
                    cache.take(at, cache._room).fill_(torch.nan)
    generator.finish(started)
    with pytest.raises(FloatingPointError, match="what was drawn"):
        started[0].result()
    assert [one.result()[0].codes.tolist() for one in started[1:]] == wanted[1:]
    assert [drawn.codes.tolist() for drawn in draw(generator, asks)] == wanted


def test_an_adapter_counts_as_it_was_when_its_request_came(generator: AdGenerator) -> None:
    generator.copy_adapter("left", "passing")
    expected = draw(generator, [(ASKS[3], 5, "passing")])[0]
    started = generator.start(ASKS[3], seeds=[5], adapter="passing")
    generator.step()
    generator.drop_adapter("passing")
    generator.finish([started])
    assert same(started.result()[0], expected)


def test_changed_weights_are_seen(generator: AdGenerator) -> None:
    generator = tiny_generator()
    before = draw(generator, [(ASKS[2], 5, None)])[0]
    generator.new_adapter("changing", rank=2, alpha=4)
    with torch.no_grad():
        for weight in generator.lora_parameters("changing").values():
            weight.add_(0.3)
    adapted = draw(generator, [(ASKS[2], 5, "changing")])[0]
    assert not same(before, adapted)
    with torch.no_grad():
        generator.model.janus.lm_head.weight.mul_(2)
    changed = draw(generator, [(ASKS[2], 5, None)])[0]
    assert not same(before, changed)
    with torch.no_grad():
        for weight in generator.conditioning(None).parameters():
            weight.neg_()
    assert not same(changed, draw(generator, [(ASKS[2], 5, None)])[0])


@pytest.mark.parametrize("titles", [None, TitleRules(style_words=("lovely", "now", "for you"))])
def test_guesses_of_a_title_save_steps_and_change_nothing(
    generator: AdGenerator, titles: TitleRules | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all are right, all wrong or by chance, and whether the others' are."""
    asks = [(replace(ask, titles=titles), n, ADAPTERS[n % 4]) for n, ask in enumerate(ASKS)]
    eos = generator.model.tokenizer.eos_token_id
    expected = draw(generator, asks)
    written = [[*drawn.title, eos, eos, eos, eos] for drawn in expected]

    def steps(guess: Callable[[list[int], int], list[int]]) -> int:
        monkeypatch.setattr(Phrases, "after", lambda _, tokens, count: guess(tokens[1:], count))
        started = [
            generator.start(ask, seeds=[seed], adapter=adapter) for ask, seed, adapter in asks
        ]
        generator.step()
        taken = 1
        while generator.engine.running > generator.engine.drawing:
            generator.step()
            taken += 1
        generator.finish(started)
        for future, one in zip(started, expected, strict=True):
            assert same(future.result()[0], one)
        return taken

    def right(title: list[int], count: int) -> list[int]:
        whole = next(whole for whole in written if whole[: len(title)] == title)
        return whole[len(title) :][:count]

    def wrong(title: list[int], count: int) -> list[int]:
        return [token - 1 for token in right(title, count)]

    def half_right(title: list[int], count: int) -> list[int]:
        return [*right(title, count)[: count // 2], *wrong(title, count)[count // 2 :]]

    assert steps(right) < steps(half_right) < steps(wrong)


def test_a_cancelled_request_is_not_drawn(generator: AdGenerator) -> None:
    started = [generator.start(ASKS[0], seeds=[n]) for n in range(2)]
    assert started[0].cancel()
    generator.finish(started)
    assert started[0].cancelled()
    assert started[1].result()


def test_threads_share_a_batch(generator: AdGenerator) -> None:
    asks = [(ASKS[i % 5], i, ADAPTERS[i % 4]) for i in range(6)]
    expected = draw(generator, asks)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda ask: draw(generator, [ask])[0], asks))
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


def test_an_ad_is_the_same_to_a_bit_in_bfloat16_too() -> None:
    half = AdGenerator(tiny_model(), dtype=torch.bfloat16)
    half.new_adapter("left", rank=4, alpha=8)
    asks = [(ask, n, (None, "left")[n % 2]) for n, ask in enumerate(ASKS)]
    together = draw(half, asks)
    assert all(len(d.codes) == TINY.image_tokens for d in together)
    for ask, one in zip(asks, together, strict=True):
        assert same(draw(half, [ask])[0], one)
