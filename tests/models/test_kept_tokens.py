"""Maps of what the fine stage kept."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from adloom.models.batching import batch_briefs
from adloom.models.kept_tokens import kept_tokens
from adloom.models.sampling import Sampling
from tests.tiny_model import TINY, brief, products, tiny_generator, tiny_model


def test_every_ad_of_a_history_gets_a_map() -> None:
    model = tiny_model()
    briefs = [brief(products()[0], 3), brief(products()[1], 0), brief(products()[2], 1)]
    maps = kept_tokens(model, briefs)
    assert [len(row) for row in maps] == [3, 0, 1]
    for row in maps:
        for ad in row:
            assert ad.picture_scores.shape == ad.picture_kept.shape == (TINY.history_grid,) * 2
            assert len(ad.words) == len(ad.word_scores) == len(ad.words_kept)
            assert len(ad.words) <= TINY.history_title_tokens
            assert abs(ad.picture_scores).max() <= 1 + 1e-5
    kept = sum(int(ad.picture_kept.sum()) for ad in maps[0])
    assert kept == math.ceil(TINY.keep * 3 * TINY.history_picture_tokens)
    assert kept_tokens(model, []) == []


def test_the_words_are_those_of_the_title() -> None:
    model = tiny_model()
    ask = brief(products()[0], 2)
    for ad, seen in zip(ask.history, kept_tokens(model, [ask])[0], strict=True):
        assert ad.title.startswith("".join(seen.words))
        best = seen.word_scores[seen.words_kept]
        assert seen.words_kept.any() == bool(len(best))


def test_titles_of_an_order_of_their_own_are_read_in_it_and_told_of_their_ads() -> None:
    model = tiny_model()
    ask = brief(products()[0], 3)
    places = (2, 0, 1)
    ranked = tuple(
        replace(ad, title_rank=rank) for ad, rank in zip(ask.history, places, strict=True)
    )
    other = replace(ask, history=ranked, trend=brief(products()[1], 2, seed=5).history)
    model.config = model.config.model_copy(update={"history_items": 4})  # no room for the third
    one, ordered = (batch_briefs([b], model.tokenizer, model.config) for b in (ask, other))
    assert other.title_order(4) == [0, 1, 3, 2]
    assert other.title_order(1) == [0]
    assert ordered.history_titles[0, 2:].tolist() == one.history_titles[0, [1, 0]].tolist()
    assert ordered.history_codes[0, 2:].tolist() == one.history_codes[0, :2].tolist()
    for ad, seen in zip(other.read_ads, kept_tokens(model, [other])[0], strict=False):
        assert ad.title.startswith("".join(seen.words))


def test_the_best_scores_of_a_history_are_the_kept_ones() -> None:
    ads = kept_tokens(tiny_model(), [brief(products()[0], 4)])[0]
    kept = [s for ad in ads for s in ad.picture_scores[ad.picture_kept]]
    dropped = [s for ad in ads for s in ad.picture_scores[~ad.picture_kept]]
    assert min(kept) >= max(dropped)


def test_the_stage_can_be_left_out() -> None:
    generator = tiny_generator()
    model = generator.model
    asks = [brief(products()[1], 0), *(brief(products()[0], 3, seed=n) for n in range(3))]
    batch = batch_briefs(asks, model.tokenizer, model.config)
    with torch.inference_mode():
        usual, same, without = (
            model.prompt(batch, keep)[1].sum(1) for keep in (None, TINY.keep, 1.0)
        )
    assert usual.tolist() == same.tolist()
    assert (without[1:] > usual[1:]).all()  # every token of the history passes
    assert without[0] == usual[0]  # a cold start has no token to keep
    drafts = [
        generator.generate(asks[:1], seeds=[0], sampling=Sampling(keep=keep))[0]
        for keep in (None, 1.0)
    ]
    assert (drafts[0].codes == drafts[1].codes).all()
