"""The engine is full from the first ad to the last but few, whatever the parts are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from adloom.feature_store.store import FeatureStore, UserHistory
from adloom.loop import home
from adloom.loop.batch.ahead import ReadAhead
from adloom.loop.batch.drawing import Drawing, Part
from adloom.loop.batch.errors import AdsHeld
from adloom.loop.batch.order import Order
from adloom.loop.catalogue.creatives.reviewing import judge
from adloom.loop.privacy.tombstones import Tombstones
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.histories import Histories
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.settings.review import ReviewSettings
from tests.loop_parts import ad_maker, tiny_settings

_TOGETHER = 4


def test_parts_follow_one_another_without_a_pause(
    tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings(tmp_path)
    maker, ahead = ad_maker(settings, store), ReadAhead(store)
    maker.histories = Histories(ahead)
    order = Order(
        run="r", inputs={}, version=1, variant="champion", drawing="", exposures=False, part_rows=3
    )
    parts = [
        (number, [(f"user-{number}-{n}", "running-shoes") for n in range(3)]) for number in range(5)
    ]
    reads: list[int] = []
    requests: list[AdRequest] = []
    drawn_together: list[int] = []
    taken: list[int] = []
    start, step, histories = maker.start, maker.step, store.histories

    def started(wanted: Sequence[tuple[AdRequest, Serving]]) -> list[Future[Ad]]:
        requests.extend(request for request, _ in wanted)
        return start(wanted)

    def stepped() -> None:
        if len(requests) < 15:
            drawn_together.append(len(requests) - sum(taken))
        step()

    def read(user_ids: Iterable[str]) -> dict[str, UserHistory]:
        reads.append(len(users := list(user_ids)))
        return histories(users)

    monkeypatch.setattr(maker, "start", started)
    monkeypatch.setattr(maker, "step", stepped)
    monkeypatch.setattr(store, "histories", read)
    table = Tombstones(maker.past_ads.catalogue.engine)
    table.begin([table.names().of("user-1-1")], opted_out=True)
    with home.who_is_forgotten(settings, "a test") as forgotten:
        drawing = Drawing(maker, ahead, order, Serving("champion", 1, None), forgotten, _TOGETHER)
        done = list(drawing.draw(parts, taken.append))
        again = list(drawing.draw(parts[:2], taken.append))
    assert sorted(part.number for part in done) == list(range(5))
    assert all(len(part.ads) == part.drawn == 3 for part in done)
    assert reads == [3] * 5  # all users of a part in one read
    assert drawn_together
    assert set(drawn_together) == {_TOGETHER}
    assert [one.user_id for one in requests if not one.personalised] == ["user-1-1"]
    assert sum(taken) == 15 + 6
    assert [(part.number, part.drawn) for part in again] == [(0, 0), (1, 0)]
    assert [ad.ad_id for _, ad in again[0].ads] == [
        ad.ad_id for part in done if part.number == 0 for _, ad in part.ads
    ]
    maker.creatives.close()


def test_what_a_person_has_to_approve_keeps_nothing_else_from_being_drawn(
    tmp_path: Path, store: FeatureStore
) -> None:
    settings = tiny_settings(tmp_path)
    given, ahead = ad_maker(settings, store), ReadAhead(store)
    titles, review = given._titles, ReviewSettings(required=True)
    maker = AdMaker(given.generator, ahead, given.past_ads, settings.generator, titles, review)
    order = Order(
        run="r", inputs={}, version=1, variant="champion", drawing="", exposures=False, part_rows=2
    )
    parts = [
        (0, [("ann", "running-shoes"), ("bob", "running-shoes")]),
        (1, [("cem", "coffee-mug")]),
    ]
    engine = maker.past_ads.catalogue.engine
    with home.who_is_forgotten(settings, "a test") as forgotten:

        def draw(done: list[Part]) -> None:
            serving = Serving("champion", 1, None)
            drawing = Drawing(maker, ahead, order, serving, forgotten, _TOGETHER)
            for part in drawing.draw(parts, lambda ads: None):
                done.append(part)

        done: list[Part] = []
        with pytest.raises(AdsHeld, match=r"3 wait for a person's approval"):
            draw(done)
        assert done == []
        names = [order.named(*pair)[0] for _, pairs in parts for pair in pairs]
        judge(engine, names[:2], "approved", why="", by="a test")
        judge(engine, names[2:], "banned", why="no", by="a test")
        with pytest.raises(AdsHeld, match=r"shown: 1 are banned"):
            draw(done)
    assert [(part.number, part.drawn) for part in done] == [(0, 0)]
    maker.creatives.close()
