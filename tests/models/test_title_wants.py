"""What a base wants a title to say of its product: its name, its short name or one of its words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adloom.loop.serving.titles import drawn_title, fallback_title
from adloom.models.ad_generator import AdGenerator
from adloom.models.engine import Drawn
from adloom.models.titles.check import check_title, plain_title
from adloom.models.titles.constraint import TitleConstraint
from adloom.models.titles.fit import TitleWants
from adloom.models.titles.mentions import describes, first_mentioned
from adloom.models.titles.rules import TitleRules
from tests.tiny_model import brief, products, tiny_model

SKU = "宜兴原矿紫砂壶纯手工大容量家用功夫茶具套装礼盒送礼长辈二百八十毫升"
WORDS = ("紫砂", "手工", "送礼")
RULES = TitleRules("zh", style_words=("好茶", "每天"), banned=("送礼",))
# A record as PAd1M has them: a long SKU title, and the words of what is clicked.
ASK = replace(
    brief(products()[0], 0, titles=RULES),
    product_name=SKU,
    short_name="紫砂壶",
    selling_words=WORDS,
    language="zh",
)


def wanting(wants: TitleWants, room: int = 24) -> AdGenerator:
    model = tiny_model()
    model.config = model.config.model_copy(update={"title_wants": wants, "title_tokens": room})
    return AdGenerator(model)


def test_a_title_has_a_word_and_need_not_hold_the_sku_title() -> None:
    generator = wanting("words")
    assert generator.title_name(ASK) == ""
    for drawn in titles_of(generator, 6):
        title = generator.title(drawn, ASK)
        assert first_mentioned(title, WORDS[:2]) is not None
        assert "送礼" not in title
        assert SKU[:6] not in title
        assert not drawn.cut
        shown = drawn_title(generator, drawn, ASK, RULES)
        assert shown is None or shown.describes  # None: it says a word twice in a row


def titles_of(generator: AdGenerator, count: int) -> list[Drawn]:
    started = generator.start(ASK, seeds=range(count), title_only=True)
    generator.finish([started])
    return started.result()


@pytest.mark.parametrize(("wants", "name"), [("name", SKU), ("short_name", "紫砂壶")])
def test_a_title_has_the_name_that_is_wanted(wants: TitleWants, name: str) -> None:
    generator = wanting(wants, room=140)
    assert generator.title_name(ASK) == name
    assert all(name in generator.title(drawn, ASK) for drawn in titles_of(generator, 2))
    assert wanting(wants).title_name(ASK) == "紫砂壶"  # where there is less room


def test_without_a_word_that_may_be_said_the_name_is_wanted() -> None:
    generator = wanting("words")
    for words in ((), ("送礼",), ("长" * 60,)):
        assert generator.title_name(replace(ASK, selling_words=words)) == "紫砂壶"
    tokenizer = generator.model.tokenizer
    with pytest.raises(ValueError, match="or a word that it may say"):
        TitleConstraint(tokenizer, "", ("送礼",), RULES, 24)


def test_titles_are_judged_by_what_is_wanted() -> None:
    assert check_title("手工好茶", "", RULES, words=WORDS) is None
    assert check_title("每天好茶", "", RULES, words=WORDS) == "says none of its product's words"
    assert check_title("手工送礼", "", RULES, words=WORDS) == "says '送礼', which is banned"
    assert check_title("手工好茶", SKU, RULES, words=WORDS) == f"does not name {SKU!r}"
    assert describes("手工好茶", "", WORDS)
    assert not describes("每天好茶", "", WORDS)
    assert not describes("每天好茶", "", ())
    assert not describes("手工好茶", SKU, WORDS)
    assert describes(SKU, SKU, ())


def test_a_word_alone_is_no_title() -> None:
    for title in ("紫砂", "紫砂！", " 紫砂。"):
        assert check_title(title, "", RULES, words=WORDS) == "says nothing but '紫砂'"
    assert check_title("紫砂，手工", "", RULES, words=WORDS) is None
    assert check_title("Warm light", "", words=("warm light",)) == "says nothing but 'warm light'"


def test_a_plain_title_names_the_product_also_where_no_name_is_wanted() -> None:
    assert plain_title("", ("送礼", "紫砂", "手工"), RULES) == "紫砂，手工"
    assert plain_title("", ("warm light", "oak")) == "Warm light, oak"
    generator = wanting("words")
    shown = fallback_title(generator, ASK, RULES)
    assert (shown.text, shown.describes) == ("紫砂壶：手工", True)
    assert check_title(shown.text, "", RULES, words=WORDS) is None


def test_a_product_whose_name_has_no_room_is_shown_with_its_own_words() -> None:
    generator = wanting("name")
    ask = replace(ASK, short_name="紫砂壶礼盒送礼长辈二百八十毫升")
    assert not generator.tells_product(ask)
    for drawn in titles_of(generator, 2):
        assert drawn_title(generator, drawn, ask, RULES) is None
    shown = fallback_title(generator, ask, RULES)
    assert (shown.text, shown.describes) == (f"{ask.short_name}：手工", True)
    assert generator.tells_product(ASK)
    assert wanting("words").tells_product(ask)


@pytest.mark.parametrize("name", ["캔버스 토트백", "מנורת שולחן", "Mug No. 5", "Yahoo!"])
@pytest.mark.parametrize("mark", [".", "!", " ", ""])
def test_a_title_that_is_the_name_alone_is_the_name_as_its_shop_wrote_it(
    name: str, mark: str
) -> None:
    generator = wanting("name", room=60)
    ask = replace(ASK, product_name=name, short_name="", language="en")
    drawn = titles_of(generator, 1)[0]
    written = tuple(generator.tokenizer.encode(name + mark, add_special_tokens=False))
    assert generator.title(replace(drawn, title=written), ask) == name
