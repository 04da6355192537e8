"""The demo's loop: its real parts, its shoppers, and the experiment that they are dealt into."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adloom.loop import home
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.simulator import Crowd
from adloom.loop.demo.shop.taste import Fashion
from adloom.loop.experiments.running import RunningExperiments, versions_of_arms
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.trial import Trial
from adloom.loop.settings import Settings
from adloom.loop.settings.experiments import Arm, Experiment
from adloom.models.ad_generator import AdGenerator
from adloom.stream.broker import running_broker
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.needs import to_replay_events
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings

EXPERIMENT = "learning"
FROZEN, LEARNING = "frozen", "learning"
"""Arms: the base that never learns, and the champion."""
_DRAIN_SECONDS = 120.0
_ROUNDS_OF_A_DRIFT = 3
_MOST_EXAMPLES, _MOST_HELDOUT = 400, 64
_ATTRIBUTION = timedelta(seconds=25)
"""A round of the demo is a day in a minute: its shoppers answer within seconds."""


@dataclass(frozen=True)
class DemoPlan:
    """Size of a demo run.

    Attributes:
        rounds: fine-tune rounds; ads are served before each and after the last.
        shoppers: how many there are.
        shop_ads: the shop's own ads.
        new_shop_ads: its new ones a round, which take the place of the oldest.
        designers_follow: share of the new ones that are in fashion, once there is one.
        browsing: share of the shoppers who look around the shop in a round.
        shop_visits: how often each of them does.
        ads_per_round: drawn and served, over both arms.
        drift_from: the round from which on shoppers follow fashion; fewer than three rounds would
            only show what it costs, so there is none in them.
        seed: another seed, another crowd and another fashion.
    """

    rounds: int = 2
    shoppers: int = 160
    shop_ads: int = 240
    new_shop_ads: int = 80
    designers_follow: float = 0.5
    browsing: float = 0.8
    shop_visits: int = 2
    ads_per_round: int = 64
    drift_from: int = 2
    seed: int = 0

    @property
    def drifts(self) -> bool:
        """Whether fashion moves in this run."""
        return self.rounds >= _ROUNDS_OF_A_DRIFT


class EventsLost(RuntimeError):
    """The consumer did not account for every produced event in time."""


def demo_settings(settings: Settings, start: datetime) -> Settings:
    """The settings with the demo's experiment, and the time its shoppers take."""
    arms = {FROZEN: Arm(version=1), LEARNING: Arm()}
    hours = _ATTRIBUTION / timedelta(hours=1)
    return settings.model_copy(
        update={
            "experiments": {EXPERIMENT: Experiment(arms=arms, start=start)},
            "rounds": settings.rounds.model_copy(
                update={
                    "attribution_hours": hours,
                    "max_examples": _MOST_EXAMPLES,
                    "max_heldout": _MOST_HELDOUT,
                }
            ),
        }
    )


def write_settings(settings: Settings, file: Path) -> None:
    """What `adloom --config` needs to go on where the demo ended, also once both are moved."""
    experiment = settings.experiments[EXPERIMENT]
    home = os.path.relpath(settings.home, file.parent)
    file.write_text(
        f"home = {json.dumps(home, ensure_ascii=False)}\n\n"
        f"[rounds]\nattribution_hours = {settings.rounds.attribution_hours}\n\n"
        f"[experiments.{EXPERIMENT}]\nstart = {experiment.start.isoformat()}\n\n"
        f"[experiments.{EXPERIMENT}.arms]\n"
        f"{FROZEN} = {{ version = 1 }}\n"
        f'{LEARNING} = {{ version = "@champion" }}\n'
    )


class DemoLoop:
    """The loop's real parts, and the crowd that uses them."""

    def __init__(self, settings: Settings, plan: DemoPlan, parts: ExitStack) -> None:
        self.plan = plan
        self.settings = settings
        self.kafka: KafkaSettings = parts.enter_context(
            running_broker(settings.kafka, to_replay_events(settings.kafka))
        )
        self.features = parts.enter_context(home.open_features(settings))
        self.creatives = home.open_creatives(settings)
        parts.callback(self.creatives.close)
        self.generator: AdGenerator = home.load_generator(settings)
        self.registry = home.registry_with_base(settings, self.generator)
        arms = versions_of_arms(settings.experiments, self.registry, datetime.now(UTC))
        trial = Trial(self.generator, settings.generator)
        self.champion = Champion(self.generator, self.registry, trial)
        self.champion.begin(arms)
        self._experiments = RunningExperiments(
            settings.experiments, self.features.log, _ATTRIBUTION
        )
        self.catalogue = home.open_catalogue(settings)
        parts.callback(self.catalogue.close)
        past_ads = home.past_ads(self.catalogue, self.creatives, self.generator)
        self.maker = AdMaker(
            self.generator, self.features, past_ads, settings.generator, title_rules
        )
        self.ground = home.training_ground(
            settings, self.generator, self.features, past_ads, self.registry, title_rules
        )
        self.producer = parts.enter_context(EventProducer(self.kafka))
        self.consumer = parts.enter_context(_consuming(settings, self.kafka))
        self.fashion = Fashion.drawn(
            load_catalog().categories, start_round=plan.drift_from, seed=plan.seed
        )
        followed = self.fashion if plan.drifts else None
        self.crowd = Crowd.gathered(plan.shoppers, seed=plan.seed, fashion=followed)
        self.shop_ads: list[SeedCreative] = []
        self.browsed_until = datetime.now(UTC)

    def request(self, user_id: str, product_id: str, seed: int) -> AdRequest:
        """An ad wanted by a shopper, from the arm that they are in."""
        arm = self._experiments.assign(user_id, datetime.now(UTC))
        return AdRequest(user_id, self.catalogue[product_id], seed, arm)

    def draw(self, requests: Sequence[AdRequest]) -> list[Ad]:
        """Both arms in one running batch; who would get an ad that may not be shown sees none."""
        with self.champion.lock:
            started = self.maker.start([(request, self._serving(request)) for request in requests])
        while not all(future.done() for future in started):
            self.maker.step()
        shown: list[Ad] = []
        for future in started:
            with suppress(NotShown):
                shown.append(future.result())
        return shown

    def _serving(self, request: AdRequest) -> Serving:
        assert request.assignment is not None
        arm = self._experiments.arm(request.assignment)
        return replace(self.champion.version(arm.version), variant=request.assignment.variant)

    @property
    def accounted(self) -> int:
        """Events that were applied or set aside."""
        counts = self.consumer.counts
        return counts.consumed + sum(counts.dead_letters.values())

    def drain(self) -> None:
        """Wait until every produced event is accounted for.

        Raises:
            EventsLost: that took more than two minutes.
        """
        self.producer.flush()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while (seen := self.accounted) < self.producer.produced:
            if time.monotonic() > deadline:
                raise EventsLost(f"{self.producer.produced} events produced, {seen} accounted for")
            time.sleep(0.05)


@contextmanager
def _consuming(settings: Settings, kafka: KafkaSettings) -> Iterator[EventConsumer]:
    """A consumer at work beside the loop, with a connection of its own to the stores."""
    with (
        home.open_features(settings) as features,
        consuming(EventConsumer(kafka, features, settings.events)) as consumer,
    ):
        yield consumer
