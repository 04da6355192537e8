"""A constrained title names its product and claims nothing but what that has."""

from __future__ import annotations

import random
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import STYLE_WORDS, TONES, write_title
from adloom.models.sampling import Sampling
from adloom.models.title_constraint import TitleConstraint, spelt, title_pattern, words_of
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
    text = "Next-gen lamp: don't wait, 24h!"
    assert words_of(text) == ["Next-gen", "lamp", "don't", "wait", "24h"]
    assert words_of(" ! ") == []
    assert words_of("für 走れ") == ["für", "走れ"]


def test_each_row_has_its_own_phrases(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = TitleConstraint(tokenizer, ["fine"], [["oak"], ["silk"]])
    first, second = (may_follow(constraint, tokenizer, "Fine ", row) for row in (0, 1))
    spelt = {word: tokenizer.encode(word, add_special_tokens=False)[0] for word in ("oak", "silk")}
    assert spelt["oak"] in first - second
    assert spelt["silk"] in second - first


def test_a_title_ends_once_the_product_is_named_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = TitleConstraint(tokenizer, ["best"], [["Desk Lamp", "warm light"]])
    texts = ["", "Best", "Desk", "Desk Lam", "Desk Lamp", "Desk Lamp, ", "Desk Lamp, warm"]
    texts += ["Desk Lamp, warm light", "Best desk Lamp!"]
    ends = [
        text for text in texts if tokenizer.eos_token_id in may_follow(constraint, tokenizer, text)
    ]
    assert ends == ["Desk Lamp", "Desk Lamp, warm light", "Best desk Lamp!"]


@pytest.mark.parametrize(
    "text", ["Best DESK Lamp!", "Best, best, best, best, best, best, Desk Lamp", "Warm, best"]
)
def test_another_spelling_or_a_name_that_never_comes_is_no_title(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    constraint = TitleConstraint(tokenizer, ["best"], [["Desk Lamp", "warm light"]])
    with pytest.raises(ValueError, match="no title of this product"):
        may_follow(constraint, tokenizer, text)


def test_a_product_without_a_name_has_no_title(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="needs the name"):
        TitleConstraint(tokenizer, ["best"], [["", "warm light"]])


def test_a_name_gets_its_own_spelling_back() -> None:
    assert (
        spelt("Best desk Lamp, desk LAMP (new)", "Desk Lamp") == "Best Desk Lamp, Desk Lamp (new)"
    )
    assert spelt("Say lamp", "Desk Lamp") == "Say lamp"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_is_drawn_is_made_of_allowed_phrases(
    tokenizer: PreTrainedTokenizerFast, seed: int
) -> None:
    own = ["Desk Lamp", "warm light", "2-way (on/off)"]
    constraint = TitleConstraint(tokenizer, ["simply", "the best!"], [own])
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    for _ in range(60):
        noise = torch.rand(1, len(tokenizer), generator=generator)
        noise[0, tokenizer.eos_token_id] += 1  # end as soon as it may
        scores = constraint(torch.tensor([ids], dtype=torch.long), noise)
        ids.append(int(scores.argmax()))
        if ids[-1] == tokenizer.eos_token_id:
            break
    else:
        return  # still on its way
    title = str(tokenizer.decode(ids, skip_special_tokens=True))
    assert re.fullmatch(title_pattern(["simply", "the", "best"], own), title)
    assert "desk lamp" in title.lower()


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
        own = words_of(" ".join([ask.product_name, *ask.selling_words]).lower())
        allowed = {*own, "simply", "only"}
        *whole, last = words_of(draft.title.lower()) or [""]
        assert set(whole) <= allowed
        assert any(word.startswith(last) for word in allowed)  # cut at the longest length
