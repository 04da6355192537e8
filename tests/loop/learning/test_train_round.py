"""Rounds on a real broker, feature store and registry."""

from __future__ import annotations

import json
import math
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from PIL import Image

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.loop import home
from adloom.loop.learning.cards.details import details
from adloom.loop.learning.registry import CHALLENGER
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.learning.rounds.kept import RoundOutcome, outcomes
from adloom.loop.learning.rounds.plan import NotEnoughClicks, RoundPlan
from adloom.loop.learning.rounds.train import train_round
from adloom.loop.learning.rounds.trigger import Trigger, rounds_when_due, trigger
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.trial import Trial
from adloom.loop.settings.learning import RoundSettings
from adloom.models.trends import Trends
from adloom.stream.broker import LocalBroker
from adloom.stream.consumer import EventConsumer
from adloom.stream.events import Impression
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from tests.adloom_process import AdloomProcess
from tests.conftest import own_topics
from tests.loop_parts import click_through, keep_shop_ads, tiny_settings, training_ground


@contextmanager
def clicked_ground(folder: Path, kafka: KafkaSettings) -> Iterator[TrainingGround]:
    settings = tiny_settings(folder)
    with home.open_features(settings) as features:
        ground = training_ground(settings, features)
        ads = keep_shop_ads(ground.past_ads.creatives, 6)
        click_through(kafka, features, ads, ["ann", "bob"])
        yield ground
        ground.past_ads.creatives.close()


@pytest.fixture
def ground(tmp_path: Path, kafka: KafkaSettings) -> Iterator[TrainingGround]:
    with clicked_ground(tmp_path, kafka) as ground:
        yield ground


@pytest.fixture(scope="module")
def learnt(
    tmp_path_factory: pytest.TempPathFactory, broker: LocalBroker
) -> Iterator[tuple[TrainingGround, RoundOutcome]]:
    """A ground after its first round, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("learnt")
    with (
        own_topics(broker.bootstrap_servers, session_seconds=2) as kafka,
        clicked_ground(folder, kafka) as ground,
    ):
        yield ground, train_round(ground)


def test_a_round_learns_from_clicks_and_registers_a_version(ground: TrainingGround) -> None:
    steps: list[int] = []
    outcome = train_round(ground, on_step=lambda step, _: steps.append(step))
    assert steps == [1, 2, 3]
    assert (outcome.number, outcome.version, outcome.parent) == (1, 2, 1)
    assert outcome.train_clicks + outcome.heldout_clicks == 12
    assert outcome.passed == (version_tags(ground, 2)["gate"] == "passed")
    assert (not outcome.objections) == outcome.passed
    assert outcome.judgement is not None
    assert outcome.passed == (outcome.judgement.answer == "better")
    version = ground.registry.version(2)
    assert version.tags["parent"] == "1"
    assert version.tags["base_name"] == ground.generator.base_name
    assert float(version.tags["heldout_loss_after"]) == pytest.approx(outcome.heldout_after, 1e-4)
    assert (CHALLENGER in version.aliases) == outcome.passed
    folder = ground.registry.adapter(version)
    assert folder is not None
    trends = Trends.load(folder)
    assert trends.items == outcome.trend_items == float(version.tags["trend_items"])
    assert trends.ads  # what was trained on, by category
    (kept,) = outcomes(ground.folder)
    assert kept.model_dump_json() == outcome.model_dump_json()


def version_tags(ground: TrainingGround, number: int) -> Mapping[str, str]:
    return ground.registry.version(number).tags


def test_the_gates_figures_are_kept_with_the_version(
    learnt: tuple[TrainingGround, RoundOutcome],
) -> None:
    ground, _ = learnt
    tags = version_tags(ground, 2)
    for side in ("champion", "challenger"):
        for figure in ("heldout_loss", "pbs", "invalid_titles", "diversity", "steps_an_ad"):
            assert math.isfinite(float(tags[f"{side}_{figure}"]))


def test_heldout_clicks_are_later_than_all_that_is_trained_on(
    learnt: tuple[TrainingGround, RoundOutcome],
) -> None:
    ground, _ = learnt
    plan = (ground.folder / "round-0001" / "plan.json").read_text()
    read = RoundPlan.model_validate_json(plan).clicks
    assert max(c.clicked_at for c in read.train) <= min(c.clicked_at for c in read.heldout)


def test_too_few_new_clicks_are_told_and_force_trains_anyway(ground: TrainingGround) -> None:
    few = ground.rounds.model_copy(update={"min_clicks": 1_000})
    choosy = replace(ground, rounds=few)
    with pytest.raises(NotEnoughClicks, match=r"rounds\.min_clicks is 1000"):
        train_round(choosy)
    assert train_round(choosy, force=True).number == 1


def test_nothing_is_learnt_again_where_nothing_is_new(
    learnt: tuple[TrainingGround, RoundOutcome],
) -> None:
    ground, _ = learnt
    for force in (False, True):
        with pytest.raises(NotEnoughClicks, match=r"no ad was clicked since the last round, which"):
            train_round(ground, force=force)
    assert len(outcomes(ground.folder)) == 1


def test_a_cut_off_round_goes_on_and_registers_once(ground: TrainingGround) -> None:
    class Killed(BaseException):
        pass

    def die(step: int, loss: float) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        train_round(ground, on_step=die)
    steps: list[int] = []
    outcome = train_round(ground, on_step=lambda step, _: steps.append(step))
    assert outcome.number == 1
    assert steps[-1] == 3
    assert 1 not in steps  # what was trained is not trained again
    assert len(outcome.losses) == 3
    assert [v.number for v in ground.registry.versions()] == [1, 2]


@pytest.mark.slow
def test_a_round_killed_at_any_moment_ends_as_one_version(
    ground: TrainingGround, tmp_path: Path
) -> None:
    settings = tmp_path / "adloom.toml"
    settings.write_text(
        f'home = "{ground.folder.parent}"\n'
        f'[generator]\npath = "{ground.drawing.path}"\n'
        "[fine_tune]\nmax_steps = 16\nbatch_size = 4\nrank = 2\ncheckpoint_every = 1\n"
        "evaluate_every = 8\n[fine_tune.trend]\nmax_steps = 16\n"
        "[rounds]\nmin_clicks = 4\n[gate]\nads = 2\n"
    )
    command = ["--config", str(settings), "train-round", "--force", "--json"]
    round_folder = ground.folder / "round-0001"

    killed = AdloomProcess(*command, folder=tmp_path)
    while not (round_folder / "state.safetensors").exists():
        assert killed.runs, "it ended before it was killed"
        time.sleep(0.01)
    killed.kill()
    done_before = len(json.loads((round_folder / "losses.json").read_text())["losses"])

    status, told, problems = AdloomProcess(*command, folder=tmp_path).ended()
    assert status == 0, problems
    resumed = json.loads(told)
    assert (resumed["number"], resumed["version"]) == (1, 2)
    assert len(resumed["losses"]) == 16
    assert done_before >= 1
    assert [v.number for v in ground.registry.versions()] == [1, 2]
    # It learned from the same clicks as if nothing had happened: all of them are in one plan.
    assert [kept.name for kept in ground.folder.glob("round-*")] == ["round-0001"]


def test_the_stream_is_consumed_while_a_round_trains(
    ground: TrainingGround, kafka: KafkaSettings
) -> None:
    stop = threading.Event()
    with (
        FeatureStore.open(FeatureStoreSettings(), ground.folder.parent / "features") as features,
        EventProducer(kafka) as producer,
        EventConsumer(kafka, features) as consumer,
    ):
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()

        def shop_on(step: int, loss: float) -> None:
            """Between two steps somebody looks at an ad, and that is in the features at once."""
            producer.send(impression("carol", "running-shoes"))
            producer.flush()
            deadline = time.monotonic() + 60
            while features.user_stats(["carol"])["carol"].impressions < step:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        try:
            train_round(ground, on_step=shop_on)
            assert features.user_stats(["carol"])["carol"].impressions == 3
        finally:
            stop.set()
            thread.join()


def impression(user_id: str, item_id: str) -> Impression:
    now = datetime.now(UTC)
    return Impression(event_id=str(uuid.uuid4()), ts=now, user_id=user_id, item_id=item_id)


def test_a_rounds_run_tells_what_it_learned_from_and_what_it_draws(
    learnt: tuple[TrainingGround, RoundOutcome],
) -> None:
    ground, _ = learnt
    version = ground.registry.version(2)
    client = MlflowClient(ground.registry.tracking_uri)
    losses = client.get_metric_history(version.run_id, "train_loss")
    assert [point.step for point in losses] == [1, 2, 3]
    assert [p.step for p in client.get_metric_history(version.run_id, "heldout_loss")] == [0, 3]
    folder = Path(client.download_artifacts(version.run_id, ""))
    data = json.loads((folder / "data.json").read_text())
    logged = ground.features.log.read()
    assert {
        (topic, int(partition), *ends)
        for topic, partitions in data["kafka_offsets"].items()
        for partition, ends in partitions.items()
    } == {
        (topic, partition, own.min(), own.max())
        for (topic, partition), own in logged.groupby(["topic", "partition"])["offset"]
    }
    assert data["clicks_until"] == version.tags["clicks_until"]
    table = json.loads((folder / "evaluation.json").read_text())
    assert len(table["data"]) == 2
    assert {"product", "champion_pbs", "challenger_title"} <= set(table["columns"])
    with Image.open(folder / "samples.png") as sheet:
        assert sheet.height > 500


def test_clicks_on_ads_that_adloom_does_not_know_are_no_lesson(
    ground: TrainingGround, kafka: KafkaSettings
) -> None:
    stranger = replace(keep_shop_ads(ground.past_ads.creatives, 1)[0], ad_id="of-somebody-else")
    click_through(kafka, ground.features, [stranger], ["dan", "eve"])
    outcome = train_round(ground)
    assert outcome.train_clicks + outcome.heldout_clicks == 12


def test_rounds_begin_by_new_clicks_and_by_time(ground: TrainingGround) -> None:
    waits: list[Trigger] = []

    class Enough(Exception):
        pass

    def wait(seconds: float) -> None:
        if len(waits) == 2:
            raise Enough

    trouble: list[Exception] = []
    made = rounds_when_due(ground, on_wait=waits.append, on_trouble=trouble.append, sleep=wait)
    assert next(made).number == 1
    with pytest.raises(Enough):
        next(made)
    assert [found.new_clicks for found in waits] == [0, 0]
    assert not trouble


@pytest.mark.parametrize(
    ("clicks", "hours", "begins"),
    [(16, 0.0, True), (15, 23.0, False), (15, 24.0, True), (2, 24.0, True), (1, 99.0, False)],
)
def test_a_round_is_due_with_enough_clicks_or_after_enough_time(
    clicks: int, hours: float, begins: bool
) -> None:
    now = datetime.now(UTC)
    last = now - timedelta(hours=hours)
    found = trigger(clicks, RoundSettings(min_clicks=16, max_wait_hours=24), last=last, now=now)
    assert (found.reason is not None) == begins
    never = RoundSettings(min_clicks=16, max_wait_hours=None)
    assert trigger(15, never, last=last, now=now).reason is None
    assert trigger(15, RoundSettings(min_clicks=16), last=None, now=now).reason is None


def test_the_champion_follows_its_alias(ground: TrainingGround) -> None:
    champion = Champion(ground.generator, ground.registry, Trial(ground.generator, ground.drawing))
    champion.begin()
    assert champion.serving.version == 1
    assert champion.serving.adapter is None
    version = train_round(ground).version
    assert not champion.follow()
    ground.registry.promote(version)
    assert champion.follow()
    assert champion.serving.version == version
    assert champion.serving.adapter in ground.generator.adapters
    ground.registry.rollback()
    assert champion.follow()
    assert champion.serving.adapter is None
    assert ground.generator.adapters == ()


def test_a_store_without_clicks_has_nothing_to_learn(tmp_path: Path, store: FeatureStore) -> None:
    ground = training_ground(tiny_settings(tmp_path), store)
    with pytest.raises(NotEnoughClicks):
        train_round(ground, force=True)
    ground.past_ads.creatives.close()


def test_a_version_carries_its_clicks_judgement_and_card(ground: TrainingGround) -> None:
    outcome = train_round(ground)
    version = ground.registry.version(2)
    told = f"Round 1, from version 1: learned from {outcome.train_clicks} clicks of "
    assert version.description.startswith(told)
    carried = details(ground.registry, 2)
    assert carried.run is not None
    assert {"judgement.json", "model_card.md", "samples.png"} <= carried.run.files.keys()
    rows = {one.name: one.num_rows for one in carried.clicks}
    assert rows["training clicks"] == outcome.train_clicks
    assert rows.get("choosing clicks", 0) + rows["judging clicks"] == outcome.heldout_clicks  # type: ignore[operator]
    assert carried.judgement is not None
    assert outcome.judgement is not None
    assert carried.judgement.answer == outcome.judgement.answer
    groups = {group.by: group for group in carried.judgement.groups}
    assert groups.keys() == {"all", "category", "language"}
    assert groups["all"].heldout_loss.challenger.mean == pytest.approx(outcome.heldout_after)
    assert groups["all"].pbs is not None
    assert groups["language"].name == "en"
    client = MlflowClient(ground.registry.tracking_uri)
    card = client.get_run(version.run_id).data.tags["mlflow.note.content"]
    assert version.description in card
    with_files = download_artifacts("models:/adloom-ad-generator/2/artifacts/model_card.md")
    assert Path(with_files).read_text() == card
    assert not {"ann", "bob"} & set(re.findall(r"\w+", card))
