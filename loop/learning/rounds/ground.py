"""Where rounds learn: what a round reads from and writes to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from adloom.feature_store.store import FeatureStore
from adloom.loop.catalogue.histories.past_ads import PastAds
from adloom.loop.catalogue.product import Product
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.learning.rounds.events import RoundEvents, round_events
from adloom.loop.learning.rounds.learning_task import Learners, ThisProcess
from adloom.loop.learning.rounds.shared import SharedRounds
from adloom.loop.learning.target_codes import LearnableAds, TargetCodes
from adloom.loop.settings.learning import GateSettings, RoundSettings
from adloom.models.ad_generator import AdGenerator
from adloom.models.settings import FineTuneSettings, GeneratorSettings
from adloom.models.titles.rules import TitleRules


@dataclass(frozen=True)
class TrainingGround:
    """The parts of the loop that a round needs, and the settings that it goes by.

    Attributes:
        folder: holds a folder a round.
        targets: what there is to draw of an ad.
        titles: what the titles of a product may say.
        drawing: how ads are drawn where champion and challenger are compared.
        learners: the processes that learn.
        needed_versions: those that experiments ask for by number.
    """

    folder: Path
    generator: AdGenerator
    features: FeatureStore
    past_ads: PastAds
    targets: TargetCodes
    registry: AdRegistry
    titles: Callable[[Product], TitleRules]
    rounds: RoundSettings
    fine_tune: FineTuneSettings
    gate: GateSettings
    drawing: GeneratorSettings
    learners: Learners = field(default_factory=ThisProcess)
    needed_versions: Collection[int] = ()

    @property
    def database(self) -> Engine:
        """What machines share, where they do."""
        return self.past_ads.catalogue.engine

    @cached_property
    def shared(self) -> SharedRounds:
        """The rounds of all machines that share it."""
        return SharedRounds(self.folder, self.database)

    def events(self, until: datetime, back_to: datetime | None = None) -> RoundEvents:
        """The newest of the log before a moment, as far as there is something to learn from it.

        Left out are ads that adloom does not know, those of other bases that this one can learn
        nothing from, and showings of its own that it did not log. Arguments as for
        `adloom.loop.learning.rounds.events.round_events`.
        """
        log, ads = self.features.log, LearnableAds(self.targets)
        found = round_events(log, ads, self.rounds, until=until, back_to=back_to)
        return replace(found, of_other_bases=len(ads.left_out))
