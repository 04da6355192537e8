"""A constrained title names its product, claims nothing but what that has, and is complete."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import STYLE_WORDS, TONES, write_title
from adloom.models.titles.constraint import TitleConstraint
from adloom.models.titles.fit import fit_name
from adloom.models.titles.mentions import mentions, said_twice, without
from adloom.models.titles.points import said_again
from adloom.models.titles.rules import TitleRules
from adloom.models.titles.scripts import tidied
from adloom.models.tokenizer import train_tokenizer
from tests.tiny_model import brief, products, tiny_generator, tiny_model

LENGTH = 40
LANGUAGES = ("en", "de", "fr", "ja", "zh-TW", "th", "ar", "hi", "ko", "tr", "xx")
NAMES = (
    "Desk Lamp",
    "Salz- & Pfeffermühle <Duo>",
    string.punctuation,
    r"C:\Temp\{x}[0-9]+(a|b)*$^?.",
    "'quoted' \"name\" `tick` “typographic” «guillemets»",
    "<eos> <pad> <image_placeholder>",
    "三徳包丁 セラミック",
    "ﾃﾞｽｸﾗﾝﾌﾟ",
    "مصباح مكتب",
    "מנורת שולחן",
    "โคมไฟตั้งโต๊ะ",
    "डेस्क लैंप",
    "책상 램프",
    "Family 👨‍👩‍👧‍👦 set 🏳️‍🌈",
    "Cafe\u0301 Cre\u0300me",
    "ßpeck ŉot ǆ İstanbul",
    "two\nlines\tand\u2028more",
    "broken \ufffd \x00 \u202e txet",
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tiny_model().tokenizer


def constrained(
    tokenizer: PreTrainedTokenizerFast,
    style: Sequence[str],
    own: Sequence[str],
    length: int = LENGTH,
    rules: TitleRules | None = None,
) -> TitleConstraint:
    """The titles of a product, ``own`` its name and then its phrases."""
    rules = replace(rules or TitleRules(), style_words=tuple(style))
    return TitleConstraint(tokenizer, own[0], own[1:], rules, length)


def may_follow(
    constraint: TitleConstraint, tokenizer: PreTrainedTokenizerFast, text: str
) -> set[int]:
    """Tokens that a title may go on with after ``text``."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    return set(constraint.allowed(ids).nonzero().flatten().tolist())


def drawn(
    constraint: TitleConstraint, tokenizer: PreTrainedTokenizerFast, length: int, seed: int
) -> str:
    """A title of what a model draws that knows nothing, now in a hurry to end and now not."""
    generator = torch.Generator().manual_seed(seed)
    ids: list[int] = []
    while True:
        allowed = constraint.allowed(ids)
        assert allowed.any(), "nothing may follow"
        scores = torch.rand(len(allowed), generator=generator)
        scores[tokenizer.eos_token_id] += seed % 3 - 1
        ids.append(int(scores.masked_fill(~allowed, -torch.inf).argmax()))
        assert len(ids) <= length
        if ids[-1] == tokenizer.eos_token_id:
            return str(tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False))


def test_a_product_has_its_own_phrases(tokenizer: PreTrainedTokenizerFast) -> None:
    first, second = (
        may_follow(constrained(tokenizer, ["fine"], [own]), tokenizer, "Fine")
        for own in ("oak", "silk")
    )
    spelt = {w: tokenizer.encode(f" {w}", add_special_tokens=False)[0] for w in ("oak", "silk")}
    assert spelt["oak"] in first - second
    assert spelt["silk"] in second - first


def test_a_title_ends_once_the_product_is_named_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = constrained(tokenizer, ["best"], ["Desk Lamp", "warm light"])
    eos = tokenizer.eos_token_id
    texts = ["", "Best", "Desk", "Desk Lamp", "Desk Lamp,", "Desk Lamp, warm"]
    texts += ["Desk Lamp, warm light", "Best desk Lamp!"]
    ends = [text for text in texts if eos in may_follow(constraint, tokenizer, text)]
    assert ends == ["Desk Lamp", "Desk Lamp, warm light", "Best desk Lamp!"]


@pytest.mark.parametrize(
    "text",
    [
        "Best DESK Lamp!",
        "Best, best, best, best, best, best, Desk Lamp",
        "Warm, best",
        "Desk Lamp, Desk Lamp",
    ],
)
def test_another_spelling_or_a_name_that_never_comes_is_no_title(
    tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    constraint = constrained(tokenizer, ["best"], ["Desk Lamp", "warm light"])
    with pytest.raises(ValueError, match="no title of this product"):
        may_follow(constraint, tokenizer, text)


def test_a_product_without_a_name_has_no_title(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="needs the name"):
        constrained(tokenizer, ["best"], [" \n", "warm light"])


def test_a_name_that_does_not_fit_is_told(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="'Desk Lamp' does not fit into 1 tokens"):
        constrained(tokenizer, [], ["Desk Lamp"], length=1)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(NAMES) | st.text(min_size=1, max_size=30),
    short_name=st.sampled_from(("", "Lamp")),
    phrases=st.lists(st.sampled_from(NAMES) | st.text(max_size=12), max_size=4),
    words=st.lists(st.sampled_from(("best", "neu", "毎日", "สวย", "the best!")), max_size=3),
    language=st.sampled_from(LANGUAGES),
    length=st.integers(8, 80),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_is_drawn_is_whole_and_names_the_product(
    tokenizer: PreTrainedTokenizerFast,
    name: str,
    short_name: str,
    phrases: list[str],
    words: list[str],
    language: str,
    length: int,
    seed: int,
) -> None:
    try:
        fitted = fit_name(tokenizer, name, short_name, length)
    except ValueError:
        return
    rules = TitleRules(language, style_words=tuple(words))
    constraint = TitleConstraint(tokenizer, fitted.text, phrases, rules, length)
    title = drawn(constraint, tokenizer, length, seed)
    assert mentions(title, fitted.text)
    assert title.lower().find(fitted.text.lower()) >= 0 or fitted.text in title
    assert "\ufffd" not in title
    assert tidied(title).replace("\u202f", " ") == " ".join(title.split())


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_script_stand_in_titles_as_they_are(
    tokenizer: PreTrainedTokenizerFast, name: str
) -> None:
    name = tidied(name)
    constraint = constrained(tokenizer, ["best"], [name, "warm light"], 200)
    titles = {drawn(constraint, tokenizer, 200, seed) for seed in range(12)}
    assert any(name in title for title in titles)
    assert all(mentions(title, name) for title in titles)


@pytest.mark.parametrize("characters", [string.printable, "".join(map(chr, range(256)))])
def test_every_character_works_in_a_name(
    tokenizer: PreTrainedTokenizerFast, characters: str
) -> None:
    for character in characters:
        name = tidied(f"a{character}b {character}")
        title = drawn(constrained(tokenizer, [], [name]), tokenizer, LENGTH, seed=1)
        assert name[1:] in title


def test_units_stand_side_by_side_where_words_have_no_spaces(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    constraint = constrained(tokenizer, [], ["包丁", "軽量", "Pro"], 60, TitleRules("ja"))
    for title in ("軽量包丁", "軽量、包丁！", "包丁・軽量", "Pro包丁", "Pro 包丁"):
        ids = [
            token
            for part in re.findall(" ?(?:軽量|包丁|Pro)|[、！・]", title)
            for token in tokenizer.encode(part, add_special_tokens=False)
        ]
        assert constraint.allowed(ids)[tokenizer.eos_token_id], title
    western = constrained(tokenizer, [], ["Lamp", "warm"])
    after = tokenizer.encode("Lamp", add_special_tokens=False)
    joined = tokenizer.encode("warm", add_special_tokens=False)
    assert not western.allowed(after)[joined[0]]


@pytest.mark.parametrize(
    ("language", "own", "style"),
    [
        ("en", ["Desk Lamp", "warm light", "light weight"], ["best", "fine"]),
        ("ja", ["卓上灯", "軽量設計", "ふわふわ"], ["軽量設計"]),
        ("en", ["Desk Lamp"], ["best"]),
    ],
)
def test_no_unit_says_a_word_of_the_one_before_it_again(
    tokenizer: PreTrainedTokenizerFast, language: str, own: list[str], style: list[str]
) -> None:
    constraint = constrained(tokenizer, style, own, 60, TitleRules(language))
    units = {*own[1:], *style}
    for seed in range(40):
        title = without(drawn(constraint, tokenizer, 60, seed), own[0])
        for side in title.split("\0"):
            said = sorted((at, unit) for unit in units for at, _ in mentions(side, unit))
            pairs = [(one, another) for (_, one), (_, another) in pairwise(said)]
            assert all(said_twice(f"{one}, {another}") is None for one, another in pairs), title


@settings(max_examples=150, deadline=None)
@given(
    points=st.lists(
        st.sampled_from(("oak", "solid oak", "Oak", "silk lid", "stackable", "warm light", "lid")),
        max_size=5,
    ),
    style=st.lists(st.sampled_from(("best", "oak at its best", "warm", "stackable")), max_size=3),
    named=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_selling_point_is_said_again_on_either_side_of_the_name(
    tokenizer: PreTrainedTokenizerFast,
    points: list[str],
    style: list[str],
    named: bool,
    seed: int,
) -> None:
    name = "Oak Chair" if named or not points else ""
    constraint = constrained(tokenizer, style, [name, *points], 60)
    title = drawn(constraint, tokenizer, 60, seed)
    assert said_again(without(title, name), points) is None, title


def test_a_selling_point_is_offered_until_it_was_said(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    constraint = constrained(tokenizer, [], ["Chair", "oak", "silk"])
    spelt = {w: tokenizer.encode(f" {w}", add_special_tokens=False)[0] for w in ("oak", "silk")}
    for title, offered in (
        ("Chair,", {"oak", "silk"}),
        ("Oak chair,", {"silk"}),
        ("Silk chair,", {"oak"}),
    ):
        follows = may_follow(constraint, tokenizer, title)
        assert {word for word, token in spelt.items() if token in follows} == offered
    with pytest.raises(ValueError, match="no title of this product"):
        may_follow(constraint, tokenizer, "Oak, silk chair, oak")


def test_a_name_parts_a_unit_from_the_same_one(tokenizer: PreTrainedTokenizerFast) -> None:
    constraint = constrained(tokenizer, ["best"], ["Desk Lamp", "warm light"])
    ids = tokenizer.encode("Best Desk Lamp best!", add_special_tokens=False)
    assert constraint.allowed(ids)[tokenizer.eos_token_id]
    with pytest.raises(ValueError, match="no title of this product"):
        may_follow(constraint, tokenizer, "Best, best Desk Lamp")


def test_banned_words_and_phrases_with_them_are_not_said(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rules = TitleRules(banned=("Best",), may_speak_of_saving=False)
    own = ["Best Lamp", "best light", "save now", "warm light"]
    constraint = constrained(tokenizer, ["best", "sale", "fine"], own, rules=rules)
    titles = [drawn(constraint, tokenizer, LENGTH, seed).lower() for seed in range(40)]
    said = " ".join(title.replace("best lamp", "") for title in titles)
    assert "fine" in said
    assert "warm light" in said
    assert not any(word in said for word in ("best", "sale", "save"))


def test_every_title_of_the_shop_may_be_written(tokenizer: PreTrainedTokenizerFast) -> None:
    rng = random.Random(0)
    for product in list(load_catalog().values())[::12]:
        own = [product.name, *product.selling_points]
        constraint = constrained(tokenizer, STYLE_WORDS, own, 120)
        for tone in TONES:
            ids = tokenizer.encode(write_title(product, tone, rng=rng), add_special_tokens=False)
            for end, token in enumerate([*ids, tokenizer.eos_token_id]):
                assert constraint.allowed(ids[:end])[token]


def test_a_tokenizer_that_is_not_byte_level_is_told() -> None:
    tokenizer = train_tokenizer(["a b"], 300)
    tokenizer.backend_tokenizer.pre_tokenizer = None
    tokenizer.backend_tokenizer.decoder = None
    with pytest.raises(ValueError, match="constrain_titles = false"):
        constrained(tokenizer, [], ["Desk Lamp"])


def test_a_generator_keeps_to_the_words_where_it_is_asked_to() -> None:
    generator = tiny_generator()
    rules = TitleRules(style_words=("simply", "only"))
    briefs = [brief(product, 2, titles=rules) for product in products()[:3]]
    drafts = generator.generate(briefs, seeds=[1, 2, 3])
    for ask, draft in zip(briefs, drafts, strict=True):
        said = draft.title.lower().replace(generator.title_name(ask).lower(), "")
        for unit in ("simply", "only", *ask.selling_words):
            said = said.replace(unit.lower(), "")
        assert not said.strip(" ,.:!")
        assert generator.title_name(ask) in draft.title
        assert not draft.cut
