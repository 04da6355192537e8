"""The demo's loop: its real parts, its shoppers, and the experiment that they are dealt into."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from adloom.loop import home
from adloom.loop.demo.shop.catalog import load_catalog
from adloom.loop.demo.shop.copywriting import title_rules
from adloom.loop.demo.shop.creatives import SeedCreative
from adloom.loop.demo.shop.fashion import Drift, Fashion
from adloom.loop.demo.shop.perception import ScenePerception
from adloom.loop.demo.shop.simulator import Crowd
from adloom.loop.experiments.running import RunningExperiments, versions_of_arms
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.rounds.ground import TrainingGround
from adloom.loop.serving.ads import AdMaker
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.finished import Ad
from adloom.loop.serving.kept_ads import NotShown
from adloom.loop.serving.requests import AdRequest, Serving
from adloom.loop.serving.trial import Trial
from adloom.loop.settings import Settings
from adloom.loop.settings.experiments import Arm, Experiment
from adloom.models.ad_generator import AdGenerator
from adloom.models.settings import FineTuneSettings
from adloom.stream.broker import running_broker
from adloom.stream.consumer import EventConsumer
from adloom.stream.consuming import consuming
from adloom.stream.membership.counts import Counts
from adloom.stream.needs import to_replay_events
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings

EXPERIMENT = "learning"
FROZEN, LEARNING = "frozen", "learning"
"""Arms: the base that never learns, and the champion."""
_DRAIN_SECONDS = 120.0
_ROUNDS_OF_A_DRIFT = 3
_MOST_EXAMPLES, _MOST_HELDOUT = 400, 64
_LOOKS = 96
_SHORT_STEPS, _SHORT_PAIRS, _SHORT_LEFT, _SHORT_ADS = 20, 32, 4, 12
ATTRIBUTION = timedelta(seconds=5)
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
        drift: who follows it.
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
    drift: Drift = "everybody"
    seed: int = 0

    @property
    def drifts(self) -> bool:
        """Whether fashion moves in this run."""
        return self.rounds >= _ROUNDS_OF_A_DRIFT


class EventsLost(RuntimeError):
    """The consumer did not account for every produced event in time."""


def demo_settings(settings: Settings, start: datetime, plan: DemoPlan | None = None) -> Settings:
    """The settings with the demo's experiment, and the time its shoppers take.

    Where fashion does not move in the ``plan``, a round has little news to learn: its steps are
    fewer, and the gate looks at fewer ads, which makes it find less and not err more.
    """
    arms = {FROZEN: Arm(version=1), LEARNING: Arm()}
    hours = ATTRIBUTION / timedelta(hours=1)
    rounds: dict[str, Any] = {
        "attribution_hours": hours,
        "max_examples": _MOST_EXAMPLES,
        "max_heldout": _MOST_HELDOUT,
    }
    fine_tune, gate = settings.fine_tune, settings.gate
    # The simulator tells of no ad but those that its shoppers looked at.
    looks = settings.features.impressions_length or _LOOKS
    if plan is not None and not plan.drifts:
        rounds["max_left"] = min(settings.rounds.max_left, _SHORT_LEFT)
        rounds["max_pairs"] = min(settings.rounds.max_pairs, _SHORT_PAIRS)
        fine_tune = _of_few_steps(fine_tune)
        gate = gate.model_copy(update={"ads": min(gate.ads, _SHORT_ADS)})
    return settings.model_copy(
        update={
            "experiments": {EXPERIMENT: Experiment(arms=arms, start=start)},
            "rounds": settings.rounds.model_copy(update=rounds),
            "fine_tune": fine_tune,
            "gate": gate,
            "features": settings.features.model_copy(update={"impressions_length": looks}),
        }
    )


def _of_few_steps(fine_tune: FineTuneSettings) -> FineTuneSettings:
    """With a trend, which a few clicks may seem to show, and without one."""
    steps = min(fine_tune.max_steps, _SHORT_STEPS)
    of_trend = min(fine_tune.trend.max_steps, _SHORT_STEPS)
    trend = fine_tune.trend.model_copy(update={"max_steps": of_trend})
    return fine_tune.model_copy(update={"max_steps": steps, "trend": trend})


def write_settings(settings: Settings, file: Path) -> None:
    """What `adloom --config` needs to go on where the demo ended, also once both are moved."""
    experiment = settings.experiments[EXPERIMENT]
    home = os.path.relpath(settings.home, file.parent)
    file.write_text(
        f"home = {json.dumps(home, ensure_ascii=False)}\n\n"
        f"[features]\nimpressions_length = {settings.features.impressions_length}\n\n"
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
        # These keep a core busy for seconds, and nothing asks for them before the shop is set up.
        beside = parts.enter_context(ThreadPoolExecutor(2, thread_name_prefix="demo"))
        self._registry = beside.submit(home.registry_with_base, settings, self.generator)
        self._perception = beside.submit(ScenePerception.fitted)
        if settings.mlflow.tracking_uri is not None:
            self._registry.result()  # a server that is away is told at once
        self._experiments = RunningExperiments(settings.experiments, self.features.log, ATTRIBUTION)
        self.catalogue = home.open_catalogue(settings)
        parts.callback(self.catalogue.close)
        past_ads = home.past_ads(self.catalogue, self.creatives, self.generator)
        self.maker = AdMaker(
            self.generator, self.features, past_ads, settings.generator, title_rules
        )
        self.producer = parts.enter_context(EventProducer(self.kafka))
        self.consumer = parts.enter_context(_consuming(settings, self.kafka))
        self.fashion = _fashion(plan)
        self.shop_ads: list[SeedCreative] = []
        self.browsed_until = datetime.now(UTC)
        self._asked = 0, Counts()

    @cached_property
    def registry(self) -> AdRegistry:
        """With the base as version 1."""
        return self._registry.result()

    @cached_property
    def champion(self) -> Champion:
        """What serves; begins in the thread that draws."""
        arms = versions_of_arms(self.settings.experiments, self.registry, datetime.now(UTC))
        trial = Trial(self.generator, self.settings.generator)
        found = Champion(self.generator, self.registry, trial)
        found.begin(arms)
        return found

    @cached_property
    def ground(self) -> TrainingGround:
        """Where rounds learn."""
        past_ads, registry = self.maker.past_ads, self.registry
        return home.training_ground(
            self.settings, self.generator, self.features, past_ads, registry, title_rules
        )

    @cached_property
    def perception(self) -> ScenePerception:
        """What shoppers see of a picture."""
        return self._perception.result()

    @cached_property
    def crowd(self) -> Crowd:
        """The shoppers."""
        size, seed = self.plan.shoppers, self.plan.seed
        return Crowd.gathered(size, seed=seed, fashion=self.fashion, perception=self.perception)

    def request(self, user_id: str, product_id: str, round_number: int, place: int) -> AdRequest:
        """An ad wanted by a shopper, from the arm that they are in; its name tells which."""
        arm = self._experiments.assign(user_id, datetime.now(UTC))
        seed = 1_000 * round_number + place
        name = f"demo-{self.plan.seed}-{round_number}-{place:03d}"
        return AdRequest(user_id, self.catalogue[product_id], seed, arm, ad_id=name)

    def draw(
        self, requests: Sequence[AdRequest], on_drawn: Callable[[], object] = lambda: None
    ) -> list[Ad]:
        """Both arms in one running batch; who would get an ad that may not be shown sees none."""
        with self.champion.lock:
            started = self.maker.start([(request, self._serving(request)) for request in requests])
        waiting = list(started)
        while waiting:
            self.maker.step()
            left = [future for future in waiting if not future.done()]
            for _ in range(len(waiting) - len(left)):
                on_drawn()
            waiting = left
        shown: list[Ad] = []
        for future in started:
            with suppress(NotShown):
                shown.append(future.result())
        return shown

    def by_adapter(self, ads: Sequence[Ad]) -> dict[str | None, list[Ad]]:
        """Ads by the adapter that drew them."""
        found: dict[str | None, list[Ad]] = {}
        for ad in ads:
            found.setdefault(self._serving(ad.request).adapter, []).append(ad)
        return found

    def _serving(self, request: AdRequest) -> Serving:
        assert request.assignment is not None
        arm = self._experiments.arm(request.assignment)
        return replace(self.champion.version(arm.version), variant=request.assignment.variant)

    def since_last_asked(self) -> tuple[int, Counts]:
        """Events that were produced, and what became of events, since the last call."""
        produced, counts = self.producer.produced, self.consumer.counts
        before, self._asked = self._asked, (produced, counts)
        return produced - before[0], counts.less(before[1])

    @property
    def accounted(self) -> int:
        """Events that were applied or set aside."""
        counts = self.consumer.counts
        return counts.consumed + sum(counts.dead_letters.values())

    def drain(self) -> None:
        """Wait until every produced event is accounted for, and in the log.

        Raises:
            EventsLost: that took more than two minutes.
        """
        self.producer.flush()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while (seen := self.accounted) < self.producer.produced:
            if time.monotonic() > deadline:
                raise EventsLost(f"{self.producer.produced} events produced, {seen} accounted for")
            time.sleep(0.02)
        self.consumer.keep()


def _fashion(plan: DemoPlan) -> Fashion | None:
    """What shoppers follow, if anything."""
    if not plan.drifts:
        return None
    known, begins = load_catalog().categories, plan.drift_from
    return Fashion.drawn(known, start_round=begins, seed=plan.seed, drift=plan.drift)


@contextmanager
def _consuming(settings: Settings, kafka: KafkaSettings) -> Iterator[EventConsumer]:
    """A consumer at work beside the loop, with a connection of its own to the stores."""
    with (
        home.open_features(settings) as features,
        consuming(EventConsumer(kafka, features, settings.events)) as consumer,
    ):
        yield consumer
