"""A title that may not be shown is written again, and else made of name and selling point."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.exposures import exposure
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.http.bodies import ad_made
from adloom.loop.serving.http.prefix import Places
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.titles import MOST_TITLES, Title, title_seed
from adloom.models.titles.check import check_title
from adloom.models.titles.mentions import mentions
from tests.loop_parts import ad_maker, generator_of, tiny_settings

PRODUCT = next(iter(load_catalog().values()))
SERVING = Serving("champion", 1, None)


@pytest.fixture
def maker(tmp_path: Path, store: FeatureStore) -> Iterator[AdMaker]:
    """A maker whose model writes what comes to its untrained mind."""
    made = ad_maker(tiny_settings(tmp_path), store)
    made.settings = made.settings.model_copy(update={"constrain_titles": False})
    yield made
    made.creatives.close()


def drawn_titles(maker: AdMaker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is looked at from now on, in order."""
    looked_at: list[str] = []
    read = maker.generator.title

    def title(*given: object) -> str:
        looked_at.append(read(*given))  # type: ignore[arg-type]
        return looked_at[-1]

    monkeypatch.setattr(maker.generator, "title", title)
    return looked_at


def made(maker: AdMaker) -> Ad:
    """The ad of one request, always the same."""
    return maker.make([AdRequest("ann", PRODUCT, 5)], SERVING)[0]


def test_a_model_that_writes_garbage_is_served_with_plain_titles(maker: AdMaker) -> None:
    ad = made(maker)
    name, point = ad.creative.title.split(": ")
    assert PRODUCT.name.startswith(name)
    assert point in PRODUCT.selling_points
    assert (ad.title_source, ad.valid_title) == ("fallback", True)
    context = exposure(ad).context
    assert (context["title_source"], context["valid_title"]) == ("fallback", True)
    assert ad_made(ad, None, None, Places()).title_source == "fallback"
    assert made(maker).creative.title == ad.creative.title


def test_a_title_is_drawn_a_few_times_and_its_picture_once(
    maker: AdMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = maker.generator.start

    def counted(*given: object, **named: object) -> object:
        started.append((named["seeds"], named.get("title_only", False)))
        return start(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(maker.generator, "start", counted)
    made(maker)
    assert [only for _, only in started] == [False] + [True] * (MOST_TITLES - 1)
    assert [seeds for seeds, _ in started[1:]] == [
        [title_seed(5, attempt)] for attempt in range(1, MOST_TITLES)
    ]


def test_the_work_for_an_ad_is_that_of_its_candidates_and_titles_whoever_is_beside_it(
    maker: AdMaker,
) -> None:
    alone = made(maker)
    assert exposure(alone).context["row_steps"] == alone.row_steps
    sound = maker.settings.model_copy(update={"constrain_titles": True})
    two = replace(SERVING, settings=sound.model_copy(update={"candidates": 2}))
    requests = [(AdRequest("ann", PRODUCT, 5), SERVING), (AdRequest("ben", PRODUCT, 5), two)]
    futures = maker.start(requests)
    while not all(future.done() for future in futures):
        maker.step()
    beside, doubled = (future.result() for future in futures)
    assert (beside.drawn_together, beside.row_steps) == (1, alone.row_steps)
    single = maker.make([AdRequest("ben", PRODUCT, 5)], replace(SERVING, settings=sound))[0]
    assert 1.5 * single.row_steps < doubled.row_steps < 2.5 * single.row_steps


def test_a_better_title_is_served_with_the_picture_that_was_drawn(
    maker: AdMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(maker)
    found = iter([None, None, Title(f"Fine {PRODUCT.name}", "model", describes=False)])
    monkeypatch.setattr("adloom.loop.serving.ads.drawn_title", lambda *given: next(found))
    ad = made(maker)
    assert (ad.creative.title, ad.title_source) == (f"Fine {PRODUCT.name}", "model")
    assert not ad.valid_title
    assert ad.picture.tobytes() == before.picture.tobytes()


def test_where_titles_are_constrained_the_model_writes_them(maker: AdMaker) -> None:
    maker.settings = maker.settings.model_copy(update={"constrain_titles": True})
    ads = maker.make([AdRequest("ann", PRODUCT, seed) for seed in range(4)], SERVING)
    assert {ad.title_source for ad in ads} == {"model"}


def test_others_go_on_while_a_title_is_written_again(maker: AdMaker) -> None:
    constrained = maker.settings.model_copy(update={"constrain_titles": True})
    sound = replace(SERVING, settings=constrained)
    first, second = maker.start(
        [(AdRequest("ann", PRODUCT, 1), SERVING), (AdRequest("ben", PRODUCT, 2), sound)]
    )
    while not second.done():
        maker.step()
    assert not first.done()
    while not first.done():
        maker.step()
    assert first.result().title_source == "fallback"


def test_a_request_that_is_cancelled_is_not_written_again(
    maker: AdMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = drawn_titles(maker, monkeypatch)
    (future,) = maker.start([(AdRequest("ann", PRODUCT, 5), SERVING)])
    while len(looked_at) < 2:
        maker.step()
    assert future.cancel()
    maker.step()
    maker.step()
    assert generator_of(maker).engine.running == 0
    with pytest.raises(CancelledError):
        future.result()
    assert len(looked_at) == 2


def test_an_adapter_that_was_dropped_writes_no_more(
    maker: AdMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator_of(maker).new_adapter("passing", rank=2, alpha=4)
    looked_at = drawn_titles(maker, monkeypatch)
    request = AdRequest("ann", PRODUCT, 5)
    (future,) = maker.start([(request, replace(SERVING, adapter="passing"))])
    maker.step()
    maker.generator.drop_adapter("passing")
    while not future.done():
        maker.step()
    assert future.result().title_source == "fallback"
    assert len(looked_at) == 2  # the draft's and the one that was checked


def test_what_a_product_may_not_say_is_not_served(tmp_path: Path, store: FeatureStore) -> None:
    banned = PRODUCT.selling_points[0]
    maker = ad_maker(tiny_settings(tmp_path, titles={"en": {"banned": [banned]}}), store)
    ads = maker.make([AdRequest("ann", PRODUCT, seed) for seed in range(8)], SERVING)
    assert not any(mentions(ad.creative.title, banned) for ad in ads)
    maker.creatives.close()


def test_names_of_another_script_are_served(tmp_path: Path, store: FeatureStore) -> None:
    maker = ad_maker(tiny_settings(tmp_path), store)
    product = replace(PRODUCT, name="鍋 <&>", language="ja", selling_points=("錆びにくい",))
    ads = maker.make([AdRequest("ann", product, seed) for seed in range(3)], SERVING)
    for ad in ads:
        assert ad.creative.title
        assert ad.title_source == "model"
        assert check_title(ad.creative.title, "鍋") is None
    maker.creatives.close()


def test_a_name_without_room_is_served_whole_and_no_title_is_drawn_for_it_again(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = ad_maker(tiny_settings(tmp_path), store)
    name = "景德镇手绘青花瓷复古" * 5 + "茶壶"
    product = replace(PRODUCT, name=name, language="zh", selling_points=("保暖",))
    looked_at = drawn_titles(maker, monkeypatch)
    ad = maker.make([AdRequest("ann", product, 5)], SERVING)[0]
    assert (ad.creative.title, ad.title_source) == (f"{name}：保暖", "fallback")
    assert ad.valid_title
    assert len(looked_at) == 1  # the draft's
    maker.creatives.close()
