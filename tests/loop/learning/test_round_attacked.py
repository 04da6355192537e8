"""A whole round, on events that somebody posted to be learnt from."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from adloom.loop import home
from adloom.loop.catalogue.creatives.store import Creative
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.kept import RoundOutcome
from adloom.loop.learning.rounds.plan import RoundClicks, RoundPlan
from adloom.loop.learning.rounds.train import train_round
from adloom.models.trends import Trends
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Click, Exposure, Impression
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from tests.loop.learning.showings import keep_drawn_ads
from tests.loop_parts import click_through, tiny_settings, training_ground

HONEST = ["ann", "bob", "carol", "dan"]


@pytest.fixture
def ground(tmp_path: Path, kafka: KafkaSettings) -> Iterator[TrainingGround]:
    """Four shoppers were shown six ads that adloom drew, and clicked them."""
    settings = tiny_settings(tmp_path)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        click_through(kafka, features, keep_drawn_ads(ground.past_ads.creatives, 7)[:6], HONEST)
        yield ground
        ground.past_ads.creatives.close()


def post(
    ground: TrainingGround,
    kafka: KafkaSettings,
    shown: type[Impression] | type[Exposure],
    ads: Sequence[Creative],
) -> None:
    """One user is shown ads and clicks each, all later than what the others did."""
    start = datetime.now(UTC) - timedelta(minutes=5)
    with EventProducer(kafka) as producer, EventConsumer(kafka, ground.features) as consumer:
        for number, ad in enumerate(ads):
            for kind in (shown, Click):
                producer.send(
                    kind(
                        event_id=str(uuid.uuid4()),
                        ts=start + timedelta(seconds=number, milliseconds=100 * (kind is Click)),
                        user_id="mallory",
                        item_id=ad.product_id,
                        ad_id=ad.ad_id,
                        variant="champion",
                    )
                )
        producer.flush()
        while consumer.counts.consumed < producer.produced:
            consumer.poll()


def learnt_from(ground: TrainingGround) -> RoundClicks:
    plan = (ground.folder / "round-0001" / "plan.json").read_text()
    return RoundPlan.model_validate_json(plan).clicks


def metrics(ground: TrainingGround, outcome: RoundOutcome) -> dict[str, float]:
    run = ground.registry.version(outcome.version).run_id
    found: dict[str, float] = MlflowClient(ground.registry.tracking_uri).get_run(run).data.metrics
    return found


def test_clicks_on_an_ad_that_was_never_served_to_their_user_are_no_lesson(
    ground: TrainingGround, kafka: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    pushed = ground.past_ads.creatives.get("drawn-6")
    post(ground, kafka, Impression, [pushed] * 60)
    with caplog.at_level(logging.WARNING, logger="adloom.loop.learning"):
        outcome = train_round(ground)
    clicks = learnt_from(ground)
    used = Counter(click.user_id for click in (*clicks.train, *clicks.heldout))
    assert used == dict.fromkeys(HONEST, 6)
    folder = ground.registry.adapter(ground.registry.version(outcome.version))
    assert folder is not None
    trends = Trends.load(folder)
    assert pushed.title not in {ad.title for trend in trends.ads.values() for ad in trend}
    assert outcome.unshown == metrics(ground, outcome)["clicks_unshown"] == 60
    assert outcome.beyond_share == metrics(ground, outcome)["clicks_beyond_share"] == 0
    assert "60 clicks on ads that their shopper was not shown" in caplog.text


def test_a_user_who_clicks_all_that_adloom_shows_has_a_share(
    ground: TrainingGround, kafka: KafkaSettings, caplog: pytest.LogCaptureFixture
) -> None:
    ads = [ground.past_ads.creatives.get(f"drawn-{n}") for n in range(7)]
    post(ground, kafka, Exposure, ads * 9)
    with caplog.at_level(logging.WARNING, logger="adloom.loop.learning"):
        outcome = train_round(ground)
    clicks = learnt_from(ground)
    train, heldout = (Counter(c.user_id for c in part) for part in (clicks.train, clicks.heldout))
    of_five = 0.3  # one and a half times an even share
    assert train["mallory"] <= of_five * train.total()
    assert 0 < heldout["mallory"] <= of_five * 10
    assert train.total() > 12
    left_out = 63 - train["mallory"] - heldout["mallory"]
    assert outcome.beyond_share == left_out == clicks.beyond_share["mallory"]
    assert metrics(ground, outcome)["clicks_beyond_share"] == left_out
    assert f"{left_out} clicks of 1 shopper left out" in caplog.text
    assert "mallory" not in caplog.text
