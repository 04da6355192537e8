"""A constrained title claims nothing but what the product has."""

from __future__ import annotations

import random
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from loop.shop.catalog import load_catalog
from loop.shop.copywriting import STYLE_WORDS, TONES, write_title
from models.sampling import Sampling
from models.title_constraint import TitleConstraint, words_of
from tests.tiny_model import brief, products, tiny_generator, tiny_model


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_model().tokenizer


def may_follow(
    constraint: TitleConstraint, tokenizer: PreTrainedTokenizerFast, text: str, row: int = 0
) -> set[int]:
    """Tokens that a title may go on with after ``text``."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    rows = torch.tensor([ids] * (row + 1), dtype=torch.long)
    scores = constraint(rows, torch.zeros(row + 1, len(tokenizer)))
    return set(scores[row].isfinite().nonzero().flatten().tolist())


def test_words_are_parted_by_all_but_letters_and_digits() -> None:
    assert words_of("Next-gen lamp: don't wait, 24h!") == [
        b"next-gen",
        b"lamp",
        b"don't",
        b"wait",
        b"24h",
    ]
    assert words_of(" ! ") == []
    assert words_of("für 走れ") == ["für".encode(), "走れ".encode()]


def test_each_row_has_its_own_words(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = TitleConstraint(tokenizer, ["fine"], [["oak"], ["silk"]])
    first, second = (may_follow(constraint, tokenizer, "Fine ", row) for row in (0, 1))
    spelt = {word: tokenizer.encode(word, add_special_tokens=False)[0] for word in ("oak", "silk")}
    assert spelt["oak"] in first - second
    assert spelt["silk"] in second - first


def test_a_title_ends_after_a_whole_word_only(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = TitleConstraint(tokenizer, [], [["warm oak"]])
    ends = {
        text: tokenizer.eos_token_id in may_follow(constraint, tokenizer, text)
        for text in ("", " ", "W", "War", "Warm", "Warm ", "Warm oak", "Warm oak!")
    }
    assert [text for text, end in ends.items() if end] == ["Warm", "Warm ", "Warm oak", "Warm oak!"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_drawn_is_made_of_allowed_words(
    tokenizer: PreTrainedTokenizerFast, seed: int
) -> None:
    constraint = TitleConstraint(tokenizer, ["simply", "the best"], [["desk lamp", "warm light"]])
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    for _ in range(40):
        noise = torch.rand(1, len(tokenizer), generator=generator)
        scores = constraint(torch.tensor([ids], dtype=torch.long), noise)
        ids.append(int(scores.argmax()))
        if ids[-1] == tokenizer.eos_token_id:
            break
    title = str(tokenizer.decode(ids, skip_special_tokens=True)).lower()
    *whole, last = re.split(r"[^a-z0-9'-]+", title)
    allowed = {"simply", "the", "best", "desk", "lamp", "warm", "light", ""}
    assert set(whole) <= allowed
    assert any(word.startswith(last) for word in allowed)


def test_every_title_of_the_shop_may_be_written(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(0)
    for product in list(load_catalog().values())[::12]:
        own = [[product.name, *product.selling_points]]
        constraint = TitleConstraint(tokenizer, STYLE_WORDS, own)
        for tone in TONES:
            ids = tokenizer.encode(write_title(product, tone, rng=rng), add_special_tokens=False)
            for end, token in enumerate([*ids, tokenizer.eos_token_id]):
                rows = torch.tensor([ids[:end]], dtype=torch.long)
                assert constraint(rows, torch.zeros(1, len(tokenizer)))[0, token] == 0


def test_a_generator_keeps_to_the_words_where_it_is_asked_to() -> None:
    generator = tiny_generator()
    briefs = [brief(product, 2) for product in products()[:3]]
    how = Sampling(style_words=("simply", "only"))
    drafts = generator.generate(briefs, seeds=[1, 2, 3], sampling=how)
    for ask, draft in zip(briefs, drafts, strict=True):
        own = words_of(" ".join([ask.product_name, *ask.selling_words]))
        allowed = {*own, b"simply", b"only"}
        *whole, last = words_of(draft.title) or [b""]
        assert set(whole) <= allowed
        assert any(word.startswith(last) for word in allowed)  # cut at the longest length
